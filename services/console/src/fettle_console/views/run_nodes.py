"""One run, node by node, as its page shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_console.views.graph import Reached
from fettle_console.views.json_texts import laid_out
from fettle_console.views.outcomes import Stand, node_stand
from fettle_console.views.runs import ListedRun, took
from fettle_console.views.words import span
from fettle_console.views.workflows import change
from fettle_contracts.times import parse_time


@dataclass(frozen=True, slots=True)
class Node:
    """One node that the run has reached. `waits` says what it waits for, until `until` at the latest;
    `watches`: it may end before, by a change of a ticket."""

    name: str
    stand: Stand
    waits: str
    watches: bool
    until: datetime | None
    error: str
    input: str
    output: str
    attempts: int
    started_at: datetime
    took: str


@dataclass(frozen=True, slots=True)
class RunInDepth:
    """A run with its nodes, and what may be done to it as it stands. `ticket` is the number of the one that it began
    with, `rerun_of` the run whose event it had."""

    run: ListedRun
    sentence: str
    nodes: Sequence[Node]
    reached: Mapping[str, Reached]
    going: bool
    retriable: bool
    rerun_of: str
    ticket: int | None
    event: str

    @classmethod
    def of(cls, run: Mapping[str, Any], now: datetime) -> "RunInDepth":
        nodes = [_node(node) for node in run["nodes"]]
        failed = run["state"] == "failed" and any(node["state"] == "failed" for node in run["nodes"])
        ticket = run["event"].get("ticket")
        return cls(
            run=ListedRun.of(run),
            sentence=_sentence(run, nodes, now),
            nodes=nodes,
            reached={node["node"]: Reached.of(node, _in_short(node)) for node in run["nodes"]},
            going=run["state"] == "running",
            retriable=failed,
            rerun_of=run["rerun_of"] or "",
            ticket=ticket.get("number") if isinstance(ticket, Mapping) else None,
            event=laid_out(run["event"]),
        )


def _node(node: Mapping[str, Any]) -> Node:
    waiting = node["state"] == "waiting"
    return Node(
        name=node["node"],
        stand=node_stand(node["state"]),
        waits=_waits(node) if waiting else "",
        watches=bool(node["watches"]),
        until=parse_time(node["wake_at"]) if waiting and node["wake_at"] else None,
        error=str((node["error"] or {}).get("message", "")),
        input=laid_out(node["input"]),
        output=laid_out(node["output"]),
        attempts=node["attempts"],
        started_at=parse_time(node["started_at"]),
        took="" if node["state"] == "skipped" else took(node),
    )


def _in_short(node: Mapping[str, Any]) -> str:
    """`Done in 0.31 s`, `Failed after 3 attempts`; nothing where how it stands says all."""
    if node["state"] == "failed" and node["attempts"] > 1:
        return f"Failed after {node['attempts']} attempts"
    return f"Done in {took(node)}" if node["state"] == "done" and node["attempts"] else ""


def _waits(node: Mapping[str, Any]) -> str:
    if node["watches"]:
        return f"waits until its ticket {change(node['watches']['change'])}"
    if node["wake_at"]:
        return "waits for time to pass"
    return "waits to be tried again" if node["error"] else "waits for what it asked for"


def _sentence(run: Mapping[str, Any], nodes: Sequence[Node], now: datetime) -> str:
    """What a person would say of it: `It failed at tell: The channel is gone.`"""
    error = str((run["error"] or {}).get("message", ""))
    match run["state"]:
        case "running":
            waiting = next((f": {node.name} {node.waits}" for node in nodes if node.waits), "")
            return f"It has been running for {span((now - parse_time(run['started_at'])).total_seconds())}{waiting}."
        case "done":
            return f"It went well, in {took(run)}."
        case "failed":
            at = next((node.name for node in reversed(nodes) if node.stand == node_stand("failed")), "")
            return f"It failed{f' at {at}' if at else ''}: {error}"
        case "refused":
            return f"It was not started: {error}"
        case _:
            return error or f"It is {run['state']}."
