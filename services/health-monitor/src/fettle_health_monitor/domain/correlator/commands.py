"""Commands to the ticket service that follow from outcomes. Their ids follow from what caused them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, assert_never
from uuid import UUID, uuid5

from fettle_contracts.commands import (
    CHECKLIST_LIMIT,
    Command,
    CommentOnTicket,
    OpenTicket,
    ResolveTicket,
    TicketRef,
    UpdateChecklist,
    Verb,
)
from fettle_contracts.identity import SubjectRef
from fettle_contracts.people import Actor, ActorType, Subject
from fettle_contracts.ticket import TITLE_MAX_CHARACTERS, Resolution
from fettle_contracts.times import from_ms
from fettle_contracts.transitions import Condition
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    CalledOff,
    Joined,
    Merged,
    NothingToResolve,
    Opened,
    OpenedTogether,
    Outcome,
    Refused,
    Reopened,
    Resolved,
    Silenced,
    Unobserved,
    Unpublished,
)
from fettle_health_monitor.domain.correlator.rollups import MANY, Member, Parent
from fettle_health_monitor.domain.correlator.verdicts import Verdict

MONITOR = Actor(type=ActorType.HEALTH_MONITOR)

SHOWN_AS: dict[str, str] = {
    Condition.DEVICE_OFFLINE: "Device offline",
    Condition.INTEGRATION_UNREACHABLE: "Integration unreachable",
    Condition.INTEGRATION_CREDENTIALS_INVALID: "Integration credentials invalid",
    MANY: "Multiple devices offline",
    LOST: "Heartbeats not arriving",
}


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A command, its identity, what caused it, and the subject and condition whose ticket it opens or resolves (none
    for a command that does neither)."""

    id: UUID
    verb: Verb
    org: str
    cause: UUID
    subject: str
    condition: str
    body: Command


def dedup_key(subject: str, condition: str) -> str:
    """The key that at most one unresolved ticket of the org holds."""
    return f"{subject}:{condition}"


def read_dedup_key(key: str) -> tuple[str, str] | None:
    """Subject and condition in a key of the monitor's; None for any other text. Ids may hold `:`."""
    subject, colon, condition = key.rpartition(":")
    return (subject, condition) if colon and condition in SHOWN_AS else None


def title(condition: str, subject: SubjectRef, name: str | None, since: int = 0) -> str:
    """One line of at most 200 characters, whatever a device calls itself. `since` (broker milliseconds) tells one time
    without heartbeats from another."""
    if condition == LOST:
        return f"{SHOWN_AS[LOST]} since {from_ms(since):%Y-%m-%d %H:%M} UTC"
    called = " ".join((name or "").split()) or subject.id
    line = f"{SHOWN_AS[condition]}: {called}"
    return line if len(line) <= TITLE_MAX_CHARACTERS else line[: TITLE_MAX_CHARACTERS - 1] + "…"


def of_outcome(verdict: Verdict, outcome: Outcome, evidence: dict[str, Any]) -> tuple[OwnCommand, ...]:
    """The commands that an outcome asks for, in the order in which they must arrive: the one first by whose answer the
    verdict ends."""
    match outcome:
        case Opened():
            superseded = _supersede(verdict, outcome.supersedes, evidence)
            note = () if outcome.held_back is None else (_note(verdict, str(outcome.held_back)),)
            return (_open(verdict, evidence, outcome.after), *note, *superseded)
        case AlreadyOpen():
            return tuple(_supersede(verdict, outcome.supersedes, evidence))
        case Reopened():
            return (_open(verdict, evidence),)
        case OpenedTogether():
            return (_open_together(verdict, outcome, evidence),)
        case Merged(parent):
            key = TicketRef(dedup_key=dedup_key(parent.subject, parent.condition))
            return (_resolve(verdict, verdict.subject, verdict.condition, Resolution.MERGED, evidence, key),)
        case Resolved():
            return tuple(
                _resolve(verdict, verdict.subject, condition, outcome.resolution, evidence)
                for condition in outcome.conditions
            )
        case Joined() | Silenced() | Unobserved() | Unpublished():
            return ()
        case Refused() | NothingToResolve() | CalledOff():
            return ()
        case _:
            assert_never(outcome)


