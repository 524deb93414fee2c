"""Ways to find what need not be kept any longer, the books of verdicts, and how often a subject has changed of late."""

from alembic import op

revision = "0006"
down_revision = "0005"

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

# Transitions from before do not say whether they called for a verdict: all there have been are entered. What the
# previous code still decides beside this one shows as unaccounted until it is a day old.
BOOKS = """
ALTER TABLE transition ADD COLUMN calls boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN transition.calls IS 'Whether it calls for a verdict, which has its id.';
CREATE INDEX transition_calling ON transition (at) WHERE calls;
CREATE TABLE called (
    verdict uuid PRIMARY KEY,
    org text NOT NULL,
    cause text NOT NULL,
    at bigint NOT NULL
);
COMMENT ON TABLE called IS 'Verdicts that something else than a transition has called for.';
INSERT INTO called (verdict, org, cause, at)
SELECT verdict, org, cause, at FROM outcome UNION ALL SELECT id, org, cause, at FROM verdict;
CREATE INDEX called_by_time ON called (at)
"""


def upgrade() -> None:
    for script in (BY_TIME, FLAP_COUNT, BOOKS):
        for statement in script.split(";\n"):
            op.execute(statement)
