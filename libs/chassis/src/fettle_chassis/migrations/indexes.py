"""Indexes on tables that others write to meanwhile.

A plain CREATE INDEX keeps writers waiting until it is through, and that is long where a table has grown for years.
"""

from alembic import op
from sqlalchemy import text

_LEFT_HALF_BUILT = text("SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid)")


def build_index(name: str, on: str) -> None:
    """Builds an index beside writes: `on` is what follows ON in its definition. Waits for every transaction that is
    open. Call in a migration.

    What the migration did before is committed, and is done again if the process ends here: it must bear that. An index
    that is there stays, one that was left half-built is built anew.
    """
    with op.get_context().autocommit_block():
        if op.get_bind().scalar(_LEFT_HALF_BUILT, {"name": name}):
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}")


def drop_index(name: str) -> None:
    """Drops an index, if it is there, beside reads and writes. Commits like `build_index`."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
