"""What events and outputs may look like, for a try of a workflow that is given none."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fettle_contracts.people import Actor, ActorType
from fettle_contracts.ticket import TicketState
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.times import rfc3339
from fettle_workflow_engine.domain.catalogue import (
    ACTIONS,
    ENTRY_OF,
    MANUAL,
    SCHEDULE,
    SIGNAL,
    TRANSITION,
    TRIGGERS,
)
from fettle_workflow_engine.domain.definition import Pattern, Trigger
from fettle_workflow_engine.domain.shapes import completed
from fettle_workflow_engine.domain.waits import ELAPSED

TICKET_ID, ENTRY_ID = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
NEW_TICKET_ID = "00000000-0000-4000-8000-000000000003"
NUMBER = 42

_STATES = {
    EntryType.STARTED: TicketState.IN_PROGRESS,
    EntryType.COMMENT_ADDED: TicketState.IN_PROGRESS,
    EntryType.RESOLVED: TicketState.RESOLVED,
}
_REACHED = {"ticket.start": TicketState.IN_PROGRESS, "ticket.resolve": TicketState.RESOLVED}
_SUBJECT = {"type": "device", "id": "example-1", "name": "Example device"}
_PLACE = {"integration": "example-hub", "space": "oslo/hq/3/301"}
_PERSON = Actor(type=ActorType.USER, id="person@example.com", name="Example Person").to_dict()
_MONITOR = Actor(type=ActorType.HEALTH_MONITOR).to_dict()


def example_event(trigger: Trigger, org: str, now: datetime) -> Mapping[str, Any]:
    """An event of the kind that the trigger is for, that it takes by all but `where`."""
    return event_like(trigger.on, _example(trigger, org, rfc3339(now)))


def event_like(on: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event of a kind with null for what its kind knows and it leaves out, as runs have them."""
    whole: Mapping[str, Any] = completed(TRIGGERS[on].event, dict(event))
    return whole


def example_output(does: str, given: Mapping[str, Any], event: Mapping[str, Any], tickets: str) -> Mapping[str, Any]:
    """What an action with these resolved fields may come to when it goes well. Of an answer by HTTP nothing is known
    but that it is expected. `tickets` is what addresses of the org's tickets begin with."""
    match does:
        case "http.request":
            output: Mapping[str, Any] = {"status": 200, "headers": {}, "body": {}, "cut": False}
        case "notify":
            output = {"outcome": "sent", "channel": given.get("channel"), "refused": []}
        case "wait":
            output = {"ended_by": ELAPSED}
        case _:
            output = {"outcome": "applied", "ticket": _ticket_after(does, given.get("ticket"), event, tickets)}
    return output_like(does, output)


def output_like(does: str, output: Mapping[str, Any]) -> Mapping[str, Any]:
    """An output with null for what such an action's has and it leaves out."""
    whole: Mapping[str, Any] = completed(ACTIONS[does].output, dict(output))
    return whole


def _example(trigger: Trigger, org: str, at: str) -> Mapping[str, Any]:
    match trigger.on:
        case on if on == MANUAL:
            return {"at": at, "actor": _PERSON, "data": {}}
        case on if on == SCHEDULE:
            return {"trigger": trigger.name, "scheduled_at": at, "missed": 0, "missed_at": []}
        case on if on == SIGNAL:
            named = {name: _fitting(trigger.only.get(name), f"example.{name}") for name in ("type", "source")}
            return {"id": "example", "subject": None, "time": at, "data": {}, **named}
        case on if on == TRANSITION:
            subject = {**_SUBJECT, "integration": _PLACE["integration"]}
            was = {"from": "pending_open", "to": "firing", "condition": "device_offline"}
            counts = {"policy_version": 1, "flap_count": 0, "evidence": {}}
            return {"org": org, "subject": subject, **was, "at": at, "since": at, **counts}
    return _ticket_event(ENTRY_OF[trigger.on], org, at)


def _fitting(pattern: Pattern | None, otherwise: str) -> str:
    if pattern is None:
        return otherwise
    return f"{pattern.text[:-1]}example" if pattern.text.endswith("*") else pattern.text


def _ticket_event(entry: EntryType, org: str, at: str) -> Mapping[str, Any]:
    by_person = entry in (EntryType.STARTED, EntryType.COMMENT_ADDED)
    actor = _PERSON if by_person else _MONITOR
    version = 1 if entry is EntryType.OPENED else 2
    line = {"id": ENTRY_ID, "type": entry.value, "version": version, "at": at, "actor": actor, "evidence": {}}
    ticket: dict[str, Any] = {
        "id": TICKET_ID,
        "number": NUMBER,
        "title": f"Device offline: {_SUBJECT['name']}",
        "description": "",
        "description_version": 1,
        "state": _STATES.get(entry, TicketState.OPEN).value,
        "source": "health_monitor",
        "kind": "device_offline",
        "subject": _SUBJECT,
        **_PLACE,
        "opened_at": at,
        "opened_by": _MONITOR,
        "updated_at": at,
        "flap_count": 0,
        "links": [],
        "checklist": {"total": 0, "recovered": 0, "items": []},
        "dedup_key": f"device/{_SUBJECT['id']}:device_offline",
        "version": version,
    }
    if entry is EntryType.COMMENT_ADDED:
        line["body"] = "An example of a comment."
    if by_person:
        ticket |= {"started_at": at, "started_by": _PERSON}
    if entry is EntryType.RESOLVED:
        ticket |= {"resolved_at": at, "resolved_by": _MONITOR, "resolution": "recovered"}
    return {"org": org, "entry": line, "ticket": ticket}


def _ticket_after(does: str, named: Any, event: Mapping[str, Any], tickets: str) -> Mapping[str, Any]:
    """The ticket as it would be: the event's, if it is the one that is named."""
    known = event.get("ticket")
    ticket: Mapping[str, Any] = known if isinstance(known, dict) else {}
    names = (ticket.get("id"), ticket.get("number"), str(ticket.get("number")), f"#{ticket.get('number')}")
    id = named.get("id") if isinstance(named, dict) else named
    if does == "ticket.open" or not ticket or id not in names:
        number = id if isinstance(id, int) and not isinstance(id, bool) else NUMBER + 1
        ticket = {"id": NEW_TICKET_ID, "number": number, "state": TicketState.OPEN.value, "version": 0}
    state = _REACHED.get(does)
    version = ticket.get("version")
    return {
        "id": ticket.get("id"),
        "number": ticket.get("number"),
        "state": state.value if state else ticket.get("state"),
        "version": version + 1 if isinstance(version, int) else 1,
        "url": f"{tickets}/{ticket.get('number')}",
    }
