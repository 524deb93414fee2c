"""What answers look like, for the OpenAPI document. Answers are written straight from domain values and are not held
against these models on their way out; tests do that."""

from typing import Any
from uuid import UUID

from fettle_contracts.message import Message
from fettle_contracts.results import Outcome
from fettle_contracts.ticket import ChecklistItem, Ticket, TicketState
from fettle_contracts.ticket_events import Entry
from fettle_ticket_service.domain.verifying import Wrong


class Child(Message):
    """A ticket whose parent the shown one is."""

    number: int
    title: str
    state: TicketState


class ShownTicket(Ticket):
    """A ticket with the first hundred of its children."""

    children: tuple[Child, ...]
    more_children: bool


def _without_description(schema: dict[str, Any]) -> None:
    del schema["properties"]["description"]


class ListedTicket(Ticket, json_schema_extra=_without_description):
    """A ticket of a list, with its latest entry, whose text is cut. The description is on the ticket itself."""

    latest_entry: Entry


class TicketPage(Message):
    """A page of tickets, in the order that was asked for."""

    items: tuple[ListedTicket, ...]
    next_cursor: str | None


class TimelinePage(Message):
    """A page of entries, oldest first."""

    items: tuple[Entry, ...]
    next_cursor: str | None


class ChecklistPage(Message):
    """`total` and `recovered` count all members."""

    total: int
    recovered: int
    items: tuple[ChecklistItem, ...]
    next_cursor: str | None


class Counts(Message):
    """How many tickets are in each state; those that were not asked for are left out."""

    open: int = 0
    in_progress: int = 0
    resolved: int = 0


class BulkItem(Message):
    """What became of one ticket: as it is now, and why if it was refused."""

    number: int
    outcome: Outcome
    status: int
    state: TicketState | None = None
    version: int | None = None
    code: str | None = None
    detail: str | None = None


class BulkAnswer(Message):
    """What became of each ticket, in the order of asking."""

    items: tuple[BulkItem, ...]


class ShownFinding(Message):
    """Something on record that is not what was written."""

    wrong: Wrong
    message: str
    number: int | None = None
    ticket: UUID | None = None
    version: int | None = None
    place: int | None = None


class Comparison(Message):
    """How many entries were compared, and what is not as it was seen."""

    compared: int
    findings: tuple[ShownFinding, ...]


JSON_LINES: dict[str, Any] = {"type": "string", "description": "JSON Lines: one object a line."}
CSV_TABLE: dict[str, Any] = {"type": "string", "description": "A table with a header (RFC 4180)."}