def checklists(
    org: str, parent: Parent, *, add: Sequence[Member], recovered: Sequence[Member], at: int, caused_by: UUID
) -> list[OwnCommand]:
    """Puts members on the list of a ticket and ticks others, at most 500 of each by command. `at` is in broker
    milliseconds."""
    ref = TicketRef(dedup_key=dedup_key(parent.subject, parent.condition))
    which = f"{parent.subject}/{parent.condition}"
    if parent.ticket is not None:
        ref, which = TicketRef(id=parent.ticket), str(parent.ticket)
    sent = []
    for start in range(0, max(len(add), len(recovered)), CHECKLIST_LIMIT):
        body = UpdateChecklist(
            org=org,
            actor=MONITOR,
            at=from_ms(at),
            ticket=ref,
            add=tuple(_named(one) for one in add[start : start + CHECKLIST_LIMIT]),
            recovered=tuple(_named(one) for one in recovered[start : start + CHECKLIST_LIMIT]),
        )
        id = uuid5(caused_by, f"{Verb.UPDATE_CHECKLIST}/{which}/{start}")
        sent.append(OwnCommand(id, Verb.UPDATE_CHECKLIST, org, caused_by, "", "", body))
    return sent


def comment(org: str, ticket: UUID, text: str, *, at: int, caused_by: UUID) -> OwnCommand:
    """Adds a line to a ticket's timeline. `at` is in broker milliseconds."""
    body = CommentOnTicket(org=org, actor=MONITOR, at=from_ms(at), ticket=TicketRef(id=ticket), comment=text)
    return OwnCommand(uuid5(caused_by, Verb.COMMENT), Verb.COMMENT, org, caused_by, "", "", body)


def _named(member: Member) -> Subject:
    subject = SubjectRef.parse(member.subject)
    return Subject(type=subject.type, id=subject.id, name=member.name)


def _open_together(verdict: Verdict, outcome: OpenedTogether, evidence: dict[str, Any]) -> OwnCommand:
    integration = SubjectRef.parse(outcome.parent.subject)
    body = OpenTicket(
        org=verdict.org,
        actor=MONITOR,
        at=from_ms(verdict.at),
        evidence={
            **evidence,
            "failing": outcome.failing,
            "threshold": outcome.threshold,
            "window_s": outcome.window_ms / 1000,
            "first": verdict.subject,
        },
        title=title(MANY, integration, outcome.name_of_integration),
        kind=MANY,
        subject=Subject(type=integration.type, id=integration.id, name=outcome.name_of_integration or integration.id),
        integration=integration.id,
        dedup_key=dedup_key(outcome.parent.subject, MANY),
    )
    return _sent(verdict, Verb.OPEN, outcome.parent.subject, MANY, body)


def _open(verdict: Verdict, evidence: dict[str, Any], after: Parent | None = None) -> OwnCommand:
    subject, named = SubjectRef.parse(verdict.subject), verdict.named
    body = OpenTicket(
        org=verdict.org,
        actor=MONITOR,
        at=from_ms(verdict.at),
        evidence=evidence,
        title=title(verdict.condition, subject, named.name, verdict.since),
        kind=verdict.condition,
        subject=Subject(type=subject.type, id=subject.id, name=named.name or subject.id),
        space=named.space,
        integration=subject.id if verdict.condition == MANY else named.integration,
        dedup_key=dedup_key(verdict.subject, verdict.condition),
        flap_count=verdict.flap_count,
        parent=None if after is None else TicketRef(dedup_key=dedup_key(after.subject, after.condition)),
    )
    return _sent(verdict, Verb.OPEN, verdict.subject, verdict.condition, body)


def _note(verdict: Verdict, text: str) -> OwnCommand:
    """A comment for the ticket of the verdict's condition, opened or reopened by the command before."""
    body = CommentOnTicket(
        org=verdict.org,
        actor=MONITOR,
        at=from_ms(verdict.at),
        ticket=TicketRef(dedup_key=dedup_key(verdict.subject, verdict.condition)),
        comment=text,
    )
    return OwnCommand(uuid5(verdict.id, Verb.COMMENT), Verb.COMMENT, verdict.org, verdict.id, "", "", body)


def _resolve(
    verdict: Verdict,
    subject: str,
    condition: str,
    resolution: Resolution,
    evidence: dict[str, Any],
    parent: TicketRef | None = None,
) -> OwnCommand:
    body = ResolveTicket(
        org=verdict.org,
        actor=MONITOR,
        at=from_ms(verdict.at),
        evidence=evidence,
        ticket=TicketRef(dedup_key=dedup_key(subject, condition)),
        resolution=resolution,
        parent=parent,
    )
    return _sent(verdict, Verb.RESOLVE, subject, condition, body)


def _supersede(verdict: Verdict, conditions: Sequence[str], evidence: dict[str, Any]) -> Iterator[OwnCommand]:
    """Ends the subject's tickets about these conditions."""
    for condition in conditions:
        yield _resolve(verdict, verdict.subject, condition, Resolution.SUPERSEDED, evidence)


def _sent(verdict: Verdict, verb: Verb, subject: str, condition: str, body: Command) -> OwnCommand:
    own = "" if subject == verdict.subject else f"{subject}/"
    return OwnCommand(
        uuid5(verdict.id, f"{verb}/{own}{condition}"), verb, verdict.org, verdict.id, subject, condition, body
    )
