"""Which ticket a device has left: its key may mean a later one by the time at which the device recovers."""

from alembic import op

revision = "0017"
down_revision = "0016"

# Null for what was left before, or is by the previous code beside this one, and where the ticket was not known yet: it
# is ticked on the ticket that the key means, as it was.
LEFT = """
ALTER TABLE former_member ADD COLUMN IF NOT EXISTS ticket uuid;
ALTER TABLE former_member
    DROP CONSTRAINT former_member_pkey,
    ADD CONSTRAINT former_member_of_ticket UNIQUE NULLS NOT DISTINCT (org, subject, parent, parent_condition, ticket)
"""


def upgrade() -> None:
    for statement in LEFT.split(";\n"):
        op.execute(statement)
