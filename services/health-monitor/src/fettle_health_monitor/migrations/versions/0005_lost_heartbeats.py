"""Heartbeats of a whole org that stopped arriving: when, whose, and what its shards said meanwhile."""

from alembic import op

revision = "0005"
down_revision = "0004"

# Instants named *_at of type bigint are broker milliseconds; `partition` is one of health.judgements.
LOSSES = """
CREATE TABLE loss (
    id uuid PRIMARY KEY,
    org text NOT NULL,
    since_at bigint NOT NULL,
    begun_at bigint NOT NULL,
    policy_version integer NOT NULL,
    counted integer NOT NULL,
    lost integer NOT NULL,
    unknown integer NOT NULL,
    heard text[] NOT NULL,
    heard_behind text[] NOT NULL,
    resumed_at bigint,
    few_since_at bigint,
    holds_until bigint,
    UNIQUE (org, begun_at)
);
COMMENT ON TABLE loss IS
    'Intervals in which an org''s heartbeats did not arrive, from the last one heard (since_at) to resumed_at.';
COMMENT ON COLUMN loss.holds_until IS 'Until then the silence of somebody may have begun in the interval.';
CREATE TABLE unseen_subject (
    org text NOT NULL,
    subject text NOT NULL,
    partition integer NOT NULL,
    shard integer NOT NULL,
    shown text NOT NULL,
    shown_condition text,
    judged jsonb NOT NULL,
    generation bigint,
    start_clock bigint,
    due_clock bigint,
    PRIMARY KEY (org, subject)
);
COMMENT ON TABLE unseen_subject IS
    'Subjects of which something else is shown than what their shard judges (`judged`: its last change).';
CREATE INDEX unseen_subject_due ON unseen_subject (partition, shard, due_clock) WHERE due_clock IS NOT NULL;
CREATE TABLE held_judgement (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition integer NOT NULL,
    org text NOT NULL,
    at bigint NOT NULL,
    judgement jsonb NOT NULL
);
COMMENT ON TABLE held_judgement IS 'What must be taken in in the order of its instants: it waits for all clocks.';
CREATE INDEX held_judgement_due ON held_judgement (partition, at, position);
CREATE INDEX held_judgement_of ON held_judgement (org);
ALTER TABLE transition ADD COLUMN laid_over boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN transition.laid_over IS 'No shard has said so: heartbeats were lost, or had been.';
CREATE TABLE hidden_change (
    id uuid PRIMARY KEY,
    org text NOT NULL,
    at bigint NOT NULL
);
COMMENT ON TABLE hidden_change IS 'What shards said and the world was not shown.';
CREATE INDEX hidden_change_by_time ON hidden_change (at)
"""


def upgrade() -> None:
    for statement in LOSSES.split(";\n"):
        op.execute(statement)
