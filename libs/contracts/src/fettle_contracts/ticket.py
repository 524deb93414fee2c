"""A ticket as events and answers of the API show it."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from fettle_contracts.identity import SubjectId, SubjectType
from fettle_contracts.message import Message
from fettle_contracts.people import Actor, Link, Subject
from fettle_contracts.times import Instant
from fettle_contracts.transitions import Condition

TITLE_MAX_CHARACTERS = 200
KIND_MAX_CHARACTERS = 120
TEXT_MAX_BYTES = 64 * 1024
LINKS_LIMIT = 10
CHECKLIST_ITEMS_IN_EVENTS = 100
MONITOR_KEY_PREFIXES = ("device/", "integration/", "other/heartbeats:")
MANY_DEVICES_OFFLINE = "multiple_devices_offline"
HEARTBEATS_LOST = "heartbeats_lost"
MONITOR_KINDS: tuple[str, ...] = (*Condition, MANY_DEVICES_OFFLINE, HEARTBEATS_LOST)
"""What the health monitor finds; nobody else has found it, so people cannot say it for it."""


class TicketState(StrEnum):
    """Where a ticket is on its way."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"


class TicketSource(StrEnum):
    """Where tickets come from. `platform_outage` is reserved: nothing may open with it."""

    HEALTH_MONITOR = "health_monitor"
    USER = "user"
    WORKFLOW = "workflow"
    PLATFORM_OUTAGE = "platform_outage"


class Resolution(StrEnum):
    """How a ticket came to be resolved."""

    BY_PERSON = "by_person"
    BY_WORKFLOW = "by_workflow"
    RECOVERED = "recovered"
    MERGED = "merged"
    SUPERSEDED = "superseded"
    REMOVED = "removed"


class TicketLink(Message):
    """Another ticket of the same org."""

    id: UUID
    number: int


class ChecklistItem(Message):
    """One member of a rollup."""

    type: SubjectType
    id: SubjectId
    name: str | None = None
    recovered: bool = False
    recovered_at: Instant | None = None


class Checklist(Message):
    """The members of a rollup; `items` in events are the first hundred of `total`."""

    total: int = 0
    recovered: int = 0
    items: tuple[ChecklistItem, ...] = ()


class Ticket(Message):
    """One incident about one subject. `version` grows by one with every event."""

    id: UUID
    number: int = Field(ge=1)
    title: str
    description: str = ""
    description_version: int = 1
    state: TicketState
    source: TicketSource
    kind: str
    subject: Subject
    integration: str | None = None
    space: str | None = None
    opened_at: Instant
    opened_by: Actor
    started_at: Instant | None = None
    started_by: Actor | None = None
    resolved_at: Instant | None = None
    resolved_by: Actor | None = None
    resolution: Resolution | None = None
    updated_at: Instant
    flap_count: int = 0
    parent: TicketLink | None = None
    previous: TicketLink | None = None
    links: tuple[Link, ...] = ()
    checklist: Checklist = Checklist()
    dedup_key: str | None = None
    version: int = Field(ge=1)
    url: str | None = None
