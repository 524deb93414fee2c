"""`ticket.commands`: what may be asked of the ticket service.

Readers are tolerant where a refusal must reach the sender: an empty title or an overlong text is readable here and
refused by the ticket service with its `RejectionCode`. What no reader can make sense of raises `Unreadable`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.message import Message, Unreadable, is_none
from fettle_contracts.people import Actor, Link, Subject
from fettle_contracts.ticket import Resolution
from fettle_contracts.times import Instant, from_ms

COMMAND_PREFIX = "fettle.ticket.command."
CHECKLIST_LIMIT = 500
_FIRST = from_ms(0)


class Verb(StrEnum):
    """What a command asks for. `update-checklist` is Fettle's own and always signed."""

    OPEN = "open"
    START = "start"
    MOVE_TO_OPEN = "move-to-open"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    COMMENT = "comment"
    EDIT_DESCRIPTION = "edit-description"
    SET_LINKS = "set-links"
    UPDATE_CHECKLIST = "update-checklist"

    @property
    def ce_type(self) -> str:
        return f"{COMMAND_PREFIX}{self.value}.v1"


class TicketRef(Message):
    """Names a ticket by exactly one of its id, its number, or the key whose latest ticket is meant."""

    id: UUID | None = Field(default=None, exclude_if=is_none)
    number: int | None = Field(default=None, ge=1, exclude_if=is_none)
    dedup_key: str | None = Field(default=None, exclude_if=is_none)

    @model_validator(mode="after")
    def _exactly_one(self) -> "TicketRef":
        if sum(value is not None for value in (self.id, self.number, self.dedup_key)) != 1:
            raise ValueError("names exactly one of id, number, dedup_key")
        return self


def _is_kept(at: datetime) -> datetime:
    """The first moment of the year 1, for one, is a day without beginning to the database."""
    if at < _FIRST:
        raise ValueError("must be a time of the years 1970 to 9999")
    return at


class Command(Message):
    """What every command carries. `at` and `evidence` are read from signed commands only."""

    org: str
    actor: Actor
    at: Annotated[Instant, AfterValidator(_is_kept)] | None = Field(default=None, exclude_if=is_none)
    evidence: dict[str, Any] | None = Field(default=None, exclude_if=is_none)


class OpenTicket(Command):
    """Open a ticket, or be answered with the one that holds the key."""

    title: str = ""
    kind: str = "user_report"
    subject: Subject
    space: str | None = Field(default=None, exclude_if=is_none)
    integration: str | None = Field(default=None, exclude_if=is_none)
    description: str = ""
    links: tuple[Link, ...] = ()
    dedup_key: str | None = Field(default=None, exclude_if=is_none)
    flap_count: int = Field(default=0, ge=0)
    parent: TicketRef | None = Field(default=None, exclude_if=is_none)


class TicketCommand(Command):
    """A command on a ticket that exists."""

    ticket: TicketRef
    comment: str | None = Field(default=None, exclude_if=is_none)


class StartTicket(TicketCommand):
    """Begin work on an open ticket."""


class MoveTicketToOpen(TicketCommand):
    """Undo a start."""


class ResolveTicket(TicketCommand):
    """End a ticket. A signed command may say with which `resolution`, and in which `parent` the incident goes on."""

    resolution: Resolution | None = Field(default=None, exclude_if=is_none)
    parent: TicketRef | None = Field(default=None, exclude_if=is_none)


class ReopenTicket(TicketCommand):
    """Bring a resolved ticket back. A signed command may carry the flap count of that moment."""

    flap_count: int = Field(default=0, ge=0)


class CommentOnTicket(TicketCommand):
    """Add a comment, in any state."""

    comment: str


class EditDescription(Command):
    """Replace the description if it still has the version that the editor saw; without one, replace it anyway."""

    ticket: TicketRef
    description: str
    description_version: int | None = Field(default=None, ge=1)


class SetLinks(Command):
    """Replace all links of a ticket if they and the description still have the version that the editor saw; without
    one, replace them anyway."""

    ticket: TicketRef
    links: tuple[Link, ...]
    description_version: int | None = Field(default=None, ge=1)


class UpdateChecklist(Command):
    """Add members to a rollup's checklist, or tick them as recovered."""

    ticket: TicketRef
    add: tuple[Subject, ...] = Field(default=(), max_length=CHECKLIST_LIMIT)
    recovered: tuple[Subject, ...] = Field(default=(), max_length=CHECKLIST_LIMIT)


COMMANDS: dict[Verb, type[Command]] = {
    Verb.OPEN: OpenTicket,
    Verb.START: StartTicket,
    Verb.MOVE_TO_OPEN: MoveTicketToOpen,
    Verb.RESOLVE: ResolveTicket,
    Verb.REOPEN: ReopenTicket,
    Verb.COMMENT: CommentOnTicket,
    Verb.EDIT_DESCRIPTION: EditDescription,
    Verb.SET_LINKS: SetLinks,
    Verb.UPDATE_CHECKLIST: UpdateChecklist,
}


_VERBS = {verb.ce_type: verb for verb in Verb}


def verb_of(ce_type: str) -> Verb:
    """The verb in `fettle.ticket.command.<verb>.v1`. Raises Unreadable (`verb_unknown`) for any other type."""
    verb = _VERBS.get(ce_type)
    if verb is None:
        raise Unreadable(
            DeadLetterCode.VERB_UNKNOWN,
            f"{ce_type!r} is not {COMMAND_PREFIX}<verb>.v1 with a verb of {', '.join(Verb)}",
        )
    return verb
