"""Reads for people: pages of subjects and transitions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_SUBJECT = """
    SELECT subject.subject, shard, state, condition, since_at, policy_version, registered, name,
           CASE WHEN state IS NULL THEN unwatched END AS unwatched,
           integration, space, model, interval_s, ticket_id, ticket_number, ticket_state
    FROM subject LEFT JOIN LATERAL (
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
    WHERE subject.org = :org
"""

_FILTERS: Mapping[str, str] = {
    "state": "AND state = :state",
    "type": "AND starts_with(subject.subject, :type || '/')",
    "integration": "AND integration = :integration",
    "space": "AND (space = :space OR space LIKE :under_space)",
    "q": "AND (name ILIKE :like OR subject.subject ILIKE :like)",
    "after": "AND subject.subject > :after",
}

_TRANSITIONS = """
    SELECT id, at, position, body FROM transition WHERE org = :org
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which subjects are asked for; what is None does not matter. `space` is one and all in it, `q` a part of the name
    or id."""

    state: str | None = None
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


async def subjects(
    connection: AsyncConnection, org: str, wanted: Filter, *, after: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Up to `limit` subjects behind `after`, by type and id."""
    said = {
        "state": wanted.state,
        "type": wanted.type,
        "integration": wanted.integration,
        "space": wanted.space,
        "q": wanted.q,
        "after": after,
    }
    conditions = " ".join(condition for name, condition in _FILTERS.items() if said[name] is not None)
    values = {name: value for name, value in said.items() if value is not None}
    if wanted.space is not None:
        values["under_space"] = escaped(wanted.space) + "/%"
    if wanted.q is not None:
        values["like"] = f"%{escaped(values.pop('q') or '')}%"
    query = text(f"{_SUBJECT} {conditions} ORDER BY subject.subject LIMIT :limit")
    return (await connection.execute(query, {"org": org, "limit": limit, **values})).all()


async def subject(connection: AsyncConnection, org: str, subject: str) -> Row[Any] | None:
    """One subject, or None."""
    query = text(f"{_SUBJECT} AND subject.subject = :subject")
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
