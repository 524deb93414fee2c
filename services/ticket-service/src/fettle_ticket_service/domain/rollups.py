"""Rollups: who joins a checklist, who has recovered, and when the timeline speaks of it."""

from datetime import datetime

from msgspec.structs import replace

from fettle_contracts.codes import RejectionCode
from fettle_contracts.people import ActorType
from fettle_contracts.ticket import TicketSource
from fettle_ticket_service.domain.checklist import (
    QUIET,
    Change,
    Checklist,
    Member,
    MemberChange,
    MemberKey,
    evidence_of,
    key_of,
)
from fettle_ticket_service.domain.commands import UpdateChecklist
from fettle_ticket_service.domain.decisions import Applied, Because, Decision, Rejected, Unchanged
from fettle_ticket_service.domain.events import ChecklistChanged, Event, Opened
from fettle_ticket_service.domain.facts import Facts
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import Actor, Subject

MONITOR = Actor(ActorType.HEALTH_MONITOR)


def decide_checklist(ticket: Ticket, command: UpdateChecklist, facts: Facts, now: datetime) -> Decision:
    """Those to add come first, then those that have recovered; who stands as the command wants it stays so."""
    if ticket.source is not TicketSource.HEALTH_MONITOR:
        return Rejected(RejectionCode.WRONG_STATE, "Only a ticket of the health monitor has a checklist.")
    at = command.effective(now)
    members = dict(facts.members)
    changes: list[MemberChange] = []
    counted = 1 if ticket.checklist.counts_changes else 0
    for subject in command.add:
        place = ticket.checklist.total + len(members) - len(facts.members) + 1
        _enter(_joined(members.get(key_of(subject)), subject, place, at), counted, changes, members)
    for subject in command.recovered:
        _enter(_recovered(members.get(key_of(subject)), at), counted, changes, members)
    strangers = any(key_of(subject) not in members for subject in command.recovered)
    if not changes:
        return Unchanged(Because.NOT_MEMBERS if strangers else Because.ALREADY_SO)
    return Applied((), Because.MEMBERS_ONLY if strangers else Because.ASKED, tuple(changes))


def with_note(ticket: Ticket | None, events: tuple[Event, ...], now: datetime) -> tuple[Event, ...]:
    """What happens to the ticket, and before it the entry on its checklist, if there is something to say and the last
    such entry is a minute old."""
    if ticket is None or not _has_to_tell(ticket.checklist) or (events and isinstance(events[0], Opened)):
        return events
    at = events[0].at if events else ticket.not_before(now)
    if at - (ticket.checklist.noted_at or ticket.opened_at) < QUIET:
        return events
    return ChecklistChanged(at=at, actor=MONITOR, evidence=evidence_of(ticket.checklist)), *events


def _has_to_tell(checklist: Checklist) -> bool:
    """Not where there are no members: somebody else has written it."""
    return checklist.unsaid is not None and checklist.total > 0


def _joined(member: Member | None, subject: Subject, place: int, at: datetime) -> MemberChange | None:
    if member is None:
        return Change.ADDED, Member(place, subject, at)
    if member.recovered_at is None:
        return None
    return Change.DOWN_AGAIN, replace(member, recovered_at=None)


def _recovered(member: Member | None, at: datetime) -> MemberChange | None:
    if member is None or member.recovered_at is not None:
        return None
    return Change.RECOVERED, replace(member, recovered_at=at)


def _enter(
    change: MemberChange | None, counted: int, changes: list[MemberChange], members: dict[MemberKey, Member]
) -> None:
    if change is not None:
        kind, member = change
        member = replace(member, changes=member.changes + counted)
        changes.append((kind, member))
        members[member.key] = member
