"""`ticket.command-results`: what became of a command."""

from enum import StrEnum
from uuid import UUID

from fettle_contracts.codes import RejectionCode
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
    """The answer to the command `command_id`, which `command_source` said; `ticket` is null when no ticket was found or
    made."""

    org: str
    command_id: str
    command_source: str | None = None
    verb: str
    outcome: Outcome
    reason: Reason | None = None
    ticket: ResultTicket | None = None

    def answers(self, source: str) -> bool:
        """Whether this can be of a command that `source`, one of Fettle's own services, has signed, itself or for one
        of its parts (`source/…`). Anybody may send a command under an id that another has used; what claims the source
        without its signature is refused for that. A result that names no source is of before there was one."""
        if self.reason is not None and self.reason.code == RejectionCode.SOURCE_RESERVED:
            return False
        return self.command_source is None or f"{self.command_source}/".startswith(f"{source}/")
