"""Verdicts that wait, outcomes that are decided, commands that follow and their answers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.results import Outcome as Answered
from fettle_contracts.ticket import TicketState
from fettle_health_monitor.adapters.correlator.live import Key, columns_of, names
from fettle_health_monitor.domain.correlator.answers import AWAITING, Answer, settled
from fettle_health_monitor.domain.correlator.commands import OwnCommand
from fettle_health_monitor.domain.correlator.incident import KnownTicket
from fettle_health_monitor.domain.correlator.outcomes import Outcome
from fettle_health_monitor.domain.correlator.verdicts import Cause, Named, Verdict

_WAIT = text("""
    INSERT INTO verdict (id, partition, org, subject, condition, cause, at, since_at, policy_version, flap_count,
                         evidence, name, integration, space, waits_for)
    SELECT id, partition, org, subject, condition, cause, at, since_at, policy_version, flap_count,
           evidence, name, integration, space, waits_for
    FROM unnest(CAST(:ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:orgs AS text[]),
                CAST(:subjects AS text[]), CAST(:conditions AS text[]),
                CAST(:causes AS text[]), CAST(:at AS bigint[]), CAST(:since AS bigint[]), CAST(:versions AS integer[]),
                CAST(:flap_counts AS integer[]), CAST(CAST(:evidence AS text[]) AS jsonb[]), CAST(:names AS text[]),
                CAST(:integrations AS text[]), CAST(:spaces AS text[]), CAST(:waits_for AS text[]))
         WITH ORDINALITY AS called (id, partition, org, subject, condition, cause, at, since_at, policy_version,
                                    flap_count, evidence, name, integration, space, waits_for, place)
    ORDER BY place
    ON CONFLICT (id) DO NOTHING
""")

_TAKE = text("""
    WITH ready AS (
        DELETE FROM verdict USING unnest(CAST(:partitions AS integer[]), CAST(:before AS bigint[]))
                                  AS reach (partition, before)
        WHERE verdict.partition = reach.partition AND at < before AND org = ANY(CAST(:orgs AS text[]))
          AND waits_for IS NULL
        RETURNING verdict.*
    )
    SELECT * FROM ready ORDER BY at, position
""")

_ORGS = text("""
    SELECT DISTINCT org
    FROM verdict JOIN unnest(CAST(:partitions AS integer[]), CAST(:before AS bigint[])) AS reach (partition, before)
         ON verdict.partition = reach.partition AND at < before
    WHERE waits_for IS NULL
""")

_LET_GO = text("""
    WITH ready AS (
        DELETE FROM verdict USING unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS decided (org, subject)
        WHERE verdict.org = decided.org AND waits_for = decided.subject
        RETURNING verdict.*
    )
    SELECT ready.*, version FROM ready
    LEFT JOIN subject USING (org, subject)
    LEFT JOIN policy_in_force AS judged_by ON judged_by.org = ready.org AND judged_by.shard = subject.shard
    ORDER BY ready.at, ready.subject, ready.position
""")

_TAKE_WAITING = text("""
    DELETE FROM verdict USING unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS over (org, subject)
    WHERE verdict.org = over.org AND verdict.subject = over.subject AND (waits_for IS NOT NULL OR :for_clocks)
    RETURNING verdict.*
""")

_DECIDED = text("""
    INSERT INTO outcome (verdict, org, subject, condition, cause, at, outcome, reason, because, policy_version,
                         evidence, awaits, decided_at)
    SELECT *, CAST(:decided_at AS timestamptz)
    FROM unnest(CAST(:verdicts AS uuid[]), CAST(:orgs AS text[]), CAST(:subjects AS text[]),
                CAST(:conditions AS text[]), CAST(:causes AS text[]), CAST(:at AS bigint[]),
                CAST(:outcomes AS text[]), CAST(:reasons AS text[]), CAST(:because AS text[]),
                CAST(:versions AS integer[]), CAST(CAST(:evidence AS text[]) AS jsonb[]), CAST(:awaits AS uuid[]))
