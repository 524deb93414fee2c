"""Exports, and whether timelines are as they were written."""

from typing import Literal, NotRequired, TypedDict

from fettle_client.shapes.tickets import Entry, Ticket, TicketState

BulkAction = Literal["start", "move-to-open", "resolve", "reopen", "comment"]


class Outcome(TypedDict):
    """What became of one of many tickets: `code` and `detail` say why it was refused, `status` what it would be alone.
    Without a `state` there is no such ticket."""

    number: int
    outcome: Literal["applied", "unchanged", "rejected"]
    status: int
    state: NotRequired[TicketState]
    version: NotRequired[int]
    code: NotRequired[str]
    detail: NotRequired[str]


class ChainedEntry(Entry):
    """An entry with its place in the chain of its org; all three are null for one from before there were chains."""

    place: int | None
    head: str | None


class ExportedTicket(Ticket):
    """A ticket with all members of its checklist, and the hash of its latest entry."""

    hash: str | None
    timeline: NotRequired[list[ChainedEntry]]


class SeenEntry(TypedDict):
    """An entry as it was seen: in an event (`entry` and `chain`), or as a ticket's latest in an export."""

    ticket: str
    version: int
    hash: str
    number: NotRequired[int]
    place: NotRequired[int]
    head: NotRequired[str]


Wrong = Literal[
    "entry_altered",
    "entry_missing",
    "entry_unchained",
    "chain_altered",
    "chain_broken",
    "ticket_altered",
    "ticket_missing",
    "checklist_altered",
    "removal_altered",
    "org_altered",
    "key_unknown",
]


class Finding(TypedDict):
    """Something that does not fit, with what it is about as far as that is known."""

    wrong: Wrong
    message: str
    number: int | None
    ticket: str | None
    version: int | None
    place: int | None


class Sound(TypedDict):
    """What was looked at, and how much of each kind was found: nothing, if all is `sound`."""

    sound: bool
    entries: int
    entries_before_chains: int
    tickets: int
    removed_tickets: int
    findings: dict[str, int]


class VerifyingTickets(TypedDict, total=False):
    """One line of a verification: how much of it is `done` (0 to 1), one `finding`, or at its end what was
    `verified`."""

    done: float
    finding: Finding
    verified: Sound


class Compared(TypedDict):
    """How many entries were compared, and what is missing or different."""

    compared: int
    findings: list[Finding]
