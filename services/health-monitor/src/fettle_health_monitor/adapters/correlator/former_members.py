"""Devices that were down when they left the list of a shared ticket, and have not recovered since."""

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator.live import Key, columns_of
from fettle_health_monitor.domain.correlator.rollups import Parent

_NAMED = """
    unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:parents AS text[]),
           CAST(:parent_conditions AS text[]))
"""

_OF = text("""
    SELECT org, subject, parent, parent_condition
    FROM former_member JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         USING (org, subject)
""")

_ADD = text(f"INSERT INTO former_member SELECT * FROM {_NAMED} ON CONFLICT DO NOTHING")  # noqa: S608

_REMOVE = text(f"""
    DELETE FROM former_member
    USING {_NAMED} AS gone (org, subject, parent, parent_condition)
    WHERE former_member.org = gone.org AND former_member.subject = gone.subject
      AND former_member.parent = gone.parent AND former_member.parent_condition = gone.parent_condition
""")  # noqa: S608

Place = tuple[Key, Parent]
"""A device, and the ticket that it has left."""


async def of(connection: AsyncConnection, keys: Collection[Key]) -> dict[Key, set[Parent]]:
    """The tickets that these devices have left so."""
    found: defaultdict[Key, set[Parent]] = defaultdict(set)
    for row in await connection.execute(_OF, columns_of(keys)):
        found[row.org, row.subject].add(Parent(row.parent, row.parent_condition))
    return found


async def add(connection: AsyncConnection, places: Collection[Place]) -> None:
    """They have left now."""
    await connection.execute(_ADD, _columns(places))


async def remove(connection: AsyncConnection, places: Collection[Place]) -> None:
    """They have recovered, or are back on the list."""
    await connection.execute(_REMOVE, _columns(places))


def _columns(places: Collection[Place]) -> dict[str, list[str]]:
    return {
        "orgs": [org for (org, _), _ in places],
        "subjects": [subject for (_, subject), _ in places],
        "parents": [parent.subject for _, parent in places],
        "parent_conditions": [parent.condition for _, parent in places],
    }
