"""Lists by update have a table of their own, so that most changes of a ticket write none of its indexes.

Postgres leaves a row's indexes as they are where no column of theirs changes and its page has room. A comment changes
the time of the latest update, and that was indexed beside everything else. Triggers write the table, so it is right
whichever version's process changes a ticket.
"""

from alembic import op
from sqlalchemy import text

from fettle_chassis.migrations.indexes import drop_index
from fettle_chassis.migrations.tables import alter, in_pieces

revision = "0012"
down_revision = "0011"

TABLE = """
CREATE TABLE IF NOT EXISTS ticket_order (
    ticket_id uuid PRIMARY KEY,
    org text NOT NULL,
    state text NOT NULL,
    updated_at timestamptz NOT NULL,
    number bigint NOT NULL
)
"""
INDEX = "CREATE INDEX IF NOT EXISTS ticket_order_by_update ON ticket_order (org, state, updated_at, number)"
PUT = """
CREATE OR REPLACE FUNCTION put_tickets_in_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO ticket_order
    SELECT DISTINCT ON (id) id, org, state, updated_at, number FROM there ORDER BY id
    ON CONFLICT (ticket_id) DO UPDATE
    SET org = excluded.org, state = excluded.state, updated_at = excluded.updated_at, number = excluded.number
    WHERE (ticket_order.org, ticket_order.state, ticket_order.updated_at, ticket_order.number)
        IS DISTINCT FROM (excluded.org, excluded.state, excluded.updated_at, excluded.number);
    RETURN NULL;
END $$
"""
TAKE = """
CREATE OR REPLACE FUNCTION take_tickets_out_of_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM ticket_order USING gone WHERE ticket_id = gone.id;
    RETURN NULL;
END $$
"""
TRIGGERS = (
    """CREATE OR REPLACE TRIGGER ticket_opened AFTER INSERT ON ticket
    REFERENCING NEW TABLE AS there FOR EACH STATEMENT EXECUTE FUNCTION put_tickets_in_order()""",
    """CREATE OR REPLACE TRIGGER ticket_changed AFTER UPDATE ON ticket
    REFERENCING NEW TABLE AS there FOR EACH STATEMENT EXECUTE FUNCTION put_tickets_in_order()""",
    """CREATE OR REPLACE TRIGGER ticket_removed AFTER DELETE ON ticket
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION take_tickets_out_of_order()""",
)
# Held, so that none goes before it is noted here; what changes meanwhile has been noted already, or will be.
FILL = text("""
INSERT INTO ticket_order SELECT id, org, state, updated_at, number FROM ticket
WHERE id > :after AND id <= :last ORDER BY id FOR KEY SHARE
ON CONFLICT DO NOTHING
""")


def upgrade() -> None:
    for statement in (TABLE, INDEX, PUT, TAKE):
        op.execute(statement)
    meaning = "What lists by update are read by: written by triggers on `ticket` and by nobody else."
    op.execute(f"COMMENT ON TABLE ticket_order IS '{meaning}'")
    alter("ALTER TABLE ticket SET (fillfactor = 85)", *TRIGGERS)
    in_pieces("ticket", "id", FILL)
    drop_index("ticket_by_update")
