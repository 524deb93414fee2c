"""What may be asked of a ticket.

`at` and `evidence` come with signed commands only: when the command became true for its sender, and why it was sent.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from msgspec import Struct

from fettle_contracts.commands import Verb
from fettle_contracts.ticket import Resolution
from fettle_ticket_service.domain.values import Actor, Link, Subject, TicketRef


class Command(Struct, frozen=True, kw_only=True):
    """What every command carries."""

    verb: ClassVar[Verb]

    actor: Actor
    at: datetime | None = None
    evidence: Mapping[str, Any] | None = None

    def effective(self, now: datetime) -> datetime:
        """The instant that windows are measured by and that the timeline shows: `at` if the command has one."""
        return self.at or now


class Open(Command, frozen=True, kw_only=True):
    """Open a ticket; where `dedup_key` has one, bring that back or be answered with it, as `opening.py` decides."""

    verb = Verb.OPEN

    title: str
    subject: Subject
    kind: str = "user_report"
    description: str = ""
    space: str | None = None
    integration: str | None = None
    links: tuple[Link, ...] = ()
    dedup_key: str | None = None
    flap_count: int = 0
    parent: TicketRef | None = None


class Move(Command, frozen=True, kw_only=True):
    """A command that moves a ticket from state to state; `comment` is added whether it moves or not."""

    comment: str | None = None


class Start(Move, frozen=True):
    """Begin work."""

    verb = Verb.START


class MoveToOpen(Move, frozen=True):
    """Undo a start."""

    verb = Verb.MOVE_TO_OPEN


class Resolve(Move, frozen=True, kw_only=True):
    """End the ticket; without `resolution` the actor decides what it is called. `parent` is where it goes on."""

    verb = Verb.RESOLVE

    resolution: Resolution | None = None
    parent: TicketRef | None = None


class Reopen(Move, frozen=True, kw_only=True):
    """Bring a resolved ticket back."""

    verb = Verb.REOPEN

    flap_count: int | None = None


class Comment(Command, frozen=True, kw_only=True):
    """Say something about the ticket, in any state."""

    verb = Verb.COMMENT

    text: str


class EditDescription(Command, frozen=True, kw_only=True):
    """Replace the description; `description_version` is the version that the editor saw, None replaces any."""

    verb = Verb.EDIT_DESCRIPTION

    description: str
    description_version: int | None = None


class SetLinks(Command, frozen=True, kw_only=True):
    """Replace all links; `description_version` as for the description."""

    verb = Verb.SET_LINKS

    links: tuple[Link, ...]
    description_version: int | None = None


class UpdateChecklist(Command, frozen=True, kw_only=True):
    """Put subjects on a rollup's checklist, then tick those that have recovered."""

    verb = Verb.UPDATE_CHECKLIST

    add: tuple[Subject, ...] = ()
    recovered: tuple[Subject, ...] = ()
