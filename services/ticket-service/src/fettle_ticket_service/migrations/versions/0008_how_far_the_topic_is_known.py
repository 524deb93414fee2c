"""How far `ticket.events` is known, so that a database that is put back learns which numbers were given since."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE number_mark (partition integer PRIMARY KEY, log text NOT NULL, next_offset bigint NOT NULL)"
    )
    meaning = "Up to where this database knows the numbers given on each partition of ticket.events."
    op.execute(f"COMMENT ON TABLE number_mark IS '{meaning}'")
    op.execute("COMMENT ON COLUMN number_mark.log IS 'The id of the topic on the broker: one made anew has another.'")
