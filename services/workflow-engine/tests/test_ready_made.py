"""What the workflows do that every org begins with, once somebody enables them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from channel_world import ChannelWorld, Receiver
from engine_world import World, body, event, states, world_of
from made_calls import calling
from web_server import web_server

from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.documents import ready_made
from fettle_workflow_engine.domain.catalogue import SIGNAL
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.entrypoints.signals import signal_of
from fettle_workflow_engine.handler import Event

ALERT, CHECK = (document.replace("enabled: false", "enabled: true") for document in ready_made())
KEY = "check/backup-nightly"


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


def by_night(offline: Event) -> Event:
    entry = {**offline.data["entry"], "at": "2026-11-23T20:00:00.000Z"}
    return Event(offline.org, offline.trigger, offline.source, "by-night", {**offline.data, "entry": entry}, 0)


def signal(kind: str, data: str) -> Event:
    made = CloudEvent(id=kind, source="nagios", type=kind, time=datetime(2026, 11, 23, tzinfo=UTC), data=data.encode())
    return Event("acme", SIGNAL, "signals/acme/nagios", made.id, signal_of(made), 0)


async def told(world: World) -> list[Mapping[str, Any]]:
    """The commands that follow once the messages of all runs have gone out, or have not."""
    async with calling(world, ChannelWorld(world).notify), asyncio.timeout(60):
        while True:
            if commands := await world.commands():
                return [body(command) for command in commands]
            await asyncio.sleep(0.02)


@pytest.mark.rule("WF-121")
async def test_ops_are_told_by_day_of_a_device_that_does_not_flap(world: World) -> None:
    await world.save(ALERT)
    await world.happen(
        event(),
        event(number=1, kind="user_report"),
        event(number=2, flap_count=5),
        event(EntryType.RESOLVED, number=3),
        by_night(event(number=4)),
    )
    assert sorted(run["state"] for run in await world.runs()) == ["done", "running"]
    receiver = Receiver()
    async with web_server(receiver) as server:
        await ChannelWorld(world).slack(server.url("/hook"))
        (noted,) = await told(world)
    assert [text for _, text in receiver.got] == [{"text": "Device offline: T42 "}]
    assert (noted["ticket"]["id"], noted["comment"]) == (event().data["ticket"]["id"], "Ops told.")


@pytest.mark.rule("WF-121")
async def test_without_the_channel_the_ticket_says_so(world: World) -> None:
    await world.save(ALERT)
    await world.happen(event())
    (noted,) = await told(world)
    assert noted["comment"] == "Nobody told: The org has no channel 'ops'."
    (run,) = await world.runs()
    assert run["nodes"][2]["error"] == {"code": "channel_missing", "message": "The org has no channel 'ops'."}


@pytest.mark.rule("WF-121", "WF-123")
async def test_a_check_that_fails_has_a_ticket_until_it_recovers(world: World) -> None:
    await world.save(CHECK)
    bare, full = '{"check": "backup-nightly"}', '{"check": "backup-nightly", "name": "Backup", "message": "No space."}'
    await world.happen(signal("check.failed", bare), signal("check.renamed", full))
    (opened,) = map(body, await world.commands())
    assert {name: opened[name] for name in ("title", "kind", "dedup_key", "subject")} == {
        "title": "Check failed: backup-nightly",
        "kind": "external_check",
        "dedup_key": KEY,
        "subject": {"type": "other", "id": "backup-nightly", "name": "backup-nightly"},
    }
    await world.happen(signal("check.recovered", full))
    (ended,) = await world.commands()
    assert body(ended)["ticket"] == {"dedup_key": KEY}
    assert body(ended)["comment"] == "The check has recovered. No space."


@pytest.mark.rule("WF-121")
@pytest.mark.parametrize(("code", "state"), [("ticket_not_found", "done"), ("org_unknown", "failed")])
async def test_a_check_that_recovers_without_a_ticket_is_no_fault(world: World, code: str, state: str) -> None:
    await world.save(CHECK)
    await world.happen(signal("check.recovered", '{"check": "backup-nightly"}'))
    await world.answer_all(Failure(code, "As it is."))
    (run,) = await world.runs()
    assert (run["state"], states(run).get("unknown")) == (state, "done")