""")

_SENT = text("""
    INSERT INTO command (id, verdict, org, subject, condition, verb, sent_at)
    SELECT *, CAST(:sent_at AS timestamptz)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:verdicts AS uuid[]), CAST(:orgs AS text[]), CAST(:subjects AS text[]),
                CAST(:conditions AS text[]), CAST(:verbs AS text[]))
""")

_DECIDED_OF = text("SELECT verdict FROM outcome WHERE verdict = ANY(CAST(:ids AS uuid[]))")

_OURS = text("SELECT id, org, subject, condition FROM command WHERE id = ANY(CAST(:ids AS uuid[]))")

_ANSWERED = text("""
    UPDATE command SET answer = news.answer, answer_code = news.code, answer_message = news.message,
                       ticket_id = news.ticket_id, ticket_number = news.ticket_number
    FROM unnest(CAST(:ids AS uuid[]), CAST(:answers AS text[]), CAST(:codes AS text[]), CAST(:messages AS text[]),
                CAST(:tickets AS uuid[]), CAST(:numbers AS integer[]))
         AS news (id, answer, code, message, ticket_id, ticket_number)
    WHERE command.id = news.id
""")


_SETTLE = text("""
    UPDATE outcome SET outcome = ending.outcome, reason = coalesce(ending.reason, outcome.reason),
                       because = coalesce(ending.because, outcome.because), awaits = NULL
    FROM unnest(CAST(:commands AS uuid[]), CAST(:decided AS text[]), CAST(:outcomes AS text[]),
                CAST(:reasons AS text[]), CAST(:because AS text[]))
         AS ending (command, decided, outcome, reason, because)
    WHERE outcome.awaits = ending.command AND outcome.outcome = ending.decided
    RETURNING ending.command, outcome.cause, outcome.outcome, outcome.because
""")

# Code from before migration 0011, at work beside this one for a while, does not say what an outcome awaits.
_SETTLE_UNSAID = text("""
    UPDATE outcome SET outcome = ending.outcome, reason = ending.reason, because = ending.because
    FROM unnest(CAST(:commands AS uuid[]), CAST(:outcomes AS text[]), CAST(:reasons AS text[]),
                CAST(:because AS text[])) AS ending (command, outcome, reason, because)
    JOIN command ON command.id = ending.command AND verb = 'open' AND answer IS NULL
    WHERE outcome.verdict = command.verdict AND awaits IS NULL AND outcome.outcome IN ('opened', 'reopened')
    RETURNING ending.command, outcome.cause, outcome.outcome, outcome.because
""")

_OVERLOOKED = text("""
    SELECT DISTINCT command.org, command.subject, command.condition, verb, command.id, answer, answer_code,
           answer_message, ticket_id, ticket_number
    FROM outcome JOIN command ON command.id = awaits
    WHERE awaits IS NOT NULL AND answer IS NOT NULL
