"""A way to those who are well, the longest first, that leads past nobody else's subjects."""

from alembic import op

revision = "0009"
down_revision = "0008"

# What the rules of a subject follow from is in it, so that counting reads nothing else. A storm costs it nothing: who
# ceases to be well is not entered.
WELL = """
CREATE INDEX subject_well ON subject (org, changed_at) INCLUDE (integration, model, interval_s)
WHERE state = 'healthy'
"""


def upgrade() -> None:
    op.execute(WELL)
