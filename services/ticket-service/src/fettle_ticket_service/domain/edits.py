"""What people and programs write on a ticket, in any state: comments, the description, links."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fettle_contracts.codes import RejectionCode
from fettle_ticket_service.domain.commands import Command, Comment, EditDescription, SetLinks
from fettle_ticket_service.domain.decisions import Applied, Because, Decision, Rejected, Unchanged
from fettle_ticket_service.domain.difference import links_difference, text_difference
from fettle_ticket_service.domain.events import CommentAdded, DescriptionEdited, LinksEdited
from fettle_ticket_service.domain.texts import comment_fault, links_fault, showable, text_fault
from fettle_ticket_service.domain.ticket import Ticket


def decide_comment(ticket: Ticket, command: Comment, now: datetime) -> Decision:
    """Every comment is one entry; saying the same twice in two commands is saying it twice."""
    refused = comment_fault(command.text)
    if refused is not None:
        return refused
    at = ticket.not_before(command.effective(now))
    return Applied((added_comment(command, command.text, at, evidence=command.evidence),))


def decide_description(ticket: Ticket, command: EditDescription, now: datetime) -> Decision:
    """Replaces the text unless somebody has edited it or the links since the version that the editor saw."""
    refused = text_fault(command.description, "description")
    if refused is not None:
        return refused
    description = showable(command.description)
    if description == ticket.description:
        return Unchanged(Because.SAME_TEXT)
    refused = _changed_since(ticket, command.description_version)
    if refused is not None:
        return refused
    edited = DescriptionEdited(
        at=ticket.not_before(command.effective(now)),
        actor=command.actor,
        evidence=command.evidence,
        description=description,
        difference=text_difference(ticket.description, description),
    )
    return Applied((edited,))


def decide_links(ticket: Ticket, command: SetLinks, now: datetime) -> Decision:
    """Replaces all links, unless as for the description."""
    refused = links_fault(command.links)
    if refused is not None:
        return refused
    if command.links == ticket.links:
        return Unchanged(Because.SAME_LINKS)
    refused = _changed_since(ticket, command.description_version)
    if refused is not None:
        return refused
    edited = LinksEdited(
        at=ticket.not_before(command.effective(now)),
        actor=command.actor,
        evidence=command.evidence,
        links=command.links,
        difference=links_difference(ticket.links, command.links),
    )
    return Applied((edited,))


def added_comment(command: Command, text: str, at: datetime, *, evidence: Mapping[str, Any] | None) -> CommentAdded:
    return CommentAdded(at=at, actor=command.actor, evidence=evidence, text=showable(text))


def _changed_since(ticket: Ticket, seen: int | None) -> Rejected | None:
    if seen is None or seen == ticket.description_version:
        return None
    return Rejected(
        RejectionCode.DESCRIPTION_CHANGED,
        f"Description and links are at version {ticket.description_version}, the edit was made on version {seen}.",
    )
