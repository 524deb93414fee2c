"""A way through an org's subjects by how long they have been as they are."""

from fettle_chassis.migrations.indexes import build_index

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    build_index("subject_by_since", "subject (org, since_at, subject)")
