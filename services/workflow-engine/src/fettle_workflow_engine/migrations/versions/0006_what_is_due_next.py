"""When the next call of all orgs is due, found at a glance."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("CREATE INDEX call_next ON call (due_at)")
