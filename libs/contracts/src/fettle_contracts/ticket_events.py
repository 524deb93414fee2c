"""`ticket.events` and the five trigger topics: what happened to a ticket, with the ticket as it then was."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from fettle_contracts.identity import OrgName
from fettle_contracts.message import Message
from fettle_contracts.people import Actor
from fettle_contracts.ticket import Ticket
from fettle_contracts.times import Instant

SOURCE = "fettle/ticket-service"
"""Who says what happened to tickets: with an entry's id it is the identity of the entry's event."""


class EntryType(StrEnum):
    """One name everywhere: event type, timeline entry, topic, workflow trigger."""

    OPENED = "opened"
    STARTED = "started"
    MOVED_TO_OPEN = "moved-to-open"
    COMMENT_ADDED = "comment-added"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    DESCRIPTION_EDITED = "description-edited"
    LINKS_EDITED = "links-edited"
    CHECKLIST_CHANGED = "checklist-changed"

    @property
    def ce_type(self) -> str:
        return f"fettle.ticket.{self.value}.v1"

    @property
    def trigger_topic(self) -> str | None:
        """The topic (without prefix) that carries this event besides `ticket.events`, if there is one."""
        return f"ticket.{self.value}" if self in TRIGGERS else None


TRIGGERS = (
    EntryType.OPENED,
    EntryType.STARTED,
    EntryType.COMMENT_ADDED,
    EntryType.RESOLVED,
    EntryType.REOPENED,
)
"""The events that can start a workflow; each has a topic of its own."""


class Entry(Message):
    """One line of a ticket's timeline. `body` is Markdown, `evidence` is why an automated entry was made."""

    id: UUID
    type: EntryType
    version: int = Field(ge=1)
    at: Instant
    actor: Actor
    body: str | None = None
    evidence: dict[str, Any] | None = None
    hash: str | None = None


class ChainEnd(Message):
    """Where the entry stands in its org's chain: `head` stands for all of the org's entries up to that place. On an
    opening, `number_seal` vouches for the ticket's number."""

    place: int = Field(ge=1)
    head: str
    number_seal: str | None = None


class TicketEvent(Message):
    """What happened, and the ticket after it. `entry.hash` stands for the ticket's timeline up to the entry."""

    org: OrgName
    entry: Entry
    ticket: Ticket
    chain: ChainEnd | None = None
