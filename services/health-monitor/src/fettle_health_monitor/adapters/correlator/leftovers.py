"""What is still kept of orgs that were deleted, and its removal a batch at a time. The caller holds the org's row."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.retention import KEYS_LEFT, forget_keys

_TAKE_SUBJECTS = text("""
    DELETE FROM subject WHERE org = :org AND subject = ANY(ARRAY(
        SELECT subject FROM subject WHERE org = :org ORDER BY subject LIMIT :at_most))
    RETURNING subject
""")


def _rows(table: str, which: str = "old.org = :org") -> TextClause:
    return text(f"""
        DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT old.ctid FROM {table} AS old WHERE {which} LIMIT :at_most))
    """)  # noqa: S608 - constants


# A verdict goes with what called for it and how it ended, so that the books add up at every moment.
_VERDICTS = text("""
    WITH taken AS (
        SELECT id FROM (
            (SELECT id FROM transition WHERE org = :org LIMIT :at_most)
            UNION (SELECT verdict FROM outcome WHERE org = :org LIMIT :at_most)
            UNION (SELECT id FROM verdict WHERE org = :org LIMIT :at_most)
        ) AS found LIMIT :at_most
    ),
    outcomes AS (DELETE FROM outcome USING taken WHERE outcome.verdict = taken.id),
    waiting AS (DELETE FROM verdict USING taken WHERE verdict.id = taken.id),
    calling AS (DELETE FROM called USING taken WHERE called.verdict = taken.id),
    transitions AS (DELETE FROM transition USING taken WHERE transition.id = taken.id)
    SELECT count(*) FROM taken
""")

# First what acts by itself, then what it acts on. The policy that switched the org off stays: shards judge by it.
_TABLES: Final[Mapping[str, TextClause]] = {
    "watch": _rows("watch"),
    "silence_held": _rows(
        "silence_held", "EXISTS (SELECT FROM silence WHERE silence.id = old.silence AND silence.org = :org)"
    ),
    "silence": _rows("silence"),
    "unseen_subject": _rows("unseen_subject"),
    "held_judgement": _rows("held_judgement"),
    "loss": _rows("loss"),
    "hidden_change": _rows("hidden_change"),
    "rollup_member": _rows("rollup_member"),
    "former_member": _rows("former_member"),
    "incident": _rows("incident"),
    "command": _rows("command"),
    "policy_version": _rows(
        "policy_version",
        """old.org = :org AND EXISTS (
            SELECT FROM policy_version AS later WHERE later.org = old.org AND later.version > old.version)""",
    ),
}
TABLES: Final = (*_TABLES, "inbox")

# What shows that something is left. `silence_held` knows no org and goes before its silences; one policy stays.
_TELLING = [
    table
    for table in ("subject", "transition", "outcome", "verdict", *_TABLES)
    if table not in ("silence_held", "policy_version")
]
_ANY = " OR ".join((*(f"EXISTS (SELECT FROM {table} WHERE {table}.org = org.org)" for table in _TELLING), KEYS_LEFT))

_LEFT = text(f"SELECT org FROM org WHERE deleted AND ({_ANY}) ORDER BY org")  # noqa: S608 - constants


async def orgs(connection: AsyncConnection) -> list[str]:
    """Orgs that were deleted and of which something is left."""
    return list(await connection.scalars(_LEFT))


async def take_subjects(connection: AsyncConnection, org: str, at_most: int) -> list[str]:
    """Deletes some of the org's subjects; returns which. Their shards have to be told."""
    return list(await connection.scalars(_TAKE_SUBJECTS, {"org": org, "at_most": at_most}))


async def take_verdicts(connection: AsyncConnection, org: str, at_most: int) -> int:
    """Deletes some of the org's history and verdicts, each with all that is kept of it; returns how many."""
    return int(await connection.scalar(_VERDICTS, {"org": org, "at_most": at_most}) or 0)


async def take_rows(connection: AsyncConnection, table: str, org: str, at_most: int) -> int:
    """Deletes some of the org's rows of one of `TABLES`; returns how many."""
    if table == "inbox":
        return await forget_keys(connection, org, at_most)
    return (await connection.execute(_TABLES[table], {"org": org, "at_most": at_most})).rowcount
