"""Actors, subjects and links, as several messages carry them."""

from enum import StrEnum

from pydantic import Field

from fettle_contracts.identity import SubjectId, SubjectRef, SubjectType
from fettle_contracts.message import Message, is_none


class ActorType(StrEnum):
    """Who can act on a ticket; it decides the ticket's source."""

    USER = "user"
    WORKFLOW = "workflow"
    HEALTH_MONITOR = "health_monitor"


class Actor(Message):
    """Who acted: a person, a workflow (`id` its name, `run` the run's id), or the health monitor."""

    type: ActorType
    id: str | None = Field(default=None, exclude_if=is_none)
    name: str | None = Field(default=None, exclude_if=is_none)
    run: str | None = Field(default=None, exclude_if=is_none)


class Subject(Message):
    """What a ticket or transition is about, with the name that people know it by."""

    type: SubjectType
    id: SubjectId
    name: str | None = Field(default=None, exclude_if=is_none)

    @property
    def ref(self) -> SubjectRef:
        return SubjectRef(self.type, self.id)


class Link(Message):
    """A pointer from a ticket to a page elsewhere."""

    label: str
    url: str
