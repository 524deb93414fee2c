"""An org's book at a desk: commands in, what became of them out, with a clock that tests turn."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from fettle_contracts.identity import SubjectType
from fettle_contracts.people import ActorType
from fettle_contracts.ticket import Resolution
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.book import Book, Done, Entry
from fettle_ticket_service.domain.chain import Chain, ChainKeys
from fettle_ticket_service.domain.decisions import Rejected
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import Actor, Link, Policy, Subject, TicketRef

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANN = Actor(ActorType.USER, "ann@acme.test", "Ann")
BOB = Actor(ActorType.USER, "bob@acme.test", "Bob")
MONITOR = Actor(ActorType.HEALTH_MONITOR)
WORKFLOW = Actor(ActorType.WORKFLOW, "alert", "Alert", "run-1")
LIFT = Subject(SubjectType.OTHER, "lift-3", "Lift 3")
THERMOSTAT = Subject(SubjectType.DEVICE, "t17", "Thermostat 17")
OFFLINE = "device/t17:device_offline"
BRIDGE = Subject(SubjectType.INTEGRATION, "hue-1", "Hue bridge")
STORM = "integration/hue-1:multiple_devices_offline"
ORDER = Link("WO-7", "https://orders.test/7")

_IDS = UUID("00000000-0000-4000-8000-000000000000")


KEYS = ChainKeys({"k1": b"a secret of the tests, long enough"})


def book(org: str) -> Book:
    return Book(org, Chain(KEYS))


@dataclass
class Desk:
    """Everything is asked at `now`, which stands still unless a test moves it on."""

    now: datetime = NOON
    book: Book = field(default_factory=lambda: book("acme"))
    drawn: int = 0

    def ask(self, command: commands.Command, ticket: Ticket | None = None) -> Done:
        self.drawn += 1
        ref = None if ticket is None else TicketRef(id=ticket.id)
        return self.book.carry_out(command, ref, id=uuid5(_IDS, str(self.drawn)), now=self.now)

    def open(self, **changes: Any) -> Done:
        return self.ask(opening(**changes))

    def opened(self, **changes: Any) -> Ticket:
        """A new ticket; anything else is a mistake of the test."""
        return self.must(self.open(**changes))

    def monitored(self, **changes: Any) -> Ticket:
        """A ticket of the health monitor."""
        return self.opened(**{"actor": MONITOR, "subject": THERMOSTAT, "dedup_key": OFFLINE, **changes})

    def rollup(self, **changes: Any) -> Ticket:
        """A ticket of the health monitor for many devices."""
        return self.monitored(**{"subject": BRIDGE, "dedup_key": STORM, **changes})

    def update(
        self, ticket: Ticket, add: tuple[Subject, ...] = (), recovered: tuple[Subject, ...] = (), **more: Any
    ) -> Done:
        command = commands.UpdateChecklist(**{"actor": MONITOR, "add": add, "recovered": recovered, **more})
        return self.ask(command, ticket)

    def note(self, ticket: Ticket) -> Entry | None:
        return self.book.note(TicketRef(id=ticket.id), now=self.now)

    def start(self, ticket: Ticket, actor: Actor = ANN, **more: Any) -> Done:
        return self.ask(commands.Start(actor=actor, **more), ticket)

    def move_to_open(self, ticket: Ticket, actor: Actor = ANN, **more: Any) -> Done:
        return self.ask(commands.MoveToOpen(actor=actor, **more), ticket)

    def resolve(self, ticket: Ticket, actor: Actor = ANN, **more: Any) -> Done:
        return self.ask(commands.Resolve(actor=actor, **more), ticket)

    def reopen(self, ticket: Ticket, actor: Actor = ANN, **more: Any) -> Done:
        return self.ask(commands.Reopen(actor=actor, **more), ticket)

    def resolved(self, ticket: Ticket, actor: Actor = ANN, resolution: Resolution | None = None) -> Ticket:
        return self.must(self.resolve(ticket, actor, resolution=resolution))

    def later(self, **time: float) -> datetime:
        self.now += timedelta(**time)
        return self.now

    def under(self, **policy: Any) -> None:
        self.book.policy = Policy(**policy)

    @staticmethod
    def must(done: Done) -> Ticket:
        assert done.entries, done.decision
        assert done.ticket is not None
        return done.ticket


def device(number: int, name: str | None = None) -> Subject:
    return Subject(SubjectType.DEVICE, f"t{number}", name or f"Thermostat {number}")


def devices(*numbers: int) -> tuple[Subject, ...]:
    return tuple(map(device, numbers))


def opening(**changes: Any) -> commands.Open:
    return commands.Open(**{"actor": ANN, "title": "Lift 3 makes a noise", "subject": LIFT, **changes})


def happened(done: Done) -> list[str]:
    """The entries that a command made, by name."""
    return [entry.event.type.value for entry in done.entries]


def refusal(done: Done) -> str:
    """The code of a rejection that left no trace."""
    assert isinstance(done.decision, Rejected), done.decision
    assert done.decision.message
    assert done.entries == ()
    return done.decision.code
