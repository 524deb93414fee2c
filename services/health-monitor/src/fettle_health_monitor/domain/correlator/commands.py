"""Commands to the ticket service that follow from outcomes. Their ids follow from what caused them."""

from dataclasses import dataclass
from typing import Any, assert_never
from uuid import UUID, uuid5

from fettle_contracts.commands import Command, CommentOnTicket, OpenTicket, ResolveTicket, TicketRef, Verb
from fettle_contracts.identity import SubjectRef
from fettle_contracts.people import Actor, ActorType, Subject
from fettle_contracts.ticket import TITLE_MAX_CHARACTERS, Resolution
from fettle_contracts.times import from_ms
from fettle_contracts.transitions import Condition
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    NothingToResolve,
    Opened,
    Outcome,
    Refused,
    Reopened,
    Resolved,
    Unpublished,
)
from fettle_health_monitor.domain.correlator.verdicts import Verdict

MONITOR = Actor(type=ActorType.HEALTH_MONITOR)

SHOWN_AS = {
    Condition.DEVICE_OFFLINE: "Device offline",
    Condition.INTEGRATION_UNREACHABLE: "Integration unreachable",
    Condition.INTEGRATION_CREDENTIALS_INVALID: "Integration credentials invalid",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A command, its identity, what caused it, and the condition whose ticket it is about (none for a comment)."""

    id: UUID
    verb: Verb
    org: str
    cause: UUID
    condition: str
    body: Command


def dedup_key(subject: str, condition: str) -> str:
    """The key that at most one unresolved ticket of the org holds."""
    return f"{subject}:{condition}"


def read_dedup_key(key: str) -> tuple[str, str] | None:
    """Subject and condition in a key of the monitor's; None for any other text. Ids may hold `:`."""
    subject, colon, condition = key.rpartition(":")
    return (subject, condition) if colon and condition in SHOWN_AS else None


def title(condition: str, subject: SubjectRef, name: str | None) -> str:
    """One line of at most 200 characters, whatever a device calls itself."""
    called = " ".join((name or "").split()) or subject.id
    line = f"{SHOWN_AS[Condition(condition)]}: {called}"
    return line if len(line) <= TITLE_MAX_CHARACTERS else line[: TITLE_MAX_CHARACTERS - 1] + "…"


def of_outcome(verdict: Verdict, outcome: Outcome, evidence: dict[str, Any]) -> tuple[Sent, ...]:
    """The commands that an outcome asks for, in the order in which they must arrive."""
    match outcome:
        case Opened():
            superseded = (
                _resolve(verdict, condition, Resolution.SUPERSEDED, evidence) for condition in outcome.supersedes
            )
            return (_open(verdict, evidence), *superseded)
        case Reopened():
            return (_open(verdict, evidence),)
        case Resolved():
            return tuple(_resolve(verdict, condition, outcome.resolution, evidence) for condition in outcome.conditions)
        case AlreadyOpen() | Unpublished() | Refused() | NothingToResolve():
            return ()
        case _:
            assert_never(outcome)


def comment(org: str, ticket: UUID, text: str, *, at: int, caused_by: UUID) -> Sent:
    """Adds a line to a ticket's timeline. `at` is in broker milliseconds."""
    body = CommentOnTicket(org=org, actor=MONITOR, at=from_ms(at), ticket=TicketRef(id=ticket), comment=text)
    return Sent(uuid5(caused_by, Verb.COMMENT), Verb.COMMENT, org, caused_by, "", body)


def _open(verdict: Verdict, evidence: dict[str, Any]) -> Sent:
    subject, named = SubjectRef.parse(verdict.subject), verdict.named
    body = OpenTicket(
        org=verdict.org,
        actor=MONITOR,
        at=from_ms(verdict.at),
        evidence=evidence,
        title=title(verdict.condition, subject, named.name),
        kind=verdict.condition,
        subject=Subject(type=subject.type, id=subject.id, name=named.name or subject.id),
        space=named.space,
        integration=named.integration,
        dedup_key=dedup_key(verdict.subject, verdict.condition),
        flap_count=verdict.flap_count,
    )
    return _sent(verdict, Verb.OPEN, verdict.condition, body)


def _resolve(verdict: Verdict, condition: str, resolution: Resolution, evidence: dict[str, Any]) -> Sent:
    body = ResolveTicket(
        org=verdict.org,
        actor=MONITOR,
        at=from_ms(verdict.at),
        evidence=evidence,
        ticket=TicketRef(dedup_key=dedup_key(verdict.subject, condition)),
        resolution=resolution,
    )
    return _sent(verdict, Verb.RESOLVE, condition, body)


def _sent(verdict: Verdict, verb: Verb, condition: str, body: Command) -> Sent:
    return Sent(uuid5(verdict.id, f"{verb}/{condition}"), verb, verdict.org, verdict.id, condition, body)
