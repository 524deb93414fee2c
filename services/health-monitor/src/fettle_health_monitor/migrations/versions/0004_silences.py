"""Silences, and what each has held back."""

from alembic import op

revision = "0004"
down_revision = "0003"

# Instants named *_at of type bigint are broker milliseconds; `partition` is one of health.judgements.
SILENCES = """
CREATE TABLE silence (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    selection uuid,
    org text NOT NULL,
    subject text NOT NULL,
    partition integer NOT NULL,
    shard integer NOT NULL,
    starts_at bigint NOT NULL,
    length_s integer NOT NULL,
    rrule text,
    zone text,
    reason text,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    removed_by text,
    removed_at bigint,
    ends_at bigint NOT NULL,
    from_at bigint,
    until_at bigint,
    due_at bigint
);
COMMENT ON COLUMN silence.ends_at IS 'The end of its last occurrence, or when it was removed before that.';
COMMENT ON COLUMN silence.until_at IS
    'With from_at, the occurrence whose end has not been dealt with yet, null when all have. due_at: when to look.';
CREATE INDEX silence_of_subject ON silence (org, subject, ends_at);
CREATE INDEX silence_of_org ON silence (org, position);
CREATE INDEX silence_running ON silence (org, position) WHERE until_at IS NOT NULL;
CREATE INDEX silence_of_selection ON silence (selection, position) WHERE selection IS NOT NULL;
CREATE INDEX silence_due ON silence (partition, shard, due_at) WHERE due_at IS NOT NULL;
CREATE TABLE silence_held (
    silence uuid NOT NULL,
    verdict uuid NOT NULL,
    at bigint NOT NULL,
    condition text NOT NULL,
    cause text NOT NULL,
    PRIMARY KEY (silence, verdict)
);
COMMENT ON TABLE silence_held IS 'Verdicts that would have opened a ticket.';
"""


def upgrade() -> None:
    for statement in SILENCES.split(";\n"):
        if statement.strip():
            op.execute(statement)
