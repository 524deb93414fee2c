"""The words of the pages: states, kinds, actors, times."""

from datetime import datetime

from fettle_console.domain.credentials import TOKEN
from fettle_contracts.people import Actor, ActorType
from fettle_contracts.ticket import Resolution, TicketSource, TicketState
from fettle_contracts.ticket_events import Entry, EntryType
from fettle_contracts.transitions import HealthState

STATES = {TicketState.OPEN: "Open", TicketState.IN_PROGRESS: "In progress", TicketState.RESOLVED: "Resolved"}

SOURCES = {
    TicketSource.HEALTH_MONITOR: "Monitor",
    TicketSource.USER: "User",
    TicketSource.WORKFLOW: "Workflow",
    TicketSource.PLATFORM_OUTAGE: "Platform",
}

KINDS = {
    "device_offline": "Device offline",
    "integration_unreachable": "Integration unreachable",
    "integration_credentials_invalid": "Integration credentials invalid",
    "multiple_devices_offline": "Multiple devices offline",
    "heartbeats_lost": "Heartbeats not arriving",
    "user_report": "User report",
}

HEALTH = {
    HealthState.HEALTHY: "Healthy",
    HealthState.PENDING_OPEN: "Unhealthy, waiting",
    HealthState.FIRING: "Firing",
    HealthState.PENDING_RESOLVE: "Recovering",
    HealthState.FLAPPING: "Flapping",
    HealthState.UNKNOWN: "Unknown",
}

_DEEDS = {
    EntryType.OPENED: "opened this ticket",
    EntryType.STARTED: "started work",
    EntryType.MOVED_TO_OPEN: "moved it back to open",
    EntryType.COMMENT_ADDED: "commented",
    EntryType.RESOLVED: "resolved it",
    EntryType.REOPENED: "reopened it",
    EntryType.DESCRIPTION_EDITED: "edited the description",
    EntryType.LINKS_EDITED: "edited the links",
    EntryType.CHECKLIST_CHANGED: "updated the checklist",
}

RESOLUTIONS = {
    Resolution.BY_PERSON: "by a person",
    Resolution.BY_WORKFLOW: "by a workflow",
    Resolution.RECOVERED: "recovered",
    Resolution.MERGED: "merged into another ticket",
    Resolution.SUPERSEDED: "superseded by another condition",
    Resolution.REMOVED: "subject removed",
}


def kind(text: str) -> str:
    return KINDS.get(text, text)


def condition(text: str) -> str:
    """What is wrong with a subject; conditions are named as the kinds of ticket that they open."""
    return KINDS.get(text, text.replace("_", " "))


def actor(who: Actor) -> str:
    match who.type:
        case ActorType.HEALTH_MONITOR:
            return "Health monitor"
        case ActorType.WORKFLOW:
            return who.name or who.id or "A workflow"
        case _:
            return who.name or who.id or "Somebody"


def exactly(name: str, id: str) -> str:
    """Somebody's name, with the address behind it of a person; a token is known by its name."""
    return name if id == name or id.startswith(f"{TOKEN}/") else f"{name} ({id})"


def deed(entry: Entry) -> str:
    return _DEEDS[entry.type]


def brief(entry: EntryType) -> str:
    """A deed in one word or two, for a list."""
    return entry.value.replace("-", " ")


def is_machine(who: Actor) -> bool:
    return who.type is not ActorType.USER


def span(seconds: float) -> str:
    """A duration in one unit, cut, as the pages' script says it too: `12 s`, `6 min`, `2 h`, `3 d`."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if whole >= size * (2 if unit == "d" else 1):
            return f"{whole // size} {unit}"
    return f"{whole} s"


def length(seconds: float) -> str:
    """A length of time in the largest unit that says it exactly: `90 s`, `3 min`, `1 h`."""
    whole = max(0, round(seconds))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if whole and whole % size == 0:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def relative(moment: datetime, now: datetime) -> str:
    """How long ago, short; the exact time stands beside it for those who ask."""
    ago = (now - moment).total_seconds()
    return "now" if ago < 5 else span(ago)
