"""Mixed ticket commands as other systems send them: valid ones, so that each has an effect."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Producer

ORGS = tuple(f"bench-{number}" for number in range(50))
ANN = {"type": "user", "id": "ann@acme.test", "name": "Ann"}

SHARES = {"open": 10, "comment": 60, "start": 12, "resolve": 10, "reopen": 5, "move-to-open": 3}
"""Of a hundred commands."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One command as a record: its key is its org."""

    org: str
    id: str
    headers: list[tuple[str, bytes]]
    value: bytes


@dataclass
class _Org:
    """Which tickets can take which command."""

    name: str
    opened: int = 0
    open: list[int] = field(default_factory=list)
    started: list[int] = field(default_factory=list)
    resolved: list[int] = field(default_factory=list)


def mixed(count: int, seed: int, names: Sequence[str] = ORGS) -> Iterator[Sent]:
    """`count` commands over the orgs; the same seed makes the same ones. Send them in order to empty orgs."""
    chance = random.Random(seed)
    orgs = [_Org(name) for name in names]
    verbs = chance.choices(list(SHARES), list(SHARES.values()), k=count)
    for number, wanted in enumerate(verbs):
        org = chance.choice(orgs)
        verb, body = _command(org, wanted, number, chance)
        yield _sent(org.name, f"{seed}-{number}", verb, body)


def opened(count: int) -> Iterator[Sent]:
    """`count` opens, the orgs in turn."""
    for number in range(count):
        yield _sent(ORGS[number % len(ORGS)], f"open-{number}", "open", opening(number))


def opening(number: int) -> dict[str, Any]:
    return {
        "title": f"Lift {number} makes a noise",
        "kind": "user_report",
        "subject": {"type": "device", "id": f"lift-{number}", "name": f"Lift {number}"},
        "space": "oslo/hq",
        "description": "Since *this morning*, on every floor. The door closes, then it begins.",
        "dedup_key": f"lift/{number}" if number % 2 else None,
    }


def _command(org: _Org, wanted: str, number: int, chance: random.Random) -> tuple[str, dict[str, Any]]:
    """The wanted verb if a ticket can take it, else an open."""
    pools = {
        "comment": org.open + org.started,
        "start": org.open,
        "resolve": org.started or org.open,
        "reopen": org.resolved,
        "move-to-open": org.started,
    }
    pool = pools.get(wanted)
    if not pool:
        org.opened += 1
        org.open.append(org.opened)
        return "open", opening(number)
    ticket = chance.choice(pool[-200:])
    _move(org, wanted, ticket)
    said: dict[str, dict[str, Any]] = {
        "comment": {"comment": f"Called the vendor, number {number}."},
        "start": {"comment": "On my way."} if number % 2 else {},
    }
    return wanted, {"ticket": {"number": ticket}, **said.get(wanted, {})}


def _move(org: _Org, verb: str, ticket: int) -> None:
    if verb == "start":
        org.open.remove(ticket)
        org.started.append(ticket)
    elif verb == "resolve":
        (org.started if ticket in org.started else org.open).remove(ticket)
        org.resolved.append(ticket)
    elif verb == "move-to-open":
        org.started.remove(ticket)
        org.open.append(ticket)
    elif verb == "reopen":
        org.resolved.remove(ticket)
        org.open.append(ticket)


def _sent(org: str, id: str, verb: str, body: dict[str, Any]) -> Sent:
    headers = {
        "ce_specversion": "1.0",
        "ce_id": id,
        "ce_source": "bench",
        "ce_type": f"fettle.ticket.command.{verb}.v1",
        "ce_time": "2026-11-23T12:00:00.000Z",
        "content-type": "application/json",
    }
    value = json.dumps({"org": org, "actor": ANN, **body}, separators=(",", ":")).encode()
    return Sent(org, id, [(name, text.encode()) for name, text in headers.items()], value)


def producer(bootstrap: str) -> Producer:
    """Idempotent, for a generator that reorders would measure refusals."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "queue.buffering.max.messages": 200_000,
            "log_level": 2,  # the broker goes before whoever made this
        }
    )


def send(client: Producer, topic: str, commands: Iterator[Sent]) -> None:
    """All of them, acknowledged. Blocks."""
    for command in commands:
        client.produce(topic, command.value, command.org, headers=list(command.headers))
        client.poll(0)
    if client.flush(60):
        raise RuntimeError("the broker did not take all commands")