""")

_EVIDENCE_OF = text("""
    SELECT command.id, evidence FROM command JOIN outcome ON outcome.verdict = command.verdict
    WHERE command.id = ANY(CAST(:ids AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict with its one outcome, the policy version that decided, the evidence, the commands that follow, and the
    command by whose answer it is settled (none: it is)."""

    verdict: Verdict
    outcome: Outcome
    policy_version: int
    evidence: dict[str, Any]
    commands: tuple[OwnCommand, ...]
    awaits: UUID | None = None


@dataclass(frozen=True, slots=True)
class Overlooked:
    """Org, subject and condition of a command, and whether it opens."""

    about: tuple[str, str, str]
    opens: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """An outcome that is settled by the answer to `command`, with what called for it."""

    command: UUID
    cause: str
    outcome: str
    because: str


async def wait(
    connection: AsyncConnection,
    verdicts: Sequence[Verdict],
    partition_of: Mapping[str, int],
    waits_for: Mapping[UUID, str] | None = None,
) -> None:
    """Keeps verdicts until the clocks have passed them, and those in `waits_for` until that subject's fate is decided.
    `partition_of` says by which partition an org's come."""
    await connection.execute(
        _WAIT,
        {
            "ids": [each.id for each in verdicts],
            "partitions": [partition_of[each.org] for each in verdicts],
            "orgs": [each.org for each in verdicts],
            "subjects": [each.subject for each in verdicts],
            "conditions": [each.condition for each in verdicts],
            "causes": [each.cause.value for each in verdicts],
            "at": [each.at for each in verdicts],
            "since": [each.since for each in verdicts],
            "versions": [each.policy_version for each in verdicts],
            "flap_counts": [each.flap_count for each in verdicts],
            "evidence": [msgspec.json.encode(each.evidence).decode() for each in verdicts],
            "names": [each.named.name for each in verdicts],
            "integrations": [each.named.integration for each in verdicts],
            "spaces": [each.named.space for each in verdicts],
            "waits_for": [(waits_for or {}).get(each.id) for each in verdicts],
        },
    )


async def orgs_with_ready(connection: AsyncConnection, before: Mapping[int, int]) -> set[str]:
    """The orgs that have verdicts under `before`, by partition."""
    rows = await connection.execute(_ORGS, _reach(before))
    return {row.org for row in rows}


async def take_ready(
    connection: AsyncConnection, before: Mapping[int, int], orgs: Collection[str]
) -> list[tuple[int, Verdict]]:
    """Takes the verdicts of these (locked) orgs whose instants lie under `before` of their partition, in the order of
    their instants, each with its partition."""
    rows = await connection.execute(_TAKE, {**_reach(before), "orgs": list(orgs)})
    return [(row.partition, _verdict(row)) for row in rows]


async def let_go(connection: AsyncConnection, decided: Mapping[Key, int]) -> list[Verdict]:
    """Takes the verdicts that waited for these subjects, the earliest first. Each is decided at the instant at which
    what it waited for was decided, by what is so then: that decision counts, and so do the name, the integration and
    the policy of its own subject."""
    rows = (await connection.execute(_LET_GO, columns_of(decided))).all()
    called = await names(connection, {(row.org, row.subject) for row in rows}) if rows else {}
    return [
        replace(
            _verdict(row),
            at=max(row.at, decided[row.org, row.waits_for]),
            named=called.get((row.org, row.subject), _named(row)),
            policy_version=row.policy_version if row.version is None else row.version,
        )
        for row in rows
    ]


async def take_waiting(
    connection: AsyncConnection, over: Collection[Key], *, for_clocks: bool = False
) -> list[Verdict]:
    """Takes the verdicts about these subjects that wait for another, or `for_clocks` as well, in the order of their
    instants."""
    rows = await connection.execute(_TAKE_WAITING, {**columns_of(over), "for_clocks": for_clocks})
    taken = [_verdict(row) for row in rows]
    return sorted(taken, key=lambda verdict: (verdict.at, str(verdict.id)))


async def record(
    connection: AsyncConnection, decided: Sequence[Decided], now: datetime, besides: Sequence[OwnCommand] = ()
) -> None:
    """Writes outcomes and the commands that follow from them, from each and `besides` from several together. A second
    outcome of a verdict is a bug and raises."""
    await connection.execute(
        _DECIDED,
        {
            "decided_at": now,
            "verdicts": [each.verdict.id for each in decided],
            "orgs": [each.verdict.org for each in decided],
            "subjects": [each.verdict.subject for each in decided],
            "conditions": [each.verdict.condition for each in decided],
            "causes": [each.verdict.cause.value for each in decided],
            "at": [each.verdict.at for each in decided],
            "outcomes": [each.outcome.name for each in decided],
            "reasons": [each.outcome.reason for each in decided],
            "because": [each.outcome.because for each in decided],
            "versions": [each.policy_version for each in decided],
            "evidence": [msgspec.json.encode(each.evidence).decode() for each in decided],
            "awaits": [each.awaits for each in decided],
        },
    )
    commands = [*(command for each in decided for command in each.commands), *besides]
    if commands:
        await connection.execute(
            _SENT,
            {
                "sent_at": now,
                "ids": [command.id for command in commands],
                "verdicts": [command.cause for command in commands],
                "orgs": [command.org for command in commands],
                "subjects": [command.subject for command in commands],
                "conditions": [command.condition for command in commands],
                "verbs": [command.verb.value for command in commands],
            },
        )


async def decided_of(connection: AsyncConnection, ids: Collection[UUID]) -> set[UUID]:
    """Those of these verdicts that have their outcome."""
    return {row.verdict for row in await connection.execute(_DECIDED_OF, {"ids": list(ids)})}


async def whose(connection: AsyncConnection, commands: Collection[UUID]) -> dict[UUID, tuple[str, str, str]]:
    """Org, subject and condition of those of `commands` that outcomes asked for, both empty where a command opens and
    resolves nothing; others' are left out."""
    rows = await connection.execute(_OURS, {"ids": list(commands)})
    return {row.id: (row.org, row.subject, row.condition) for row in rows}


async def settle(connection: AsyncConnection, answers: Sequence[Answer]) -> list[Ended]:
    """Settles the outcomes that have awaited these answers; once, as none awaits them afterwards. Call it before the
    answers are recorded."""
    ends = [(each, decided, settled(decided, each)) for each in answers for decided in AWAITING]
    rows = await connection.execute(
        _SETTLE,
        {
            "commands": [each.command for each, _, _ in ends],
            "decided": [decided for _, decided, _ in ends],
            "outcomes": [end.outcome for _, _, end in ends],
            "reasons": [end.reason for _, _, end in ends],
            "because": [end.because for _, _, end in ends],
        },
    )
    ended = [Ended(row.command, row.cause, row.outcome, row.because) for row in rows]
    refused = [(each.command, settled("opened", each)) for each in answers if each.outcome is Answered.REJECTED]
    if refused:
        unsaid = {
            "commands": [command for command, _ in refused],
            "outcomes": [end.outcome for _, end in refused],
            "reasons": [end.reason for _, end in refused],
            "because": [end.because for _, end in refused],
        }
        rows = await connection.execute(_SETTLE_UNSAID, unsaid)
        ended += [Ended(row.command, row.cause, row.outcome, row.because) for row in rows]
    return ended


async def overlooked(connection: AsyncConnection) -> list[tuple[Overlooked, Answer]]:
    """Answers that are on record and are awaited all the same, each with whose it is."""
    return [
        (Overlooked((row.org, row.subject, row.condition), row.verb == "open"), _answer_of(row))
        for row in await connection.execute(_OVERLOOKED)
    ]


async def evidence_of(connection: AsyncConnection, commands: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """What those of these commands rest on that verdicts have sent."""
    rows = await connection.execute(_EVIDENCE_OF, {"ids": list(commands)})
    return {row.id: row.evidence for row in rows}


async def record_answers(connection: AsyncConnection, answers: Sequence[Answer]) -> None:
    await connection.execute(
        _ANSWERED,
        {
            "ids": [each.command for each in answers],
            "answers": [each.outcome.value for each in answers],
            "codes": [each.code for each in answers],
            "messages": [each.message for each in answers],
            "tickets": [None if each.ticket is None else each.ticket.id for each in answers],
            "numbers": [None if each.ticket is None else each.ticket.number for each in answers],
        },
    )


def _answer_of(row: Row[Any]) -> Answer:
    """The version of the ticket is not on record: that it was there is what counts where nothing changed."""
    outcome, ticket = Answered(row.answer), None
    if outcome is Answered.UNCHANGED and row.ticket_id is not None:
        ticket = KnownTicket(row.ticket_id, row.ticket_number, TicketState.OPEN, 0)
    return Answer(row.id, outcome, row.answer_code, row.answer_message, ticket)


def _reach(before: Mapping[int, int]) -> dict[str, object]:
    return {"partitions": list(before), "before": list(before.values())}


def _verdict(row: Row[Any]) -> Verdict:
    return Verdict(
        id=row.id,
        cause=Cause(row.cause),
        org=row.org,
        subject=row.subject,
        condition=row.condition,
        at=row.at,
        since=row.since_at,
        policy_version=row.policy_version,
        flap_count=row.flap_count,
        evidence=row.evidence,
        named=_named(row),
    )


def _named(row: Row[Any]) -> Named:
    return Named(row.name, row.integration, row.space)
