"""Checklists of rollups, and the tickets that have a parent."""

from alembic import op

revision = "0002"
down_revision = "0001"

TICKET = """
ALTER TABLE ticket
    ADD COLUMN checklist_total integer NOT NULL DEFAULT 0,
    ADD COLUMN checklist_recovered integer NOT NULL DEFAULT 0,
    ADD COLUMN checklist_noted_at timestamptz,
    ADD COLUMN checklist_unsaid jsonb
"""

MEMBER = """
CREATE TABLE checklist_member (
    ticket_id uuid NOT NULL REFERENCES ticket ON DELETE CASCADE,
    type text NOT NULL,
    id text NOT NULL,
    name text,
    place integer NOT NULL,
    joined_at timestamptz NOT NULL,
    recovered_at timestamptz,
    PRIMARY KEY (ticket_id, type, id)
)
"""

INDEXES = (
    "CREATE UNIQUE INDEX checklist_by_joining ON checklist_member (ticket_id, place)",
    """CREATE INDEX ticket_checklist_unsaid ON ticket ((coalesce(checklist_noted_at, opened_at)))
       WHERE checklist_unsaid IS NOT NULL""",
    "CREATE INDEX ticket_of_parent ON ticket (parent_id, number) WHERE parent_id IS NOT NULL",
)

MEANINGS = {
    "COLUMN ticket.checklist_total": "How many members the checklist has: kept, never counted; so is its neighbour.",
    "COLUMN ticket.checklist_noted_at": "When the timeline last spoke of the checklist; null: at the opening.",
    "COLUMN ticket.checklist_unsaid": "What has changed since, the evidence of the entry to come; null: nothing.",
    "COLUMN checklist_member.place": "Counts from 1 in the order of joining; nobody leaves.",
}


def upgrade() -> None:
    op.execute(TICKET)
    op.execute(MEMBER)
    for index in INDEXES:
        op.execute(index)
    for thing, meaning in MEANINGS.items():
        op.execute(f"COMMENT ON {thing} IS '{meaning}'")
