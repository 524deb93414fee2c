"""Where a shard that goes on behind lost log has said hello: its next owner hears the same until it is saved."""

from alembic import op

revision = "0019"
down_revision = "0018"

# Of the state in the same row. The previous code beside this one leaves it standing when it saves: one whose place is
# not behind that of the state is over.
GREETING = "ALTER TABLE checkpoint ADD COLUMN IF NOT EXISTS greeting jsonb"


def upgrade() -> None:
    op.execute(GREETING)
