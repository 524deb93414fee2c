"""Where a shard's log that has begun anew showed its first clock: what begins at an instant of the log before is timed
from there."""

from alembic import op

revision = "0021"
down_revision = "0020"

ANEW_AT = "ALTER TABLE shard_progress ADD COLUMN IF NOT EXISTS anew_at bigint NOT NULL DEFAULT 0"


def upgrade() -> None:
    op.execute(ANEW_AT)
