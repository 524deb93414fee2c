"""Where in its log a subject last said what it is called: a late removal takes nothing that came after it."""

from alembic import op

revision = "0012"
down_revision = "0011"

# Null for what the previous code writes beside this one: any removal takes that, as it did.
PLACE = """
ALTER TABLE subject ADD COLUMN heard_place bigint[];
COMMENT ON COLUMN subject.heard_place IS 'Generation and offset of the record that last said any of heard_*.'
"""


def upgrade() -> None:
    for statement in PLACE.split(";\n"):
        op.execute(statement)
