"""Checkpoints: each shard's state, and the place in its log up to which it holds."""

from alembic import op

revision = "0002"
down_revision = "0001"

# `state` is null between the start of a new generation and its first checkpoint.
CHECKPOINT = """
CREATE TABLE checkpoint (
    shard integer PRIMARY KEY,
    generation integer NOT NULL,
    "offset" bigint NOT NULL,
    partitions integer NOT NULL,
    rules_version integer NOT NULL,
    address text NOT NULL,
    state bytea,
    saved_at timestamptz NOT NULL DEFAULT now()
)
"""
ONLY_GROWS = "COMMENT ON TABLE checkpoint IS 'One row a shard; (generation, \"offset\") only grows, whoever writes.'"
COMES_COMPRESSED = "ALTER TABLE checkpoint ALTER COLUMN state SET STORAGE EXTERNAL"


def upgrade() -> None:
    op.execute(CHECKPOINT)
    op.execute(ONLY_GROWS)
    op.execute(COMES_COMPRESSED)
