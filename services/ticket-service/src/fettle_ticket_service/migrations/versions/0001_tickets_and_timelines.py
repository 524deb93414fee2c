"""Orgs, tickets, their timelines, and the memory of commands."""

from alembic import op

from fettle_chassis.schema import create_chassis_tables_v1

revision = "0001"
down_revision = None

ORG = """
CREATE TABLE org (
    org text PRIMARY KEY,
    name text NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    next_number bigint NOT NULL DEFAULT 1,
    open bigint NOT NULL DEFAULT 0,
    in_progress bigint NOT NULL DEFAULT 0,
    resolved bigint NOT NULL DEFAULT 0,
    policy jsonb NOT NULL DEFAULT '{}',
    told_at timestamptz NOT NULL
)
"""

TICKET = """
CREATE TABLE ticket (
    id uuid PRIMARY KEY,
    org text NOT NULL REFERENCES org,
    number bigint NOT NULL,
    version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'in_progress', 'resolved')),
    source text NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    description_version integer NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    integration text,
    space text,
    links jsonb NOT NULL,
    dedup_key text,
    flap_count integer NOT NULL,
    parent_id uuid,
    parent_number bigint,
    previous_id uuid,
    previous_number bigint,
    opened_at timestamptz NOT NULL,
    opened_by jsonb NOT NULL,
    started_at timestamptz,
    started_by jsonb,
    resolved_at timestamptz,
    resolved_by jsonb,
    resolution text,
    updated_at timestamptz NOT NULL,
    CHECK ((state = 'resolved') = (resolution IS NOT NULL))
)
"""

TICKET_INDEXES = (
    "CREATE UNIQUE INDEX ticket_number ON ticket (org, number)",
    "CREATE UNIQUE INDEX ticket_one_unresolved_per_key ON ticket (org, dedup_key) WHERE state <> 'resolved'",
    "CREATE INDEX ticket_latest_of_key ON ticket (org, dedup_key, number) WHERE dedup_key IS NOT NULL",
    "CREATE INDEX ticket_by_number ON ticket (org, state, number)",
    "CREATE INDEX ticket_by_opening ON ticket (org, state, opened_at, number)",
    "CREATE INDEX ticket_by_update ON ticket (org, state, updated_at, number)",
    "CREATE INDEX ticket_of_subject ON ticket (org, subject_type, subject_id, number)",
)

SEARCH = """
CREATE TABLE ticket_search (
    ticket_id uuid PRIMARY KEY,
    org text NOT NULL,
    words text NOT NULL
)
"""

ENTRY = """
CREATE TABLE entry (
    ticket_id uuid NOT NULL,
    version integer NOT NULL,
    id uuid NOT NULL,
    org text NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL,
    actor jsonb NOT NULL,
    body text,
    evidence jsonb,
    PRIMARY KEY (ticket_id, version)
)
"""

COMMAND = """
CREATE TABLE command (
    org text NOT NULL,
    source text NOT NULL,
    id text NOT NULL,
    fingerprint bytea NOT NULL,
    verb text NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    message text,
    ticket_id uuid,
    ticket_number bigint,
    ticket_state text,
    ticket_version integer,
    answer bytea,
    at timestamptz NOT NULL,
    PRIMARY KEY (org, source, id)
)
"""

MEANINGS = {
    "COLUMN org.next_number": "The number of the next ticket, given in its transaction: there are no gaps.",
    "COLUMN org.open": "How many tickets are open: kept, never counted; so are its neighbours.",
    "COLUMN org.policy": "What the org has decided; what it leaves out has the default of the platform.",
    "COLUMN org.told_at": "The time of the latest statement about the org; older ones that come again are passed over.",
    "TABLE entry": "The timeline, to which entries are only ever added. Their ids follow from ticket and version.",
    "TABLE ticket_search": "Title, subject name and subject id in lower case, written once at opening.",
    "TABLE command": "Commands and their answers, for 30 days: each has one effect, and a repeat its first answer.",
    "COLUMN command.reason": "The code of a rejection, else the rule that decided.",
    "COLUMN command.answer": "The ticket as the first answer by HTTP showed it.",
}


def upgrade() -> None:
    create_chassis_tables_v1(op)
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
    for table in (ORG, TICKET, SEARCH, ENTRY, COMMAND):
        op.execute(table)
    for index in TICKET_INDEXES:
        op.execute(index)
    op.execute("CREATE INDEX ticket_search_words ON ticket_search USING gin (org, words gin_trgm_ops)")
    op.execute("CREATE INDEX command_age ON command USING brin (at)")
    for thing, meaning in MEANINGS.items():
        op.execute(f"COMMENT ON {thing} IS '{meaning}'")
