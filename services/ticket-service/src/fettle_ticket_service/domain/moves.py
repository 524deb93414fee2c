"""The moves of a ticket from state to state: start, move to open, resolve, reopen.

A comment that comes with a move is added after it, also when the ticket is already where the move wants it.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum, auto

from fettle_contracts.codes import RejectionCode
from fettle_contracts.commands import Verb
from fettle_contracts.people import ActorType
from fettle_contracts.ticket import Resolution, TicketSource, TicketState
from fettle_ticket_service.domain.commands import Move, MoveToOpen, Reopen, Resolve, Start
from fettle_ticket_service.domain.decisions import Applied, Because, Decision, Rejected, Unchanged
from fettle_ticket_service.domain.edits import added_comment
from fettle_ticket_service.domain.events import Event, MovedToOpen, Reopened, Resolved, Started
from fettle_ticket_service.domain.facts import Facts
from fettle_ticket_service.domain.opening import inside_reopen_window, may_return_by_key
from fettle_ticket_service.domain.texts import comment_fault
from fettle_ticket_service.domain.ticket import Ticket


class Step(Enum):
    """What a move that applies does."""

    MOVES = auto()
    STAYS = auto()
    """The ticket is already where the move wants it."""


STATE_TABLE: Mapping[tuple[Verb, TicketState], Step | str] = {
    (Verb.START, TicketState.OPEN): Step.MOVES,
    (Verb.START, TicketState.IN_PROGRESS): Step.STAYS,
    (Verb.START, TicketState.RESOLVED): "A resolved ticket cannot be started; reopen it first.",
    (Verb.MOVE_TO_OPEN, TicketState.OPEN): Step.STAYS,
    (Verb.MOVE_TO_OPEN, TicketState.IN_PROGRESS): Step.MOVES,
    (Verb.MOVE_TO_OPEN, TicketState.RESOLVED): "A resolved ticket has no start to undo; reopen it.",
    (Verb.RESOLVE, TicketState.OPEN): Step.MOVES,
    (Verb.RESOLVE, TicketState.IN_PROGRESS): Step.MOVES,
    (Verb.RESOLVE, TicketState.RESOLVED): Step.STAYS,
    (Verb.REOPEN, TicketState.OPEN): Step.STAYS,
    (Verb.REOPEN, TicketState.IN_PROGRESS): "A ticket in progress is not resolved, so it cannot be reopened.",
    (Verb.REOPEN, TicketState.RESOLVED): Step.MOVES,
}
"""What each move does in each state, or the rule that forbids it there."""

RESOLUTIONS = {
    ActorType.USER: Resolution.BY_PERSON,
    ActorType.WORKFLOW: Resolution.BY_WORKFLOW,
    ActorType.HEALTH_MONITOR: Resolution.RECOVERED,
}
"""What a resolve is called when the command does not say."""


def decide_move(ticket: Ticket, command: Move, facts: Facts, now: datetime) -> Decision:
    """What the move does; the state change comes first, the comment second."""
    comment = command.comment if command.comment and command.comment.strip() else None
    refused = (comment_fault(comment) if comment else None) or _refusal(ticket, command, facts, now)
    if refused is not None:
        return refused
    at = ticket.not_before(command.effective(now))
    moves = STATE_TABLE[command.verb, ticket.state] is Step.MOVES
    happened: tuple[Event, ...] = (_event(command, facts, at),) if moves else ()
    if moves and facts.parent is not None and isinstance(command, Resolve) and command.resolution is Resolution.MERGED:
        comment = "\n\n".join((f"Merged into #{facts.parent.number}", *filter(None, [comment])))
    if comment is not None:
        happened += (added_comment(command, comment, at, evidence=None if moves else command.evidence),)
    if not happened:
        return Unchanged(Because.ALREADY_SO)
    return Applied(happened, Because.ASKED if moves else Because.COMMENT_ONLY)


def _refusal(ticket: Ticket, command: Move, facts: Facts, now: datetime) -> Rejected | None:
    step = STATE_TABLE[command.verb, ticket.state]
    if isinstance(step, str):
        return Rejected(RejectionCode.WRONG_STATE, step)
    if command.actor.is_monitor and ticket.source is not TicketSource.HEALTH_MONITOR:
        return Rejected(RejectionCode.WRONG_STATE, "The health monitor moves only tickets that it opened itself.")
    if isinstance(command, Resolve) and command.parent is not None and step is Step.MOVES:
        return _no_parent(ticket, facts.parent)
    if isinstance(command, Reopen) and step is Step.MOVES:
        return _not_reopenable(ticket, command, facts, now)
    return None


def _no_parent(ticket: Ticket, parent: Ticket | None) -> Rejected | None:
    """A ticket that ends because it goes on in another must say in which."""
    if parent is None:
        return Rejected(RejectionCode.PARENT_INVALID, "The parent that the command names is not there.")
    if parent.id == ticket.id:
        return Rejected(RejectionCode.PARENT_INVALID, "A ticket cannot be its own parent.")
    return None


def _not_reopenable(ticket: Ticket, command: Reopen, facts: Facts, now: datetime) -> Rejected | None:
    """A person reopens whenever no other ticket holds the key; the monitor inside the window; a workflow never."""
    if facts.rival is not None:
        rule = f"Ticket #{facts.rival.number} is unresolved and has the same key; at most one such ticket has it."
    elif command.actor.is_person:
        return None
    elif not command.actor.is_monitor:
        rule = "Only a person reopens a ticket; a workflow opens one with its key."
    elif not may_return_by_key(ticket):
        rule = f"A ticket that was {ticket.resolution} is not reopened by the health monitor."
    elif not inside_reopen_window(ticket, command.effective(now), facts):
        rule = "The reopen window is over; open a new ticket."
    else:
        return None
    return Rejected(RejectionCode.WRONG_STATE, rule)


def _event(command: Move, facts: Facts, at: datetime) -> Event:
    actor, evidence = command.actor, command.evidence
    match command:
        case Start():
            return Started(at=at, actor=actor, evidence=evidence)
        case MoveToOpen():
            return MovedToOpen(at=at, actor=actor, evidence=evidence)
        case Resolve():
            resolution = command.resolution or RESOLUTIONS[actor.type]
            parent = None if facts.parent is None else facts.parent.link
            return Resolved(at=at, actor=actor, evidence=evidence, resolution=resolution, parent=parent)
        case Reopen():
            return Reopened(at=at, actor=actor, evidence=evidence, flap_count=command.flap_count)
    raise TypeError(f"{type(command).__name__} is no move")
