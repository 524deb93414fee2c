"""Which other tickets of its key an incident knows, since a person has reopened an earlier one."""

from alembic import op

revision = "0016"
down_revision = "0015"

# The previous code beside this one neither reads nor writes it, and takes late news of a later ticket for the newest.
OTHERS = """
ALTER TABLE incident ADD COLUMN IF NOT EXISTS other_tickets jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN incident.other_tickets IS
    'Other tickets of its key that are known since an earlier one came back: id, number, state and version of each.'
"""


def upgrade() -> None:
    for statement in OTHERS.split(";\n"):
        op.execute(statement)
