"""Hash chains over timelines, what retention has removed of them, and how exports write times and cells."""

from alembic import op

revision = "0003"
down_revision = "0002"

COLUMNS = (
    "ALTER TABLE org ADD COLUMN place bigint NOT NULL DEFAULT 0, ADD COLUMN head text NOT NULL DEFAULT ''",
    "ALTER TABLE ticket ADD COLUMN hash text, ADD COLUMN seal text",
    "ALTER TABLE entry ADD COLUMN hash text, ADD COLUMN place bigint, ADD COLUMN head text",
)

REMOVED = """
CREATE TABLE removed_ticket (
    org text NOT NULL,
    number bigint NOT NULL,
    ticket_id uuid NOT NULL,
    version integer NOT NULL,
    hash text,
    places integer NOT NULL,
    resolved_at timestamptz NOT NULL,
    removed_at timestamptz NOT NULL,
    retention_days integer NOT NULL,
    seal text NOT NULL,
    PRIMARY KEY (org, number)
)
"""

GAP = """
CREATE TABLE chain_gap (
    org text NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    head text NOT NULL,
    seal text NOT NULL,
    PRIMARY KEY (org, first)
)
"""

INDEXES = (
    "CREATE UNIQUE INDEX entry_by_place ON entry (org, place)",
    "CREATE UNIQUE INDEX removed_ticket_by_id ON removed_ticket (ticket_id)",
    "CREATE INDEX ticket_by_resolution ON ticket (org, resolved_at) WHERE state = 'resolved'",
)

FUNCTIONS = (
    """
    CREATE FUNCTION rfc3339(instant timestamptz) RETURNS text LANGUAGE sql STABLE
    RETURN to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    """,
    # What begins like a formula is one to a spreadsheet.
    """
    CREATE FUNCTION cell(words text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN words ~ '^[-=+@\\t\\r]' THEN '''' || words ELSE words END
    """,
)

MEANINGS = {
    "COLUMN org.place": "The place of the org''s latest entry in its chain; places count from 1 without gaps.",
    "COLUMN org.head": "The hash that stands for all entries of the org up to that place.",
    "COLUMN ticket.hash": "The hash of its latest entry, which stands for its whole timeline.",
    "COLUMN ticket.seal": "Over hash and fields: whoever changes the row without the key is found out.",
    "COLUMN entry.hash": "Over the ticket''s entry before it and itself; null: older than the chains.",
    "TABLE removed_ticket": "Which tickets retention removed, sealed; nothing of what they said.",
    "COLUMN removed_ticket.places": "How many of its entries had a place in the chain.",
    "TABLE chain_gap": "Places of the chain whose entries retention removed, sealed; neighbours are one gap.",
    "COLUMN chain_gap.head": "The org''s head at its last place.",
}


def upgrade() -> None:
    for statement in (*COLUMNS, REMOVED, GAP, *INDEXES, *FUNCTIONS):
        op.execute(statement)
    for thing, meaning in MEANINGS.items():
        op.execute(f"COMMENT ON {thing} IS '{meaning}'")
