"""What a verdict awaits before its outcome is settled, and why it ended so in one word."""

from alembic import op

revision = "0011"
down_revision = "0010"

# Beside this code the previous one does not say what an outcome awaits, and settles nothing: what it has asked for ends
# by a refusal all the same, and what it has taken in is looked for each minute. Who joins a ticket that it has asked
# for stays joined. Its `GET .../why` fails on a verdict that was merged, which it does not know.
SETTLED = """
ALTER TABLE outcome ADD COLUMN awaits uuid, ADD COLUMN because text NOT NULL DEFAULT '';
COMMENT ON COLUMN outcome.awaits IS 'The command whose answer settles it; null when it is settled.';
COMMENT ON COLUMN outcome.because IS 'Why it ended so, in one word of few.';
CREATE INDEX outcome_awaiting ON outcome (awaits) WHERE awaits IS NOT NULL
"""

# What was asked for before this and has no answer yet, and what was refused.
OUTCOMES = """
UPDATE outcome SET awaits = command.id
FROM command
WHERE command.verdict = outcome.verdict AND verb = 'open' AND answer IS NULL
  AND outcome.outcome IN ('opened', 'reopened');
UPDATE outcome SET outcome = 'refused', because = coalesce(answer_code, ''),
                   reason = concat('the ticket service refused it (', answer_code, '): ', answer_message)
FROM command
WHERE command.verdict = outcome.verdict AND verb = 'open' AND answer = 'rejected'
  AND outcome.outcome IN ('opened', 'reopened')
"""


def upgrade() -> None:
    for script in (SETTLED, OUTCOMES):
        for statement in script.split(";\n"):
            op.execute(statement)
