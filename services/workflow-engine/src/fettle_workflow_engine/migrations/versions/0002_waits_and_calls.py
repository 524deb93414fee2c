"""Runs that wait for time, for tickets and for what is outside; runs that people end and take up again."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    ALTER TABLE run
        DROP CONSTRAINT run_state_check,
        ADD CONSTRAINT run_state_check CHECK (state IN ('running', 'done', 'failed', 'refused', 'cancelled')),
        ADD COLUMN rerun_of uuid
    """,
    "ALTER TABLE step ADD COLUMN wake_at timestamptz, ADD COLUMN ticket uuid, ADD COLUMN watches json",
    "CREATE INDEX step_wakes ON step (wake_at) WHERE state = 'waiting' AND wake_at IS NOT NULL",
    "CREATE INDEX step_watches ON step (ticket) WHERE state = 'waiting' AND ticket IS NOT NULL",
    """
    CREATE TABLE call (
        id uuid PRIMARY KEY,
        run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
        org text NOT NULL,
        kind text NOT NULL,
        request json NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL,
        leased_by text
    )
    """,
    "CREATE INDEX call_due ON call (org, due_at)",
    "CREATE INDEX call_of_run ON call (run_id)",
    "CREATE INDEX call_leased ON call (leased_by) WHERE leased_by IS NOT NULL",
    "ALTER TABLE workflow_version ADD COLUMN watches boolean NOT NULL DEFAULT false",
    "CREATE INDEX workflow_version_watching ON workflow_version (org) WHERE watches",
    """
    CREATE TABLE ticket_seen (
        org text NOT NULL,
        ticket uuid NOT NULL,
        version integer NOT NULL,
        state text NOT NULL,
        changes jsonb NOT NULL,
        day date NOT NULL,
        PRIMARY KEY (org, ticket)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX ticket_seen_day ON ticket_seen (day)",
    "COMMENT ON COLUMN run.rerun_of IS 'The run whose event a person had it start with.'",
    "COMMENT ON COLUMN step.wake_at IS 'When a wait is over, whatever else ends it.'",
    "COMMENT ON COLUMN step.watches IS 'Which change of its ticket ends a wait, and since which version.'",
    "COMMENT ON TABLE call IS 'Calls to what is outside that have no outcome yet.'",
    "COMMENT ON COLUMN call.due_at IS 'When it is made next; of one that is being made, when its lease is over.'",
    "COMMENT ON COLUMN workflow_version.watches IS 'Whether its runs may wait for tickets.'",
    "COMMENT ON TABLE ticket_seen IS 'Last seen versions of tickets, in orgs whose workflows may wait for tickets.'",
    "COMMENT ON COLUMN ticket_seen.changes IS 'The version of the last change of each kind.'",
    "COMMENT ON COLUMN ticket_seen.day IS 'Of the last change; a day, so that most updates touch no index.'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
