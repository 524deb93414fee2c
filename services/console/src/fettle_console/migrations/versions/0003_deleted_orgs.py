"""Orgs that were deleted: the row stays, so that the name is not given to somebody else."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE org ADD COLUMN deleted_at timestamptz")
