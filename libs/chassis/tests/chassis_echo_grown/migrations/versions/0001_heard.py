"""The chassis's tables and one of the echo service's own. No key on `heard`: an effect that happens twice shows."""

from alembic import op

from fettle_chassis.schema import create_chassis_tables_v1

revision, down_revision = "0001", None


def upgrade() -> None:
    create_chassis_tables_v1(op)
    op.execute("CREATE TABLE heard (place bigserial PRIMARY KEY, id text NOT NULL, partition integer NOT NULL)")
