"""Changes to tables that others read and write meanwhile: nobody waits for one for long."""

from uuid import UUID

from alembic import op
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

AT_ONCE = 5_000
"""Rows in one transaction."""

_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
_GAVE_WAY = ("55P03", "40P01")
"""SQLSTATEs: a lock was waited for too long, or the two waited for each other."""
_PATIENCE = text("SET lock_timeout = '500ms'")
"""Less than the second after which Postgres ends one of two that wait for each other: a writer is not the one."""
_NO_PATIENCE = text("RESET lock_timeout")
_PAUSE = text("SELECT pg_sleep(1)")


def alter(*statements: str) -> None:
    """Carries out what needs a table for itself. Whoever comes while that is waited for waits too, so it is waited for
    half a second at a time: an export may hold the table for as long as its reader takes. Call in a migration.

    What came before is committed; each statement is too, and may be carried out again if the process ends here.
    """
    with op.get_context().autocommit_block():
        for statement in statements:
            _carry_out(text(statement), {})


def in_pieces(table: str, key: str, change: TextClause) -> None:
    """Carries out `change`, which bears to be carried out again, for all rows of a table by its UUID `key`: those above
    `:after` up to `:last`, a few thousand in a transaction each. Where a writer is in the way it gives way, and takes
    the piece again. Commits what came before. Call in a migration."""
    ends = f"SELECT {key} FROM {table} WHERE {key} > :after ORDER BY {key} OFFSET :count LIMIT 1"  # noqa: S608
    with op.get_context().autocommit_block():
        after = _FIRST
        while after != _LAST:
            last = op.get_bind().scalar(text(ends), {"after": after, "count": AT_ONCE - 1}) or _LAST
            _carry_out(change, {"after": after, "last": last})
            after = last


def _carry_out(statement: TextClause, values: dict[str, UUID]) -> None:
    on = op.get_bind()
    on.execute(_PATIENCE)
    while not _is_carried_out(on, statement, values):
        on.execute(_PAUSE)
    on.execute(_NO_PATIENCE)


def _is_carried_out(on: Connection, statement: TextClause, values: dict[str, UUID]) -> bool:
    try:
        on.execute(statement, values)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _GAVE_WAY:
            raise
        return False
    return True
