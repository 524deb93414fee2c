"""A command as it reaches the handler, by whichever door, and what the handler answers."""

from uuid import UUID

from msgspec import Struct

from fettle_contracts.commands import Verb
from fettle_contracts.results import Outcome
from fettle_contracts.ticket import TicketState
from fettle_ticket_service.domain.commands import Command
from fettle_ticket_service.domain.decisions import Rejected
from fettle_ticket_service.domain.values import TicketRef


class Asked(Struct, frozen=True, kw_only=True):
    """One command. `(org, source, id)` is its identity: it has one effect.

    fingerprint: tells whether a command with the same identity asks for the same.
    refused: set where the record itself shows that it must be refused, whatever the tickets are; such a command is
        answered and not remembered, so that nobody can use up the identity of another's command.
    from_outside: not Fettle's own word. Only then does other content under an identity that was used mean that two
        commands share it; ours derive ids from causes, so the same id is the same cause.
    depth, traceparent: handed on to what the command causes.
    keep_answer: the caller waits for the ticket itself, and a repeat gets the same.
    """

    org: str
    source: str
    id: str
    command: Command
    ticket: TicketRef | None = None
    fingerprint: bytes
    refused: Rejected | None = None
    from_outside: bool = False
    depth: int = 0
    traceparent: str | None = None
    keep_answer: bool = False

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.org, self.source, self.id


class MetTicket(Struct, frozen=True):
    """The ticket that a command met or made, as it was afterwards."""

    id: UUID
    number: int
    state: TicketState
    version: int


class Answer(Struct, frozen=True):
    """What became of a command. `reason` is a rejection's code, else the rule that decided.

    fingerprint: of the command that was answered first; body: the ticket as JSON where the caller waits for it.
    """

    verb: Verb
    outcome: Outcome
    reason: str
    message: str | None
    ticket: MetTicket | None
    fingerprint: bytes
    body: bytes | None = None
    repeated: bool = False
