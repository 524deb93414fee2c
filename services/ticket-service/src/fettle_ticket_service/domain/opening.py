"""Open: one incident, one ticket.

At most one unresolved ticket has a key. Whether an open makes a new ticket, brings the key's latest one back, or
changes nothing is decided here, the reopen window included.
"""

from datetime import datetime

from fettle_contracts.codes import RejectionCode
from fettle_contracts.ticket import Resolution
from fettle_ticket_service.domain.commands import Open
from fettle_ticket_service.domain.decisions import Applied, Because, Decision, Rejected, Unchanged
from fettle_ticket_service.domain.events import Opened, Reopened
from fettle_ticket_service.domain.facts import Facts
from fettle_ticket_service.domain.texts import (
    key_fault,
    kind_fault,
    links_fault,
    showable,
    text_fault,
    title_fault,
)
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import TicketLink

ENDED_OTHERWISE = frozenset({Resolution.MERGED, Resolution.SUPERSEDED, Resolution.REMOVED})
"""Resolutions after which the incident goes on elsewhere or not at all."""


def decide_open(latest: Ticket | None, command: Open, facts: Facts, now: datetime) -> Decision:
    """`latest` is the latest ticket with the command's key, the unresolved one if there is one."""
    refused = _refusal(command, facts)
    if refused is not None:
        return refused
    if latest is None:
        return _opened(None, command, facts, now, Because.FIRST_OF_KEY if command.dedup_key else Because.NO_KEY)
    if not latest.resolved:
        return Unchanged(Because.KEY_HELD)
    if not may_return_by_key(latest):
        return _opened(latest, command, facts, now, Because.PREVIOUS_ENDED_OTHERWISE)
    if not inside_reopen_window(latest, command.effective(now), facts):
        return _opened(latest, command, facts, now, Because.WINDOW_OVER)
    reopened = Reopened(
        at=latest.not_before(command.effective(now)),
        actor=command.actor,
        evidence=command.evidence,
        flap_count=command.flap_count,
        parent=None if facts.parent == latest else _parent(facts),
    )
    return Applied((reopened,), Because.INSIDE_WINDOW)


def may_return_by_key(ticket: Ticket) -> bool:
    """Whether the incident ended here, and not merged into another, superseded, or with its subject."""
    return ticket.resolution not in ENDED_OTHERWISE


def inside_reopen_window(ticket: Ticket, at: datetime, facts: Facts) -> bool:
    """Whether the resolved ticket ended less than the org's reopen window before `at`."""
    return ticket.resolved_at is not None and at - ticket.resolved_at < facts.policy.reopen_window


def _refusal(command: Open, facts: Facts) -> Rejected | None:
    if command.actor.is_person and not facts.policy.report_issue_enabled:
        return Rejected(RejectionCode.REPORT_ISSUE_DISABLED, "This organization does not take reports from people.")
    return (
        title_fault(command.title)
        or kind_fault(command.kind, by_person=command.actor.is_person)
        or text_fault(command.description, "description")
        or links_fault(command.links)
        or key_fault(command.dedup_key, by_monitor=command.actor.is_monitor)
    )


def _opened(previous: Ticket | None, command: Open, facts: Facts, now: datetime, because: Because) -> Applied:
    opened = Opened(
        at=command.effective(now),
        actor=command.actor,
        evidence=command.evidence,
        id=facts.id,
        number=facts.number,
        title=command.title.strip(),
        description=showable(command.description),
        kind=command.kind,
        subject=command.subject,
        integration=command.integration,
        space=command.space,
        links=command.links,
        dedup_key=command.dedup_key,
        flap_count=command.flap_count,
        parent=_parent(facts),
        previous=previous.link if previous is not None else None,
    )
    return Applied((opened,), because)


def _parent(facts: Facts) -> TicketLink | None:
    """A parent that is not there holds up no incident: the ticket is opened without the link."""
    return None if facts.parent is None else facts.parent.link
