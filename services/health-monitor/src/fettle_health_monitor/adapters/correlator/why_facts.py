"""What the correlator has on record about one subject, for who asks why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.domain.correlator.verdicts import Cause
from fettle_health_monitor.domain.why.newcomers import Unwatched
from fettle_health_monitor.domain.why.record import Recorded

VERDICTS_MAX = 500
_GAPS_MAX = 20

_OUTCOMES = text("""
    SELECT verdict, cause, outcome.condition, outcome.at, outcome, reason, policy_version, evidence
    FROM outcome LEFT JOIN transition ON transition.id = verdict
    WHERE outcome.org = :org AND outcome.subject = :subject AND outcome.at <= :at
    ORDER BY outcome.at DESC, decided_at DESC, cause = 'publishing_began', position DESC NULLS FIRST LIMIT :limit
""")

_WAITING = text("""
    SELECT at, waits_for FROM verdict WHERE org = :org AND subject = :subject AND at <= :at ORDER BY at LIMIT 1
""")

_ASKED_AGAIN = text("""
    SELECT start_at + due_clock - start_clock FROM watch
    WHERE org = :org AND subject = :subject AND condition = :condition AND kind = 'open_refused' AND start_at <= :at
""")

_UNKNOWN = text("""
    SELECT CASE WHEN to_state = 'unknown' THEN (
        SELECT since_at FROM loss WHERE loss.org = :org AND begun_at <= :at ORDER BY begun_at DESC LIMIT 1) END
    FROM transition WHERE org = :org AND subject = :subject AND at <= :at ORDER BY at DESC, position DESC LIMIT 1
""")

_LAST_CHANGE = text("""
    SELECT to_state IS NOT NULL AS watched, at
    FROM transition WHERE org = :org AND subject = :subject AND at <= :at ORDER BY at DESC, position DESC LIMIT 1
""")

_UNWATCHED = text("""
    SELECT unwatched AS by_now, changed_at AS since, coalesce((
               SELECT from_state IS NULL FROM transition
               WHERE transition.org = :org AND transition.subject = :subject AND at > :at ORDER BY at, position LIMIT 1
           ), false) AS came_up
    FROM subject WHERE org = :org AND subject = :subject
""")

_ORG = text("SELECT deleted FROM org WHERE org = :org")

_BLIND = text("""
    SELECT kind, from_at, to_at FROM shard_gap
    WHERE shard = :shard AND from_at <= :until AND coalesce(to_at, :until) >= :since
    ORDER BY from_at DESC LIMIT :limit
""")

_BEGUN_ANEW = text("SELECT EXISTS (SELECT FROM checkpoint WHERE shard = :shard AND generation > 1)")

_LAST_TICKET = text("""
    SELECT ticket_id, ticket_number, ticket_state FROM incident
    WHERE org = :org AND subject = :subject AND condition = :condition AND opened_at <= :at
      AND ticket_id IS NOT NULL
""")

# at most one ticket of a subject and condition is unresolved: the one that the incident knows
_EARLIER_TICKET = text("""
    SELECT command.ticket_id, command.ticket_number,
           CASE WHEN incident.ticket_id = command.ticket_id THEN ticket_state ELSE 'resolved' END AS ticket_state
    FROM command JOIN outcome ON outcome.verdict = command.verdict
                 LEFT JOIN incident ON incident.org = command.org AND incident.subject = command.subject
                                       AND incident.condition = command.condition
    WHERE command.org = :org AND command.subject = :subject AND command.condition = :condition AND verb = 'open'
      AND at <= :at AND command.ticket_id IS NOT NULL
    ORDER BY at DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A verdict that is not decided. `waits_for` is a subject whose fate it waits for, None: it waits for clocks."""

    at: int
    waits_for: str | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it is now."""

    id: UUID
    number: int
    state: str


@dataclass(frozen=True, slots=True)
class Blind:
    """A stretch that nobody could see (`unobserved`), or in which the shard was not waited for (`stalled`)."""

    kind: str
    from_at: int
    to_at: int | None


async def unknown_since(connection: AsyncConnection, org: str, subject: str, at: int) -> int | None:
    """Since when heartbeats were lost, if the subject was unknown for that at this instant."""
    found: int | None = await connection.scalar(_UNKNOWN, {"org": org, "subject": subject, "at": at})
    return found


async def asked_again_at(connection: AsyncConnection, org: str, subject: str, condition: str, at: int) -> int | None:
    """When a ticket is asked for again that there was none of at this instant, if that is still to come and all time
    until then is observed."""
    found: int | None = await connection.scalar(
        _ASKED_AGAIN, {"org": org, "subject": subject, "condition": condition, "at": at}
    )
    return found


async def unwatched(connection: AsyncConnection, org: str, subject: str, at: int) -> Unwatched | None:
    """What is on record of why no shard watched it at this instant; None where one did, by what is in the history."""
    asked = {"org": org, "subject": subject, "at": at}
    last = (await connection.execute(_LAST_CHANGE, asked)).one_or_none()
    if last is not None and last.watched:
        return None
    row = (await connection.execute(_UNWATCHED, asked)).one_or_none()
    removed_at = None if last is None else last.at
    return Unwatched(removed_at) if row is None else Unwatched(removed_at, row.by_now, row.since, row.came_up)


async def outcomes(connection: AsyncConnection, org: str, subject: str, at: int) -> list[Recorded]:
    """The last verdicts about it up to an instant, the earliest first, each as it ends by all that is known now."""
    rows = await connection.execute(_OUTCOMES, {"org": org, "subject": subject, "at": at, "limit": VERDICTS_MAX})
    return [_recorded(row) for row in reversed(rows.all())]


def _recorded(row: Row[Any]) -> Recorded:
    return Recorded(
        verdict=row.verdict,
        cause=Cause(row.cause),
        condition=row.condition,
        at=row.at,
        outcome=row.outcome,
        reason=row.reason,
        policy_version=row.policy_version,
        evidence=row.evidence,
    )


async def waiting(connection: AsyncConnection, org: str, subject: str, at: int) -> Waiting | None:
    row = (await connection.execute(_WAITING, {"org": org, "subject": subject, "at": at})).one_or_none()
    return None if row is None else Waiting(row.at, row.waits_for)


async def org_deleted(connection: AsyncConnection, org: str) -> bool | None:
    """None when the org is not known."""
    deleted: bool | None = await connection.scalar(_ORG, {"org": org})
    return deleted


async def blind(connection: AsyncConnection, shard: int, *, since: int, until: int) -> list[Blind]:
    """The latest first, a few at most."""
    rows = await connection.execute(_BLIND, {"shard": shard, "since": since, "until": until, "limit": _GAPS_MAX})
    return [Blind(row.kind, row.from_at, row.to_at) for row in rows]


async def begun_anew(connection: AsyncConnection, shard: int) -> bool:
    """Whether the shard has ever begun anew: then it does not know who was heard before."""
    return bool(await connection.scalar(_BEGUN_ANEW, {"shard": shard}))


async def ticket(connection: AsyncConnection, org: str, subject: str, condition: str, at: int) -> Ticket | None:
    """The one that was last asked for by this instant, as far as the ticket service has answered."""
    values = {"org": org, "subject": subject, "condition": condition, "at": at}
    for query in (_LAST_TICKET, _EARLIER_TICKET):
        if (found := _ticket((await connection.execute(query, values)).all())) is not None:
            return found
    return None


def _ticket(rows: Sequence[Row[Any]]) -> Ticket | None:
    return Ticket(rows[0].ticket_id, rows[0].ticket_number, rows[0].ticket_state) if rows else None
