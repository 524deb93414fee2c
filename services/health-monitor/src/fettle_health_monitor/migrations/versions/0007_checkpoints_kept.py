"""Checkpoints of earlier hours, from which the log can be judged again."""

from alembic import op

revision = "0007"
down_revision = "0006"

# `at` is the broker time of the record at `offset`, in milliseconds.
KEPT = """
CREATE TABLE checkpoint_kept (
    shard integer NOT NULL,
    generation integer NOT NULL,
    "offset" bigint NOT NULL,
    at bigint NOT NULL,
    rules_version integer NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (shard, generation, "offset")
)
"""
ONE_AN_HOUR = """
COMMENT ON TABLE checkpoint_kept IS
    'The first checkpoint of each hour of a shard''s log, and its hello, as long as the log holds the record.'
"""
COMES_COMPRESSED = "ALTER TABLE checkpoint_kept ALTER COLUMN state SET STORAGE EXTERNAL"


def upgrade() -> None:
    op.execute(KEPT)
    op.execute(ONE_AN_HOUR)
    op.execute(COMES_COMPRESSED)
