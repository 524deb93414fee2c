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


@dataclass(frozen=True, slots=True)
class Asked:
    """The last command sent that nothing has answered yet."""

    verb: Asking
    command: UUID


@dataclass(frozen=True, slots=True)
class Incident:
    """The ticket of one subject and condition. Facts may come late, twice, and in any order. `opened_at` is the instant
    (broker milliseconds) of the verdict that asked for it when it was not open, nor asked for.

    `ticket` is the one that the ticket service takes the key for: the unresolved one, else that with the highest
    number. `others` are those of the key that are known beside it since a person has reopened an earlier one: its news
    and theirs are told apart by their versions."""

    ticket: KnownTicket | None = None
    asked: Asked | None = None
    opened_at: int | None = None
    others: tuple[KnownTicket, ...] = ()

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

    @property
    def tickets(self) -> tuple[KnownTicket, ...]:
        """All that are known, that of the highest number last."""
        known = self.others if self.ticket is None else (self.ticket, *self.others)
        return tuple(sorted(known, key=lambda one: one.number))

    def asking(self, verb: Asking, command: UUID, at: int) -> "Incident":
        """After sending `command`, which a verdict of this instant called for."""
        opens = verb == "open" and not self.will_be_open
        return replace(self, asked=Asked(verb, command), opened_at=at if opens else self.opened_at)

    def seen(self, ticket: KnownTicket | None, answering: UUID | None, *, brought_back: bool = False) -> "Incident":
        """After an event or result that shows `ticket` (a refusal shows none) and answers command `answering`.
        `brought_back`: it says that somebody has reopened the ticket."""
        answered = self.asked if self.asked is not None and self.asked.command == answering else None
        after = replace(self, asked=None if answered is not None else self.asked)
        if ticket is None:
            return after
        return after._knowing(ticket, brought_back or (answered is not None and answered.verb == "open"))

    def _knowing(self, ticket: KnownTicket, may_be_back: bool) -> "Incident":
        """Numbers grow in an org, versions in a ticket; topics bring both in any order. A ticket is opened when all
        earlier ones of its key are resolved: of these only one that `may_be_back` and is unresolved is news, and what
        is heard of it from then on."""
        known = {one.id: one for one in self.tickets}
        before = known.get(ticket.id)
        if before is None:
            if all(one.number < ticket.number for one in known.values()):
                return replace(self, ticket=ticket, others=())
            if not (may_be_back and ticket.unresolved):
                return self
        elif ticket.version <= before.version:
            return self
        known[ticket.id] = ticket
        first, *others = sorted(known.values(), key=lambda one: (one.unresolved, one.number), reverse=True)
        return replace(self, ticket=first, others=tuple(others))
