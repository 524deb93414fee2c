"""Orgs and policies, what the shards said, live status and history, verdicts and outcomes."""

from alembic import op

from fettle_chassis.schema import create_chassis_tables_v1

revision = "0001"
down_revision = None

# What shards are told. The counter numbers every control record of the installation; its row is the lock.
POLICIES = """
CREATE TABLE control_counter (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    number bigint NOT NULL
);
INSERT INTO control_counter (number) VALUES (0);
CREATE TABLE org (
    org text PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    told_at timestamptz NOT NULL
);
CREATE TABLE policy_version (
    org text NOT NULL REFERENCES org,
    version integer NOT NULL,
    policy jsonb NOT NULL,
    publish_existing boolean NOT NULL,
    number bigint NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (org, version)
);
CREATE TABLE policy_in_force (
    org text NOT NULL,
    shard integer NOT NULL,
    version integer NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (org, shard)
);
CREATE TABLE greeted (
    shard integer NOT NULL,
    nonce text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (shard, nonce)
);
COMMENT ON TABLE greeted IS 'Hellos of shards that have been answered.';
"""

# Instants named *_at of type bigint are broker milliseconds; `partition` is always one of health.judgements.
SHARDS = """
CREATE TABLE shard_progress (
    partition integer NOT NULL,
    shard integer NOT NULL,
    generation bigint NOT NULL,
    place_offset bigint NOT NULL,
    place_index bigint NOT NULL,
    clock_generation bigint,
    judged_at bigint,
    clock bigint,
    address text,
    stalled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (partition, shard)
);
COMMENT ON TABLE shard_progress IS
    'The high-water mark (generation, place) of each shard in each partition, and its clock as that partition saw it.';
CREATE TABLE shard_gap (
    shard integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('unobserved', 'stalled')),
    from_at bigint NOT NULL,
    to_at bigint,
    PRIMARY KEY (shard, kind, from_at)
);
COMMENT ON TABLE shard_gap IS 'When a log held no record, or decisions were made without a shard.';
"""

SUBJECTS = """
CREATE TABLE subject (
    org text NOT NULL,
    subject text NOT NULL,
    shard integer NOT NULL,
    generation bigint NOT NULL DEFAULT 0,
    state text,
    condition text,
    since_at bigint,
    changed_at bigint,
    policy_version integer,
    evidence jsonb,
    unwatched text,
    heard_name text,
    heard_integration text,
    heard_space text,
    heard_model text,
    heard_interval_s double precision,
    registered boolean NOT NULL DEFAULT false,
    entered_name text,
    entered_integration text,
    entered_space text,
    entered_model text,
    entered_interval_s double precision,
    entered_by text,
    entered_at timestamptz,
    name text GENERATED ALWAYS AS (coalesce(entered_name, heard_name)) STORED,
    integration text GENERATED ALWAYS AS (coalesce(entered_integration, heard_integration)) STORED,
    space text GENERATED ALWAYS AS (coalesce(entered_space, heard_space)) STORED,
    model text GENERATED ALWAYS AS (coalesce(entered_model, heard_model)) STORED,
    interval_s double precision GENERATED ALWAYS AS (coalesce(entered_interval_s, heard_interval_s)) STORED,
    PRIMARY KEY (org, subject)
);
COMMENT ON TABLE subject IS
    'Live status. heard_*: from heartbeats; entered_*: from the registry, which wins. state is null until judged.';
CREATE INDEX subject_by_state ON subject (org, state, subject) WHERE state <> 'healthy';
CREATE INDEX subject_by_integration ON subject (org, integration, subject);
CREATE INDEX subject_by_space ON subject (org, space text_pattern_ops, subject);
CREATE INDEX subject_registered ON subject (shard) WHERE registered;
CREATE TABLE transition (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    org text NOT NULL,
    subject text NOT NULL,
    from_state text,
    to_state text,
    condition text,
    at bigint NOT NULL,
    body jsonb NOT NULL
);
COMMENT ON COLUMN transition.body IS 'As it was published on health.transitions.';
CREATE INDEX transition_of_subject ON transition (org, subject, at DESC, position DESC);
CREATE INDEX transition_of_org ON transition (org, at DESC, position DESC);
"""

VERDICTS = """
CREATE TABLE incident (
    org text NOT NULL,
    subject text NOT NULL,
    condition text NOT NULL,
    ticket_id uuid,
    ticket_number integer,
    ticket_state text,
    ticket_version integer,
    asked_verb text,
    asked_command uuid,
    PRIMARY KEY (org, subject, condition)
);
COMMENT ON TABLE incident IS 'What is known of the ticket of a subject and condition, and the last command unanswered.';
CREATE TABLE verdict (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    partition integer NOT NULL,
    org text NOT NULL,
    subject text NOT NULL,
    condition text NOT NULL,
    cause text NOT NULL,
    at bigint NOT NULL,
    since_at bigint NOT NULL,
    policy_version integer NOT NULL,
    flap_count integer NOT NULL,
    evidence jsonb NOT NULL,
    name text,
    integration text,
    space text
);
COMMENT ON TABLE verdict IS 'Verdicts that wait for the shards'' clocks. Decided ones are outcomes.';
CREATE INDEX verdict_due ON verdict (partition, at, position);
CREATE TABLE outcome (
    verdict uuid PRIMARY KEY,
    org text NOT NULL,
    subject text NOT NULL,
    condition text NOT NULL,
    cause text NOT NULL,
    at bigint NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    policy_version integer NOT NULL,
    evidence jsonb NOT NULL,
    decided_at timestamptz NOT NULL
);
CREATE INDEX outcome_of_subject ON outcome (org, subject, at DESC);
CREATE TABLE command (
    id uuid PRIMARY KEY,
    verdict uuid NOT NULL,
    org text NOT NULL,
    subject text NOT NULL,
    condition text NOT NULL,
    verb text NOT NULL,
    sent_at timestamptz NOT NULL,
    answer text,
    answer_code text,
    answer_message text
);
COMMENT ON TABLE command IS 'Commands that outcomes asked for, and what the ticket service answered.';
CREATE TABLE watch (
    org text NOT NULL,
    subject text NOT NULL,
    condition text NOT NULL,
    kind text NOT NULL,
    cause uuid NOT NULL,
    partition integer NOT NULL,
    shard integer NOT NULL,
    generation bigint NOT NULL,
    start_at bigint NOT NULL,
    start_clock bigint NOT NULL,
    due_clock bigint NOT NULL,
    PRIMARY KEY (org, subject, condition, kind)
);
COMMENT ON TABLE watch IS 'Timers on a shard''s own clock.';
CREATE INDEX watch_due ON watch (partition, shard, due_clock);
"""


def upgrade() -> None:
    create_chassis_tables_v1(op)
    for script in (POLICIES, SHARDS, SUBJECTS, VERDICTS):
        for statement in script.split(";\n"):
            if statement.strip():
                op.execute(statement)
