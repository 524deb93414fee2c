"""Whom checklists name that are with their tickets no more, so that they are ticked there all the same."""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLE = """
CREATE TABLE former_member (
    org text NOT NULL,
    subject text NOT NULL,
    parent text NOT NULL,
    parent_condition text NOT NULL,
    PRIMARY KEY (org, subject, parent, parent_condition)
)
"""
COMMENT = """
COMMENT ON TABLE former_member IS
    'Devices that were down when they left the list of a ticket about `parent`, and have not recovered since.'
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(COMMENT)
