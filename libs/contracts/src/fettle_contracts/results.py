"""`ticket.command-results`: what became of a command."""

from enum import StrEnum
from uuid import UUID

from fettle_contracts.message import Message
from fettle_contracts.ticket import TicketState

COMMAND_RESULT = "fettle.ticket.command-result.v1"


class Outcome(StrEnum):
    """What became of a command."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


class Reason(Message):
    """Why a command was refused. `code` is a `RejectionCode`; readers must expect new ones."""

    code: str
    message: str


class ResultTicket(Message):
    """The ticket that the command met, as it was afterwards."""

    id: UUID
    number: int
    state: TicketState
    version: int


class CommandResult(Message):
    """The answer to the command `command_id`; `ticket` is null when no ticket was found or made."""

    org: str
    command_id: str
    verb: str
    outcome: Outcome
    reason: Reason | None = None
    ticket: ResultTicket | None = None
