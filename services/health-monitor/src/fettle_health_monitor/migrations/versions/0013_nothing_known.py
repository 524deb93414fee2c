"""Incidents of which nothing is known go: their only ticket was refused before such rows were let go at once."""

from alembic import op

revision = "0013"
down_revision = "0012"

# No rule of retention would ever take them. The comment: by now that a subject is not watched has its place as well.
NOTHING = """
DELETE FROM incident WHERE ticket_id IS NULL AND asked_verb IS NULL;
COMMENT ON COLUMN subject.heard_place IS
    'Generation and offset of the record that last said any of heard_* or of unwatched.'
"""


def upgrade() -> None:
    for statement in NOTHING.split(";\n"):
        op.execute(statement)
