"""What can happen to a ticket. Each event is one entry of its timeline and raises its version by one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import Struct

from fettle_contracts.ticket import Resolution
from fettle_contracts.ticket_events import EntryType
from fettle_ticket_service.domain.values import Actor, Link, Subject, TicketLink


class Event(Struct, frozen=True, kw_only=True):
    """Who did it, when it took effect, and for automated ones why."""

    type: ClassVar[EntryType]

    at: datetime
    actor: Actor
    evidence: Mapping[str, Any] | None = None

    @property
    def body(self) -> str | None:
        """The text that the timeline shows under the entry."""
        return None


class Opened(Event, frozen=True, kw_only=True):
    """A new ticket, whatever stood before it; `previous` is the one that had its key last."""

    type = EntryType.OPENED

    id: UUID
    number: int
    title: str
    description: str
    kind: str
    subject: Subject
    integration: str | None
    space: str | None
    links: tuple[Link, ...]
    dedup_key: str | None
    flap_count: int
    parent: TicketLink | None
    previous: TicketLink | None


class Started(Event, frozen=True):
    type = EntryType.STARTED


class MovedToOpen(Event, frozen=True):
    type = EntryType.MOVED_TO_OPEN


class Resolved(Event, frozen=True, kw_only=True):
    """`parent` is the ticket with which the incident goes on, if it does."""

    type = EntryType.RESOLVED

    resolution: Resolution
    parent: TicketLink | None = None


class Reopened(Event, frozen=True, kw_only=True):
    """`flap_count` and `parent` None: nobody said, the ticket keeps what it had, except what it was merged into."""

    type = EntryType.REOPENED

    flap_count: int | None = None
    parent: TicketLink | None = None


class CommentAdded(Event, frozen=True, kw_only=True):
    type = EntryType.COMMENT_ADDED

    text: str

    @property
    def body(self) -> str:
        return self.text


class DescriptionEdited(Event, frozen=True, kw_only=True):
    """The new text, and how it differs from the one before."""

    type = EntryType.DESCRIPTION_EDITED

    description: str
    difference: str

    @property
    def body(self) -> str:
        return self.difference


class LinksEdited(Event, frozen=True, kw_only=True):
    """The new links, and how they differ from those before."""

    type = EntryType.LINKS_EDITED

    links: tuple[Link, ...]
    difference: str

    @property
    def body(self) -> str:
        return self.difference


class ChecklistChanged(Event, frozen=True):
    """The timeline says what has changed of the checklist; the members themselves had changed before."""

    type = EntryType.CHECKLIST_CHANGED
