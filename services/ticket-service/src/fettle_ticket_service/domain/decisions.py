"""What becomes of a command, and why. The reason is stored, logged and counted."""

from enum import StrEnum

from msgspec import Struct

from fettle_contracts.codes import RejectionCode
from fettle_ticket_service.domain.checklist import MemberChange
from fettle_ticket_service.domain.events import Event


class Because(StrEnum):
    """The rule behind a decision that was not a refusal."""

    ASKED = "asked"
    """The command does what it says."""
    COMMENT_ONLY = "comment_only"
    """The ticket is where the command wants it; its comment was added."""

    NO_KEY = "no_key"
    """Opened: without a key every open is a ticket of its own."""
    FIRST_OF_KEY = "first_of_key"
    """Opened: no ticket has had this key."""
    WINDOW_OVER = "window_over"
    """Opened anew: the key's latest ticket was resolved a reopen window ago or earlier."""
    PREVIOUS_ENDED_OTHERWISE = "previous_ended_otherwise"
    """Opened anew: the key's latest ticket was merged, superseded or removed."""
    INSIDE_WINDOW = "inside_window"
    """Reopened: the key's latest ticket was resolved less than the reopen window ago."""

    KEY_HELD = "key_held"
    """Unchanged: an unresolved ticket holds the key."""
    ALREADY_SO = "already_so"
    """Unchanged: the ticket is where the command wants it."""
    SAME_TEXT = "same_text"
    """Unchanged: the description is that text already."""
    SAME_LINKS = "same_links"
    """Unchanged: those are its links already."""

    MEMBERS_ONLY = "members_only"
    """The checklist's members changed as asked; others named as recovered are not on it and were passed over."""
    NOT_MEMBERS = "not_members"
    """Unchanged: those named as recovered are not on the checklist."""


class Applied(Struct, frozen=True):
    """Events happened, in this order, or members of the checklist changed, which the timeline says in its own time."""

    events: tuple[Event, ...]
    because: Because = Because.ASKED
    members: tuple[MemberChange, ...] = ()


class Unchanged(Struct, frozen=True):
    """A quiet success: there was nothing to do."""

    because: Because


class Rejected(Struct, frozen=True):
    """The command cannot apply; `message` names the rule for people."""

    code: RejectionCode
    message: str


Decision = Applied | Unchanged | Rejected
