"""What the correlator knows of the ticket about one subject and condition, and what it has asked for and not yet heard
of."""

from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from fettle_contracts.ticket import TicketState

Asking = Literal["open", "resolve"]


@dataclass(frozen=True, slots=True)
class KnownTicket:
    """A ticket as its latest event or result showed it."""

    id: UUID
    number: int
    state: TicketState
    version: int

    @property
    def unresolved(self) -> bool:
        return self.state is not TicketState.RESOLVED

    def newer_than(self, other: "KnownTicket") -> bool:
        """Numbers grow in an org, versions in a ticket; topics bring both in any order."""
        return (self.number, self.version) > (other.number, other.version)


@dataclass(frozen=True, slots=True)
class Asked:
    """The last command sent that nothing has answered yet."""

    verb: Asking
    command: UUID


@dataclass(frozen=True, slots=True)
class Incident:
    """The ticket of one subject and condition. Facts may come late, twice, and in any order. `opened_at` is the instant
    (broker milliseconds) of the verdict that asked for it when it was not open, nor asked for."""

    ticket: KnownTicket | None = None
    asked: Asked | None = None
    opened_at: int | None = None

    @property
    def surely_open(self) -> bool:
        """An unresolved ticket is known and nothing sent will resolve it: another open would change nothing."""
        return self.ticket is not None and self.ticket.unresolved and (self.asked is None or self.asked.verb == "open")

    @property
    def maybe_open(self) -> bool:
        """A ticket is unresolved or may be by the time a resolve arrives: commands of an org keep their order."""
        return (self.ticket is not None and self.ticket.unresolved) or (
            self.asked is not None and self.asked.verb == "open"
        )

    @property
    def will_be_open(self) -> bool:
        """Whether the ticket is unresolved once everything sent has arrived."""
        if self.asked is not None:
            return self.asked.verb == "open"
        return self.ticket is not None and self.ticket.unresolved

    @property
    def awaited(self) -> UUID | None:
        """The open that is not answered yet: whether there is a ticket is known by its answer."""
        return self.asked.command if self.asked is not None and self.asked.verb == "open" else None

    def asking(self, verb: Asking, command: UUID, at: int) -> "Incident":
        """After sending `command`, which a verdict of this instant called for."""
        opens = verb == "open" and not self.will_be_open
        return replace(self, asked=Asked(verb, command), opened_at=at if opens else self.opened_at)

    def seen(self, ticket: KnownTicket | None, answering: UUID | None) -> "Incident":
        """After an event or result that shows `ticket` (a refusal shows none) and answers command `answering`."""
        news = ticket is not None and (self.ticket is None or ticket.newer_than(self.ticket))
        answered = self.asked is not None and self.asked.command == answering
        return replace(self, ticket=ticket if news else self.ticket, asked=None if answered else self.asked)
