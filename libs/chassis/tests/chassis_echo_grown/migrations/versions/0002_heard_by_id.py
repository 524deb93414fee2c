"""What was heard is found by its id."""

from alembic import op

from fettle_chassis.migrations.indexes import build_index

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.execute("COMMENT ON TABLE heard IS 'What was heard.'")
    build_index("heard_by_id", "heard (id)")
    op.execute("ALTER TABLE heard ADD COLUMN note text")
