"""Who was removed and is not forgotten yet: a removal that is lost with unread log is told again."""

from alembic import op

revision = "0015"
down_revision = "0014"

# Removals that are under way now, and those of the previous code beside this one, are not marked: as before.
REMOVED = """
ALTER TABLE subject ADD COLUMN removed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN subject.removed IS 'Somebody has removed it, and its shard has not said yet that it has forgotten it.'
"""


def upgrade() -> None:
    for statement in REMOVED.split(";\n"):
        op.execute(statement)
