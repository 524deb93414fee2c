"""Verifying an org's record with the keys, and holding what others saw of it against what stands."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.database import Database
from fettle_ticket_service.adapters import chain_rows
from fettle_ticket_service.domain.chain import ChainKeys
from fettle_ticket_service.domain.removals import Gap, Removal
from fettle_ticket_service.domain.verifying import Finding, Listed, Seen, Standing, Verification
from fettle_ticket_service.domain.witnesses import Stands, Witnessed, compare

One = TypeVar("One")
Other = TypeVar("Other")

_BREATHES_EVERY = 200
"""Rows, a few milliseconds of work, between which others have their turn."""

_HELD_AGAINST = text("""
    SELECT wanted.at, entry.hash, entry.place, entry.head, removed.version AS removed_version,
           removed.hash AS removed_hash
    FROM unnest(CAST(:at AS integer[]), CAST(:tickets AS uuid[]), CAST(:versions AS integer[]))
        AS wanted (at, ticket, version)
    LEFT JOIN entry ON entry.ticket_id = wanted.ticket AND entry.version = wanted.version AND entry.org = :org
    LEFT JOIN removed_ticket AS removed ON removed.ticket_id = wanted.ticket AND removed.org = :org
    ORDER BY wanted.at
""")

_NUMBER = text("SELECT number FROM ticket WHERE id = :ticket AND org = :org")


class Progress(Struct, frozen=True):
    """How far a verification is, between 0 and 1."""

    done: float


async def verify(database: Database, org: str, keys: ChainKeys) -> AsyncGenerator[Finding | Progress | Verification]:
    """What is wrong with an org's record, as it is found, with the progress between; at the end the verification
    itself. Nothing at all when there is no such org. Sees one moment; others write meanwhile."""
    async with chain_rows.moment(database) as connection:
        end = await chain_rows.org_end(connection, org)
        if end is None:
            return
        verification = Verification(org, keys)
        rows = 0
        async for row in _rows(connection, org):
            for finding in verification.take(row):
                yield await _with_number(connection, org, finding)
            rows += not isinstance(row, Listed)  # the end knows of entries and tickets alone
            if rows % _BREATHES_EVERY == 0:
                yield Progress(min(1.0, rows / (1 + end.place + end.next_number)))
                await asyncio.sleep(0)
        for finding in verification.finish(end):
            yield await _with_number(connection, org, finding)
        yield verification


async def hold_against(connection: AsyncConnection, org: str, witnessed: Sequence[Witnessed]) -> list[Finding]:
    """What of that was seen elsewhere does not stand here, and was not removed by retention either."""
    rows = await connection.execute(
        _HELD_AGAINST,
        {
            "org": org,
            "at": list(range(len(witnessed))),
            "tickets": [each.ticket for each in witnessed],
            "versions": [each.version for each in witnessed],
        },
    )
    stands = (Stands(*row[1:]) for row in rows)
    return [found for seen, stand in zip(witnessed, stands, strict=True) if (found := compare(seen, stand)) is not None]


async def _with_number(connection: AsyncConnection, org: str, finding: Finding) -> Finding:
    """An entry does not know its ticket's number, which is what people know it by."""
    if finding.ticket is None or finding.number is not None:
        return finding
    return replace(finding, number=await connection.scalar(_NUMBER, {"ticket": finding.ticket, "org": org}))


async def _rows(connection: AsyncConnection, org: str) -> AsyncIterator[Seen | Gap | Listed | Standing | Removal]:
    """Entries and gaps by place, then tickets and removals by number; members before their ticket."""
    async for row in _merged(chain_rows.entries(connection, org), chain_rows.gaps(connection, org), _place):
        yield row
    async for ticket in _merged(chain_rows.standings(connection, org), chain_rows.removals(connection, org), _number):
        if isinstance(ticket, Standing) and ticket.has_members:
            async for member in chain_rows.members(connection, ticket.ticket.id):
                yield member
        yield ticket


def _place(row: Seen | Gap) -> float:
    place = row.first if isinstance(row, Gap) else row.place
    return math.inf if place is None else place


def _number(row: Standing | Removal) -> float:
    return row.number if isinstance(row, Removal) else row.ticket.number


async def _merged(
    one: AsyncIterator[One], other: AsyncIterator[Other], key: Callable[[One | Other], float]
) -> AsyncIterator[One | Other]:
    """All of both, each of which comes in the order of the key."""
    left, right = await anext(one, None), await anext(other, None)
    while left is not None and right is not None:
        if key(left) <= key(right):
            yield left
            left = await anext(one, None)
        else:
            yield right
            right = await anext(other, None)
    while left is not None:
        yield left
        left = await anext(one, None)
    while right is not None:
        yield right
        right = await anext(other, None)
