"""Workflows tried out, in words: what a run would do, and what the last days would have come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_console.views.graph import Reached
from fettle_console.views.json_texts import laid_out
from fettle_console.views.outcomes import Stand, node_stand, run_stand
from fettle_console.views.workflows import change, trigger
from fettle_contracts.times import parse_time


@dataclass(frozen=True, slots=True)
class TriedTrigger:
    """A trigger, and why it would not have fired; that is empty when it would."""

    node: str
    starts: str
    why_not: str


@dataclass(frozen=True, slots=True)
class TriedNode:
    """A node. `would` says what it would have had done, if anything; an output that is `assumed` is made up."""

    node: str
    stand: Stand
    would: str
    error: str
    input: str
    output: str
    assumed: bool


@dataclass(frozen=True, slots=True)
class OnTicket:
    """The ticket that something was tried on, and when that happened to it."""

    number: int
    at: datetime

    @classmethod
    def of(cls, tried: Mapping[str, Any]) -> "OnTicket":
        return cls(tried["event"]["ticket"]["number"], parse_time(tried["event"]["entry"]["at"]))


@dataclass(frozen=True, slots=True)
class Tried:
    """A try; without a `stand` nothing would have started."""

    stand: Stand | None
    error: str
    triggers: Sequence[TriedTrigger]
    nodes: Sequence[TriedNode]
    reached: Mapping[str, Reached]

    @classmethod
    def of(cls, tried: Mapping[str, Any]) -> "Tried":
        return cls(
            stand=None if tried["state"] == "not_started" else run_stand(tried["state"]),
            error=_message(tried),
            triggers=[
                TriedTrigger(one["node"], trigger(one["trigger"]), str((one["why_not"] or {}).get("message", "")))
                for one in tried["triggers"]
            ],
            nodes=[_node(node) for node in tried["nodes"]],
            reached={
                one["node"]: Reached.of(one, _in_short(one))
                for one in (*map(_trigger_step, tried["triggers"]), *tried["nodes"])
            },
        )


def _trigger_step(tried: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"node": tried["node"], "state": "done" if tried["fires"] else "skipped", "effect": None}


def _in_short(node: Mapping[str, Any]) -> str:
    return f"would {would(node['effect'])}" if node["effect"] else ""


def _node(node: Mapping[str, Any]) -> TriedNode:
    return TriedNode(
        node=node["node"],
        stand=node_stand(node["state"]),
        would=would(node["effect"]) if node["effect"] else "",
        error=_message(node),
        input=laid_out(node["input"]),
        output=laid_out(node["output"]),
        assumed=node["assumed"],
    )


def _message(failed: Mapping[str, Any]) -> str:
    return str((failed.get("error") or {}).get("message", ""))


_VERBS = {"start": "start work on", "comment": "comment on", "resolve": "resolve"}


def would(effect: Mapping[str, Any]) -> str:
    """What a node would have had done: `tell the channel ops: It is down.`"""
    match effect:
        case {"kind": "command", "verb": "open", "command": command}:
            return f"open a ticket: {command.get('title', '')}"
        case {"kind": "command", "verb": verb, "command": command}:
            text = command.get("comment") or ""
            return f"{_VERBS.get(verb, verb)} {_ticket(command.get('ticket') or {})}{f': {text}' if text else ''}"
        case {"message": message}:
            return f"tell the channel {message['channel']}: {message['text']}"
        case {"request": request}:
            return f"call {request['method']} {request['url']}"
        case {"kind": "wait", "until_ticket": {"change": kind}}:
            return f"wait until its ticket {change(kind)}, or until time is up"
        case {"kind": "wait"}:
            return "wait"
    return "ask for what cannot be sent"


def _ticket(ref: Mapping[str, Any]) -> str:
    if ref.get("number"):
        return f"#{ref['number']}"
    return f"the ticket with the key {ref['dedup_key']}" if ref.get("dedup_key") else "the ticket"


@dataclass(frozen=True, slots=True)
class PastDay:
    """A day (in UTC) with the runs that would have started, and those that would have been refused."""

    day: str
    started: int
    refused: int


@dataclass(frozen=True, slots=True)
class PastTrigger:
    """How many events of the past a trigger would have met and been fired by; `problem` is why some are undecided."""

    node: str
    starts: str
    events: int
    fired: int
    problem: str


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event that would have started a run; of the newest it is said what that would have done."""

    at: datetime
    starts: str
    refused: str
    tried: Tried | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What the last days would have come to."""

    sentence: str
    since: datetime
    whole: bool
    days: Sequence[PastDay]
    triggers: Sequence[PastTrigger]
    newest: Sequence[PastEvent]
    left_out: Sequence[str]

    @classmethod
    def of(cls, found: Mapping[str, Any], days: int) -> "Preview":
        return cls(
            sentence=_sentence(found, days),
            since=parse_time(found["from"]),
            whole=found["from"] == found["asked_from"],
            days=[PastDay(day["day"], day["started"], day["too_deep"] + day["over_budget"]) for day in found["days"]],
            triggers=[
                PastTrigger(one["node"], trigger(one["trigger"]), one["events"], one["fired"], one["problem"] or "")
                for one in found["triggers"]
            ],
            newest=[
                PastEvent(
                    parse_time(one["at"]),
                    trigger(one["trigger"]),
                    str((one["refused"] or {}).get("message", "")),
                    Tried.of(one["test_run"]) if one["test_run"] else None,
                )
                for one in found["newest"]
            ],
            left_out=[one["message"] for one in found["left_out"]],
        )


def _sentence(found: Mapping[str, Any], days: int) -> str:
    """`In the last 7 days it would have started 3 times, on 118 events.`"""
    times = {0: "not have started", 1: "have started once"}.get(
        found["started"], f"have started {found['started']} times"
    )
    met = "one event" if found["events"] == 1 else f"{found['events']} events"
    refused = found["too_deep"] + found["over_budget"]
    also = f"; {refused} more would have been refused" if refused else ""
    return f"In the last {'day' if days == 1 else f'{days} days'} it would {times}, on {met}{also}."
