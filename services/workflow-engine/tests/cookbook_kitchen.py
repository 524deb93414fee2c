"""Tries a recipe of the cookbook: each thing that its run asks for is looked at and answered, in order."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from engine_world import APPLIED, World, body
from sqlalchemy import text
from ticket_event import AT

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.times import rfc3339
from fettle_contracts.transitions import Transition
from fettle_workflow_engine.domain.catalogue import SIGNAL, TRANSITION
from fettle_workflow_engine.domain.http_requests import http_request
from fettle_workflow_engine.domain.notifications import read_message
from fettle_workflow_engine.domain.run import Failure, Result
from fettle_workflow_engine.domain.secrets import filled, legible
from fettle_workflow_engine.entrypoints.signals import HOOK_SOURCE, hook_event, signal_of
from fettle_workflow_engine.handler import Event

COOKBOOK = Path(__file__).parents[3] / "docs" / "cookbook"
OF_RUN = frozenset({"org", "run", "node", "workflow", "title", "depth", "actor", "evidence", "flap_count"})


@dataclass(frozen=True)
class Asks:
    """What a run asks for: `what` is a command's verb or a kind of call, `of` its fields, whole; then the answer."""

    what: str
    of: Mapping[str, Any]
    answer: Mapping[str, Any] | Failure = field(default_factory=lambda: APPLIED)


def hooked(workflow: str, data: Mapping[str, Any]) -> Event:
    """What a POST of this JSON to the workflow's hook becomes."""
    id = str(uuid4())
    signal = signal_of(hook_event({}, json.dumps(data).encode(), id, AT))
    return Event("acme", SIGNAL, f"hook/{workflow}/{HOOK_SOURCE}", id, signal, 0, workflow=workflow)


def transition(to: str, type: str = "device") -> Event:
    subject = {"type": type, "id": "t17", "name": "Thermostat 17"}
    moved = {"org": "acme", "subject": subject, "from": "firing", "to": to, "at": rfc3339(AT), "flap_count": 5}
    data = Transition.from_json(json.dumps(moved).encode()).to_dict()
    return Event("acme", TRANSITION, "fettle/health-monitor", str(uuid4()), data, 0)


async def cook(world: World, *asks: Asks) -> list[dict[str, Any]]:
    """The newest runs, after all that they asked for was as expected and answered; nothing else was asked for."""
    for expected in asks:
        ((id, what, given),) = await _asked(world)
        assert (what, given) == (expected.what, dict(expected.of)), (what, given)
        await world.answer(Result(id, expected.answer))
    assert await _asked(world) == []
    return await world.runs()


async def _asked(world: World) -> list[tuple[UUID, str, dict[str, Any]]]:
    """Takes the commands and calls that wait, each with its fields as the document names them."""
    found = [(UUID(command.id), command.type.split(".")[3], _own(body(command))) for command in await world.commands()]
    async with unit_of_work(world.database) as work:
        calls = list(await work.connection.execute(text("DELETE FROM call RETURNING id, kind, request")))
    for call in calls:
        if call.kind == "notify":
            read_message(call.id, "acme", call.request)
        else:
            http_request(filled(call.request, defaultdict(lambda: "a secret")))
        found.append((call.id, call.kind, _own(legible(call.request))))
    return found


def _own(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in OF_RUN or (name == "title" and "kind" in given)}
