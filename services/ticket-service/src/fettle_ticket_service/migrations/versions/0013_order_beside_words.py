"""Words know their ticket's number and opening, so that what many tickets say is put in order without looking each up.

A process of the version before does not write them: the trigger that marks its tickets does so too.
"""

from alembic import op
from sqlalchemy import text

from fettle_chassis.migrations.tables import alter, in_pieces

revision = "0013"
down_revision = "0012"

MARK = """
CREATE OR REPLACE FUNCTION mark_ticket() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE ticket_search SET marks = ticket_marks(ticket), number = ticket.number, opened_at = ticket.opened_at
    FROM ticket WHERE ticket_search.ticket_id = NEW.ticket_id AND ticket.id = NEW.ticket_id;
    RETURN NULL;
END $$
"""
# At the end of its statement: that may be the one that adds the ticket.
TRIGGER = """
CREATE OR REPLACE TRIGGER ticket_marked AFTER INSERT ON ticket_search
FOR EACH ROW WHEN (NEW.marks IS NULL OR NEW.number IS NULL) EXECUTE FUNCTION mark_ticket()
"""
FILL = text("""
UPDATE ticket_search SET number = ticket.number, opened_at = ticket.opened_at FROM ticket
WHERE ticket.id = ticket_id AND ticket_search.number IS NULL AND ticket_id > :after AND ticket_id <= :last
""")


def upgrade() -> None:
    alter(
        "ALTER TABLE ticket_search ADD COLUMN IF NOT EXISTS number bigint",
        "ALTER TABLE ticket_search ADD COLUMN IF NOT EXISTS opened_at timestamptz",
    )
    op.execute(
        "COMMENT ON COLUMN ticket_search.number IS 'The ticket''s, by which what many tickets say is put in order.'"
    )
    op.execute("COMMENT ON COLUMN ticket_search.opened_at IS 'The ticket''s: neither ever changes.'")
    op.execute(MARK)
    alter(TRIGGER)
    in_pieces("ticket_search", "ticket_id", FILL)
