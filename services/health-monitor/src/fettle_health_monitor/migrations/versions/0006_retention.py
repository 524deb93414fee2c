"""Ways to find what need not be kept any longer, and how often a subject has changed of late."""

from alembic import op

revision = "0006"
down_revision = "0004"

BY_TIME = """
CREATE INDEX transition_by_time ON transition (at);
CREATE INDEX outcome_by_time ON outcome (at);
CREATE INDEX command_by_time ON command (sent_at);
CREATE INDEX incident_over ON incident (coalesce(opened_at, 0)) WHERE ticket_state = 'resolved' AND asked_verb IS NULL;
CREATE INDEX silence_over ON silence (ends_at) WHERE until_at IS NULL
"""

FLAP_COUNT = """
ALTER TABLE subject ADD COLUMN flap_count integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN subject.flap_count IS 'As its last change said.'
"""


def upgrade() -> None:
    for script in (BY_TIME, FLAP_COUNT):
        for statement in script.split(";\n"):
            op.execute(statement)
