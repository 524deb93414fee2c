"""What starts runs beside tickets: when schedules are due, the secrets of hooks, and the org's switch."""

from alembic import op

revision = "0004"
down_revision = "0003"

SCHEDULE = """
CREATE TABLE schedule (
    org text NOT NULL,
    workflow text NOT NULL,
    trigger text NOT NULL,
    every_s integer,
    cron text,
    zone text NOT NULL,
    missed text NOT NULL CHECK (missed IN ('run_once', 'skip')),
    next_at timestamptz NOT NULL,
    PRIMARY KEY (org, workflow, trigger),
    CHECK ((every_s IS NULL) <> (cron IS NULL))
)
"""

POLICY = """
CREATE TABLE workflow_policy (
    org text PRIMARY KEY,
    enabled boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
)
"""

HOOK = """
CREATE TABLE hook_secret (
    org text NOT NULL,
    workflow text NOT NULL,
    id uuid NOT NULL,
    key_id text NOT NULL,
    salt bytea NOT NULL,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    ends_at timestamptz,
    PRIMARY KEY (org, workflow, id)
)
"""

STATEMENTS = (
    SCHEDULE,
    "CREATE INDEX schedule_next ON schedule (next_at)",
    POLICY,
    HOOK,
    "COMMENT ON TABLE schedule IS 'One row per schedule trigger of every enabled workflow of an org that is on.'",
    "COMMENT ON COLUMN schedule.next_at IS 'Moved on in the transaction that starts the run of the moment before.'",
    "COMMENT ON COLUMN hook_secret.salt IS 'The secret is derived from it, by the key of key_id; it stands nowhere.'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
