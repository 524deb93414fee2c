"""Who acts, and what it is about."""

from typing import Literal, NotRequired, TypedDict

SubjectType = Literal["device", "integration", "space", "other"]
WatchedType = Literal["device", "integration"]


class Actor(TypedDict):
    """Who acted: a person, a workflow (`id` its name, `run` the run's id), or the health monitor."""

    type: Literal["user", "workflow", "health_monitor"]
    id: NotRequired[str]
    name: NotRequired[str]
    run: NotRequired[str]


class Subject(TypedDict):
    """What a ticket is about, with the name that people know it by."""

    type: SubjectType
    id: str
    name: NotRequired[str]


class Link(TypedDict):
    """A pointer from a ticket to a page elsewhere."""

    label: str
    url: str
