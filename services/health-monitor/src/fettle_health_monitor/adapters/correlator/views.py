"""Reads for people: pages of subjects and transitions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_SUBJECT = """
    SELECT subject.subject, shard, state, condition, since_at, policy_version, registered, name,
           CASE WHEN state IS NULL THEN unwatched END AS unwatched,
           integration, space, model, interval_s, ticket_id, ticket_number, ticket_state
    FROM ({subjects}) AS subject LEFT JOIN LATERAL (
        SELECT ticket_id, ticket_number, ticket_state FROM incident
        WHERE incident.org = subject.org AND incident.subject = subject.subject AND ticket_state <> 'resolved'
        UNION ALL
        SELECT ticket_id, ticket_number, ticket_state
        FROM rollup_member AS member JOIN incident ON incident.org = member.org AND incident.subject = member.parent
                                                  AND incident.condition = member.parent_condition
        WHERE member.org = subject.org AND member.subject = subject.subject AND recovered_at IS NULL
          AND ticket_state <> 'resolved'
        ORDER BY ticket_number DESC LIMIT 1
    ) AS ticket ON true
"""

Sort: TypeAlias = Literal["subject", "since", "-since"]
"""By type and id, or by how long they have been as they are; those that are in no state come last."""

_ORDERS: Mapping[Sort, tuple[str, str]] = {
    "since": (
        "since_at, subject.subject",
        "(since_at, subject.subject) > (CAST(:after_0 AS bigint), :after_1)",
    ),
    "-since": (
        "since_at DESC, subject.subject DESC",
        "(since_at, subject.subject) < (-CAST(:after_0 AS bigint), :after_1)",
    ),
}
"""Of those that are in a state: in order, and behind a place; an index leads there. The others come by type and id."""
_LAST: Mapping[Sort, int] = {"since": 9_007_199_254_740_991, "-since": 0}
"""What stands in a place instead of an instant for those that are in no state."""

_ID_OR_WHOLE = """
    CASE WHEN strpos(CAST(:like AS text), '/') > 0 THEN subject.subject
         ELSE substr(subject.subject, strpos(subject.subject, '/') + 1) END
"""
"""A part with a slash in it may be one of `device/t17`: the type else is no part of the id."""

_FILTERS: Mapping[str, str] = {
    "states": "AND state = ANY(CAST(:states AS text[]))",
    "type": "AND starts_with(subject.subject, :type || '/')",
    "integration": "AND integration = :integration",
    "space": "AND (space = :space OR space LIKE :under_space)",
    "q": f"AND (name ILIKE :like OR {_ID_OR_WHOLE} ILIKE :like)",
}
_NOT_WELL = "AND state <> 'healthy'"
"""Says so in the words of the index on those few."""

_TRANSITIONS = """
    SELECT id, at, position, body FROM transition WHERE org = :org
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which subjects are asked for; what is None does not matter, and no states are all. `space` is one and all in it,
    `q` a part of the name or id."""

    states: Collection[str] = ()
    type: str | None = None
    integration: str | None = None
    space: str | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class PastTransition:
    """A transition as it was published, and its place in the history: (`at`, `position`)."""

    id: str
    place: tuple[int, int]
    body: Mapping[str, Any]


Place: TypeAlias = tuple[str | int, ...]
"""Where a page ended: (`subject`), or (`since`, `subject`), as the sort has it."""


def place_of(row: Row[Any], sort: Sort) -> Place:
    """The place of a subject in an order."""
    if sort == "subject":
        return (row.subject,)
    if row.since_at is None:
        return (_LAST[sort], row.subject)
    return (row.since_at if sort == "since" else -row.since_at, row.subject)


async def subjects(
    connection: AsyncConnection, org: str, wanted: Filter, *, sort: Sort = "subject", after: Place | None, limit: int
) -> Sequence[Row[Any]]:
    """Up to `limit` subjects behind the place `after`, in the order of `sort`."""
    said = {
        "states": list(wanted.states) or None,
        "type": wanted.type,
        "integration": wanted.integration,
        "space": wanted.space,
        "q": wanted.q,
    }
    conditions = " ".join(condition for name, condition in _FILTERS.items() if said[name] is not None)
    values: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if wanted.states and "healthy" not in wanted.states:
        conditions += f" {_NOT_WELL}"
    if wanted.space is not None:
        values["under_space"] = escaped(wanted.space) + "/%"
    if wanted.q is not None:
        values["like"] = f"%{escaped(values.pop('q') or '')}%"
    values |= {"org": org, **{f"after_{number}": value for number, value in enumerate(after or ())}}

    async def page(order: str, behind: str, count: int) -> Sequence[Row[Any]]:
        chosen = f"SELECT * FROM subject WHERE org = :org {conditions} {behind} ORDER BY {order} LIMIT :limit"  # noqa: S608
        query = text(f"{_SUBJECT.format(subjects=chosen)} ORDER BY {order}")
        return (await connection.execute(query, {**values, "limit": count})).all()

    if sort == "subject":
        return await page("subject.subject", "AND subject.subject > :after_0" if after else "", limit)
    found: list[Row[Any]] = []
    if after is None or after[0] != _LAST[sort]:
        order, behind = _ORDERS[sort]
        found += await page(order, f"AND since_at IS NOT NULL {f'AND {behind}' if after else ''}", limit)
        behind = "AND since_at IS NULL"
    else:
        behind = "AND since_at IS NULL AND subject.subject > :after_1"
    if len(found) < limit:
        found += await page("subject.subject", behind, limit - len(found))
    return found


async def subject(connection: AsyncConnection, org: str, subject: str) -> Row[Any] | None:
    """One subject, or None."""
    query = text(_SUBJECT.format(subjects="SELECT * FROM subject WHERE org = :org AND subject = :subject"))
    return (await connection.execute(query, {"org": org, "subject": subject})).one_or_none()


async def transitions(
    connection: AsyncConnection, org: str, *, subject: str | None, before: tuple[int, int] | None, limit: int
) -> list[PastTransition]:
    """Up to `limit` transitions before the place `before`, the newest first; of one subject or of all."""
    conditions, values = "", {"org": org, "limit": limit}
    if subject is not None:
        conditions += " AND subject = :subject"
        values["subject"] = subject
    if before is not None:
        conditions += " AND (at, position) < (:at, :position)"
        values["at"], values["position"] = before
    query = text(f"{_TRANSITIONS} {conditions} ORDER BY at DESC, position DESC LIMIT :limit")
    rows = await connection.execute(query, values)
    return [PastTransition(str(row.id), (row.at, row.position), row.body) for row in rows]


def escaped(part: str) -> str:
    """`part` as plain text inside a LIKE pattern."""
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
