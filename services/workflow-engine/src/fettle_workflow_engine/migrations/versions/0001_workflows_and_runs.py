"""Workflows with their versions, runs with their steps, and what keeps them in bounds."""

from alembic import op

from fettle_chassis.schema import create_chassis_tables_v1

revision = "0001"
down_revision = None

WORKFLOW = """
CREATE TABLE workflow (
    org text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    enabled boolean NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    triggers text[] NOT NULL,
    document text NOT NULL,
    saved_at timestamptz NOT NULL,
    saved_by text NOT NULL,
    condition_problem json,
    PRIMARY KEY (org, name)
)
"""

VERSION = """
CREATE TABLE workflow_version (
    org text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    document text NOT NULL,
    saved_at timestamptz NOT NULL,
    saved_by text NOT NULL,
    PRIMARY KEY (org, name, version)
)
"""

RUN = """
CREATE TABLE run (
    id uuid PRIMARY KEY,
    org text NOT NULL,
    workflow text NOT NULL,
    version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'refused')),
    trigger text NOT NULL,
    event json NOT NULL,
    event_id text NOT NULL,
    depth integer NOT NULL,
    traceparent text,
    started_at timestamptz NOT NULL,
    timeout_at timestamptz NOT NULL,
    ended_at timestamptz,
    error json,
    CHECK ((state = 'running') = (ended_at IS NULL))
)
"""

RUN_INDEXES = (
    "CREATE INDEX run_of_org ON run (org, started_at, id)",
    "CREATE INDEX run_of_org_by_state ON run (org, state, started_at, id)",
    "CREATE INDEX run_of_workflow ON run (org, workflow, started_at, id)",
    "CREATE INDEX run_timeout ON run (timeout_at) WHERE state = 'running'",
    "CREATE INDEX run_ended ON run (ended_at) WHERE ended_at IS NOT NULL",
)

STEP = """
CREATE TABLE step (
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    place integer NOT NULL,
    node text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'done', 'failed', 'skipped')),
    input json,
    output json,
    error json,
    command_id uuid,
    attempts integer NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (run_id, node)
)
"""

STEP_WAITING = "CREATE UNIQUE INDEX step_waiting ON step (command_id) WHERE state = 'waiting'"

STARTED = """
CREATE TABLE workflow_minute (
    org text NOT NULL,
    workflow text NOT NULL,
    minute timestamptz NOT NULL,
    runs integer NOT NULL,
    PRIMARY KEY (org, workflow, minute)
)
"""

ANSWER = """
CREATE TABLE answer (
    org text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer,
    body json,
    at timestamptz NOT NULL,
    PRIMARY KEY (org, key)
)
"""

COMMENTS = (
    "COMMENT ON COLUMN workflow.document IS 'As it was saved last; workflow_version has what the version began with.'",
    "COMMENT ON COLUMN workflow.condition_problem IS 'The last condition that could not be decided.'",
    "COMMENT ON TABLE workflow_version IS 'What runs follow: never changed, kept when the workflow is deleted.'",
    "COMMENT ON COLUMN step.place IS 'In the order in which the run reached its nodes.'",
    "COMMENT ON TABLE workflow_minute IS 'How many runs each workflow started, for its budget of runs an hour.'",
    "COMMENT ON TABLE answer IS 'First answers to writes with an Idempotency-Key; remembered for 30 days.'",
)


def upgrade() -> None:
    create_chassis_tables_v1(op)
    for statement in (WORKFLOW, VERSION, RUN, *RUN_INDEXES, STEP, STEP_WAITING, STARTED, ANSWER, *COMMENTS):
        op.execute(statement)
