"""Which ticket a command was answered with, and ways from verdicts and subjects to what they asked for."""

from alembic import op

revision = "0010"
down_revision = "0009"

TICKETS = """
ALTER TABLE command ADD COLUMN ticket_id uuid, ADD COLUMN ticket_number integer;
CREATE INDEX command_opens_for ON command (verdict) WHERE verb = 'open';
CREATE INDEX command_opens_about ON command (org, subject, condition) WHERE verb = 'open'
"""


def upgrade() -> None:
    for statement in TICKETS.split(";\n"):
        op.execute(statement)
