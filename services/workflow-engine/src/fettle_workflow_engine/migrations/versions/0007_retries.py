"""How often each run was retried, which has an end."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE run ADD COLUMN retried integer NOT NULL DEFAULT 0")
    op.execute("COMMENT ON COLUMN run.retried IS 'How often it was asked to go on after it had failed.'")
