"""When the next call of all orgs is due, found at a glance."""

from fettle_chassis.migrations.indexes import build_index

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    build_index("call_next", "call (due_at)")
