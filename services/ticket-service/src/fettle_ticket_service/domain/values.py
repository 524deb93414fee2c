"""The small values that tickets are made of."""

from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from fettle_contracts.identity import SubjectType
from fettle_contracts.people import ActorType
from fettle_contracts.ticket import TicketSource


class Actor(Struct, frozen=True):
    """Who acts: a person, a workflow (`id` its name, `run` the run's id), or the health monitor."""

    type: ActorType
    id: str | None = None
    name: str | None = None
    run: str | None = None

    @property
    def is_person(self) -> bool:
        return self.type is ActorType.USER

    @property
    def is_monitor(self) -> bool:
        return self.type is ActorType.HEALTH_MONITOR

    @property
    def source(self) -> TicketSource:
        """The source of the tickets that this actor opens."""
        return _SOURCES[self.type]


_SOURCES = {
    ActorType.USER: TicketSource.USER,
    ActorType.WORKFLOW: TicketSource.WORKFLOW,
    ActorType.HEALTH_MONITOR: TicketSource.HEALTH_MONITOR,
}


class Subject(Struct, frozen=True):
    """What a ticket is about, with the name that people know it by."""

    type: SubjectType
    id: str
    name: str | None = None


class Link(Struct, frozen=True):
    """A pointer to a page elsewhere, say a work order."""

    label: str
    url: str


class TicketLink(Struct, frozen=True):
    """Another ticket of the same org."""

    id: UUID
    number: int


class TicketRef(Struct, frozen=True):
    """Names a ticket inside its org by exactly one of its id, its number, or its key: that means the key's unresolved
    ticket if there is one, else its latest."""

    id: UUID | None = None
    number: int | None = None
    key: str | None = None


class Policy(Struct, frozen=True):
    """What an org has decided about its tickets, as far as decisions on single tickets need it."""

    reopen_window: timedelta = timedelta(hours=1)
    report_issue_enabled: bool = True
