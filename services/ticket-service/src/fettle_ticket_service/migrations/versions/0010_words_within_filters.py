"""Words are found within a space, an integration or another filter by one index that knows both.

What filters go by stands in `ticket_search` for that. A process of the version before does not write it: a trigger does
so behind it. Its searches are served by the new index as they were by the old one.
"""

from alembic import op
from sqlalchemy import text

from fettle_chassis.migrations.indexes import build_index, drop_index
from fettle_chassis.migrations.tables import alter, in_pieces

revision = "0010"
down_revision = "0009"

# As `adapters/marks.py` writes them.
MARKS = r"""
CREATE OR REPLACE FUNCTION ticket_marks(ticket ticket) RETURNS text LANGUAGE sql STABLE RETURN concat_ws(
    E'\n', 'source ' || ticket.source, 'kind ' || ticket.kind,
    'subject ' || ticket.subject_type || '/' || ticket.subject_id, 'integration ' || ticket.integration, (
        SELECT string_agg('space ' || array_to_string(parts[1 : n], '/'), E'\n' ORDER BY n)
        FROM string_to_array(ticket.space, '/') AS parts, generate_series(1, least(cardinality(parts), 8)) AS n
    )
)
"""
MARK = """
CREATE OR REPLACE FUNCTION mark_ticket() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE ticket_search SET marks = ticket_marks(ticket) FROM ticket
    WHERE ticket_search.ticket_id = NEW.ticket_id AND ticket.id = NEW.ticket_id;
    RETURN NULL;
END $$
"""
# At the end of its statement: that may be the one that adds the ticket.
TRIGGER = """
CREATE OR REPLACE TRIGGER ticket_marked AFTER INSERT ON ticket_search
FOR EACH ROW WHEN (NEW.marks IS NULL) EXECUTE FUNCTION mark_ticket()
"""
FILL = text("""
UPDATE ticket_search SET marks = ticket_marks(ticket) FROM ticket
WHERE ticket.id = ticket_id AND marks IS NULL AND ticket_id > :after AND ticket_id <= :last
""")


def upgrade() -> None:
    alter("ALTER TABLE ticket_search ADD COLUMN IF NOT EXISTS marks text")
    meaning = "Source, kind, subject, integration and spaces of the ticket, one a line: none of them ever changes."
    op.execute(f"COMMENT ON COLUMN ticket_search.marks IS '{meaning}'")
    op.execute(MARKS)
    op.execute(MARK)
    alter(TRIGGER)
    in_pieces("ticket_search", "ticket_id", FILL)
    words, marks = 'ticket_grams(words COLLATE "C")', r"string_to_array(marks, E'\n')"
    build_index("ticket_search_narrowed", f"ticket_search USING gin (org, {words}, {marks})")
    drop_index("ticket_search_grams")
