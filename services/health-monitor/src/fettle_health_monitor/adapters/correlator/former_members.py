"""Devices that were down when they left the list of a shared ticket, and have not recovered since."""

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator.live import Key, columns_of
from fettle_health_monitor.domain.correlator.rollups import Parent

_NAMED = """
    unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:parents AS text[]),
           CAST(:parent_conditions AS text[]), CAST(:tickets AS uuid[]))
        AS named (org, subject, parent, parent_condition, ticket)
"""

_OF_THE_KEY = """
    FROM incident
    WHERE incident.org = {of}.org AND incident.subject = {of}.parent AND incident.condition = {of}.parent_condition
"""

TICKET_LEFT = f"(SELECT ticket_id {_OF_THE_KEY} AND (ticket_state <> 'resolved' OR asked_verb IS NULL))"
"""The ticket that who leaves the list `of` has left, if it is known: an open that is not answered may bring another."""

IS_OPEN = f"""
    (former_member.ticket IS NULL OR EXISTS (
        SELECT {_OF_THE_KEY.format(of="former_member")}
          AND ticket_id = former_member.ticket AND ticket_state <> 'resolved'))
"""
"""Whether the key means the ticket that has been left: that is unresolved, or not known."""

_OF = text(f"""
    SELECT org, subject, parent, parent_condition, CASE WHEN NOT {IS_OPEN} THEN ticket END AS ticket
    FROM former_member JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         USING (org, subject)
""")  # noqa: S608

_ADD = text(f"""
    INSERT INTO former_member (org, subject, parent, parent_condition, ticket)
    SELECT org, subject, parent, parent_condition, coalesce(ticket, {TICKET_LEFT.format(of="named")}) FROM {_NAMED}
    ON CONFLICT DO NOTHING
""")  # noqa: S608

_WITH_ANOTHER = text("""
    INSERT INTO former_member (org, subject, parent, parent_condition, ticket)
    SELECT org, member.subject, parent, parent_condition, another.ticket
    FROM rollup_member AS member
    JOIN unnest(CAST(:orgs AS text[]), CAST(:parents AS text[]), CAST(:parent_conditions AS text[]),
                CAST(:tickets AS uuid[]), CAST(:opened_at AS bigint[]))
         AS another (org, parent, parent_condition, ticket, opened_at) USING (org, parent, parent_condition)
    WHERE recovered_at IS NULL AND joined_at < opened_at
    ON CONFLICT DO NOTHING
""")

_REMOVE = text(f"""
    DELETE FROM former_member USING {_NAMED}
    WHERE former_member.org = named.org AND former_member.subject = named.subject
      AND former_member.parent = named.parent AND former_member.parent_condition = named.parent_condition
      AND CASE WHEN named.ticket IS NULL THEN {IS_OPEN} ELSE former_member.ticket = named.ticket END
""")  # noqa: S608

Place = tuple[Key, Parent]
"""A device, and the ticket that it has left: by its id, unless the key means that one still."""


async def of(connection: AsyncConnection, keys: Collection[Key]) -> dict[Key, set[Parent]]:
    """The tickets that these devices have left so."""
    found: defaultdict[Key, set[Parent]] = defaultdict(set)
    for row in await connection.execute(_OF, columns_of(keys)):
        found[row.org, row.subject].add(Parent(row.parent, row.parent_condition, ticket=row.ticket))
    return found


async def add(connection: AsyncConnection, places: Collection[Place]) -> None:
    """They have left now."""
    await connection.execute(_ADD, _columns(places))


async def with_another(connection: AsyncConnection, tickets: Collection[tuple[str, Parent, int]]) -> None:
    """By org: a key has meant this ticket of its until now, and means another one, asked for at this instant. Those who
    were on its list by then have left this one."""
    await connection.execute(
        _WITH_ANOTHER,
        {
            "orgs": [org for org, _, _ in tickets],
            "parents": [parent.subject for _, parent, _ in tickets],
            "parent_conditions": [parent.condition for _, parent, _ in tickets],
            "tickets": [parent.ticket for _, parent, _ in tickets],
            "opened_at": [opened_at for _, _, opened_at in tickets],
        },
    )


async def remove(connection: AsyncConnection, places: Collection[Place]) -> None:
    """They have recovered, or are back on the list."""
    await connection.execute(_REMOVE, _columns(places))


def _columns(places: Collection[Place]) -> dict[str, object]:
    return {
        "orgs": [org for (org, _), _ in places],
        "subjects": [subject for (_, subject), _ in places],
        "parents": [parent.subject for _, parent in places],
        "parent_conditions": [parent.condition for _, parent in places],
        "tickets": [parent.ticket for _, parent in places],
    }
