"""Signals, transitions and schedules in the whole engine: an outside client writes to Kafka, engines are killed."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from confluent_kafka import Producer
from engine_outside import Outside, engine_process, outside_of
from engine_world import World, record, world_of
from sqlalchemy import text

from fettle_chassis.kafka import build_consumer
from fettle_chassis.tokens import Caller, Role, issue
from fettle_chassis.topics import ensure_topics
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.ticket_events import SOURCE, EntryType
from fettle_contracts.times import rfc3339
from fettle_contracts.topics import SIGNALS, TRANSITIONS
from fettle_contracts.transitions import TRANSITION
from fettle_devstack.ports import free_port
from fettle_workflow_engine.app import build_app
from fettle_workflow_engine.domain.rhythms import Every, moments

ALARM = """
workflow: alarm
enabled: true
nodes:
  called: {trigger: signal, type: com.acme.*, source: plc/7, where: event.data.level > 3}
  sick: {trigger: health.transition, where: event.to == "firing"}
  noted: {after: [called, sick], action: ticket.comment, with: {ticket: 7, text: seen}}
"""


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        await ensure_topics(found.settings, [SIGNALS, TRANSITIONS])
        yield found


@pytest.fixture
async def outside(world: World) -> AsyncIterator[Outside]:
    async with outside_of(world.settings) as found:
        yield found


class Plant:
    """Another system with a client of its own (librdkafka), which knows of Fettle what its contract says."""

    def __init__(self, world: World) -> None:
        self._settings = world.settings
        self._producer = Producer({"bootstrap.servers": world.settings.kafka_bootstrap_servers})

    def binary(self, topic: str, key: str, data: object, **attributes: str) -> None:
        named = {"specversion": "1.0", **attributes}
        headers = [
            ("content-type", b"application/json"),
            *((f"ce_{name}", one.encode()) for name, one in named.items()),
        ]
        self.raw(topic, key, json.dumps(data).encode(), headers)

    def structured(self, topic: str, key: str, data: object, **attributes: str) -> None:
        body = {"specversion": "1.0", **attributes, "data": data}
        self.raw(topic, key, json.dumps(body).encode(), [("content-type", b"application/cloudevents+json")])

    def raw(self, topic: str, key: str, value: bytes, headers: Any = ()) -> None:
        self._producer.produce(self._settings.topic(topic), value, key.encode(), headers=list(headers))

    def flush(self) -> None:
        assert self._producer.flush(60) == 0


async def runs_once(world: World, count: int, within_s: float = 60, org: str = "acme") -> list[dict[str, Any]]:
    """The runs, when there are so many."""
    async with asyncio.timeout(within_s):
        while True:
            runs = await world.runs(org=org)
            if len(runs) >= count:
                return runs
            await asyncio.sleep(0.1)


async def letters(world: World, topic: str, count: int) -> list[tuple[bytes, str]]:
    """The values of so many dead letters with the reason."""
    consumer = build_consumer(world.settings, world.settings.topic(f"{topic}.dlq"), client_id="looking")
    await consumer.start()
    async with asyncio.timeout(60):
        found = [await anext(consumer) for _ in range(count)]
    await consumer.stop()
    return [(one.value or b"", dict(one.headers)["dlq-reason"].decode()) for one in found]


@pytest.mark.rule("WF-9", "WF-51", "WF-65")
async def test_signals_of_another_system_start_runs_once(world: World, outside: Outside) -> None:
    await world.save(ALARM)
    await world.save(ALARM, org="globex")
    plant = Plant(world)
    right = {"type": "com.acme.heat", "source": "plc/7"}
    for _ in range(3):
        plant.binary(SIGNALS, "acme/oven/3", {"level": 4}, id="e1", **right)
        plant.structured(SIGNALS, "acme/oven/3", {"level": 5}, id="e2", time="2026-11-23T09:00:00Z", **right)
    plant.binary(SIGNALS, "acme", {"level": 6}, id="e3", **right)
    plant.binary(SIGNALS, "acme/x", {"level": 3}, id="low", **right)
    plant.binary(SIGNALS, "acme/x", {"level": 9}, id="other", type="org.acme.heat", source="plc/7")
    plant.binary(SIGNALS, "acme/x", {"level": 9}, id="plc", type="com.acme.heat", source="plc/77")
    plant.binary(SIGNALS, "globex/x", {"level": 9}, id="e1", **right)
    bad = {
        "key_invalid": ("/x", b'{"level": 9}'),
        "field_invalid": ("acme/x", b"[]"),
        "too_large": ("acme/x", b'{"a": "%b"}' % (b"x" * 262_136)),
        "unreadable": ("acme/x", b'{"level": 9}'),
    }
    for reason, (key, value) in bad.items():
        given = {**right, "id": f"bad-{reason}", "specversion": "0.3" if reason == "unreadable" else "1.0"}
        plant.raw(SIGNALS, key, value, [(f"ce_{name}", one.encode()) for name, one in given.items()])
    plant.binary(SIGNALS, "acme/x", {"level": 7}, id="bad\nid", **right)
    plant.binary(SIGNALS, "acme/x", {"level": 2**70}, id="huge", **right)
    plant.flush()
    async with build_app(world.settings).running():
        dead = await letters(world, SIGNALS, 6)
        runs = await runs_once(world, 3)
        others = await runs_once(world, 1, org="globex")
        await outside.commanded(4)
    assert sorted(run["event"]["id"] for run in runs) == ["e1", "e2", "e3"]
    assert [run["event"]["data"] for run in others] == [{"level": 9}]
    second = next(run["event"] for run in runs if run["event"]["id"] == "e2")
    assert second == {
        "id": "e2", "type": "com.acme.heat", "source": "plc/7", "subject": None, "time": "2026-11-23T09:00:00.000Z",
        "data": {"level": 5},
    }  # fmt: skip
    assert Counter(reason for _, reason in dead) == Counter([*bad, "field_invalid", "field_invalid"])


@pytest.mark.rule("WF-9", "WF-52")
async def test_transitions_start_runs_once(world: World, outside: Outside) -> None:
    await world.save(ALARM)
    plant = Plant(world)

    def moved(id: str, key: str = "acme", type: str = TRANSITION, **said: object) -> None:
        subject = {"type": "device", "id": "t17", "name": "Thermostat 17"}
        data = {"org": "acme", "subject": subject, "from": "pending_open", "to": "firing",
                "condition": "device_offline", "at": "2026-11-23T09:00:00.000Z", **said}  # fmt: skip
        plant.binary(TRANSITIONS, key, data, id=id, type=type, source="fettle/health-monitor")

    for _ in range(3):
        moved("t1")
        moved("t2", to="pending_open")
        moved("t3", to=None)
    moved("other-key", key="globex")
    moved("other-type", type="fettle.health.transition.v2")
    moved("no-state", to="sick")
    plant.flush()
    async with build_app(world.settings).running():
        dead = await letters(world, TRANSITIONS, 3)
        (run,) = await runs_once(world, 1)
        await outside.commanded(1)
    assert run["event"] == {
        "org": "acme",
        "subject": {"type": "device", "id": "t17", "name": "Thermostat 17", "integration": None},
        "from": "pending_open", "to": "firing", "condition": "device_offline", "at": "2026-11-23T09:00:00.000Z",
        "since": None, "policy_version": None, "flap_count": None, "evidence": None,
    }  # fmt: skip
    assert sorted(reason for _, reason in dead) == ["key_invalid", "type_unknown", "unreadable"]


ALL = """
workflow: all
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  resolved: {trigger: ticket.resolved}
  called: {trigger: signal}
  sick: {trigger: health.transition}
  noted: {after: [opened, resolved, called, sick], action: ticket.comment, with: {ticket: 7, text: seen}}
"""


@pytest.mark.rule("WF-163")
async def test_of_two_events_under_one_id_the_first_counts_and_one_of_another_kind_is_another(
    world: World, outside: Outside
) -> None:
    """Only a stranger writes them, and what it writes stops nothing."""
    await world.save(ALL)
    plant, first, second = Plant(world), record(number=1, title="First"), record(number=1, title="Second")
    one_id = {name: (value or b"").decode() for name, value in first.headers}["ce_id"]
    changed = record(EntryType.RESOLVED, number=1)
    under_it = [(name, one_id.encode() if name == "ce_id" else value) for name, value in changed.headers]
    async with build_app(world.settings).running():
        await outside.put("ticket.opened", first.key, first.value, first.headers)
        await outside.put("ticket.opened", second.key, second.value, second.headers)
        await runs_once(world, 1)
        await outside.put("ticket.resolved", changed.key, changed.value, under_it)
        await outside.put("ticket.resolved", changed.key, changed.value, changed.headers)
        for source in (SOURCE, "stranger"):
            subject = {"type": "device", "id": "t17"}
            data = {"org": "acme", "subject": subject, "from": None, "to": "firing", "at": "2026-11-23T09:00:00.000Z"}
            plant.binary(TRANSITIONS, "acme", data, id=one_id, source=source, type=TRANSITION)
            plant.binary(SIGNALS, "acme/x", {}, id=one_id, source=source, type="x")
        plant.flush()
        runs = await runs_once(world, 6)
        await outside.commanded(6)
    told = Counter((run["trigger"], run["event"].get("ticket", {}).get("title")) for run in runs)
    assert told == {
        ("ticket.opened", "First"): 1,
        ("ticket.resolved", "Device offline: T1"): 1,
        ("health.transition", None): 2,
        ("signal", None): 2,
    }


@pytest.mark.rule("WF-56")
async def test_a_schedule_and_a_switch_in_the_running_engine(world: World, outside: Outside) -> None:
    """A row that is due in a second is fired in the running engine, as what is saved through the API is seen by it."""
    token = issue(world.settings.signing_keys, Caller("acme", Role.ADMIN, "ann"), datetime.now(UTC), ttl_s=600)
    client = httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{world.settings.workflows_port}/api/v1/orgs/acme",
        headers={"authorization": f"Bearer {token}"},
        timeout=60.0,
    )
    document = "workflow: r\nenabled: true\nnodes:\n  t: {trigger: schedule, every: 1m}\n"
    async with build_app(world.settings).running(), client:
        assert (await client.post("/workflows", content=document)).status_code == 201
        due = datetime.now(UTC) + timedelta(seconds=1.5)
        await put_due(world, {"t": due})
        (run, *_) = await runs_once(world, 1)
    assert run["event"]["scheduled_at"] == rfc3339(due)
    late = datetime.fromisoformat(run["started_at"]) - due
    assert timedelta(milliseconds=-1) <= late < timedelta(seconds=20), late


@pytest.mark.slow
@pytest.mark.rule("WF-56")
async def test_two_engines_killed_while_schedules_fire_lose_and_double_nothing(
    environment: dict[str, str], world: World, outside: Outside
) -> None:
    await storm(environment, world, outside, lasts_s=12, kills=4)


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.rule("WF-56")
async def test_two_engines_killed_a_hundred_times_lose_and_double_nothing(
    environment: dict[str, str], world: World, outside: Outside
) -> None:
    await storm(environment, world, outside, lasts_s=600, kills=100)


async def storm(environment: dict[str, str], world: World, outside: Outside, *, lasts_s: float, kills: int) -> None:
    """Hundreds of schedules are due, spread over the time, while one of two engines after the other is killed."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    triggers = await every_minute(world, flows=4, triggers=98)
    other = {**environment, "FETTLE_WORKFLOWS_PORT": str(free_port())}
    start = datetime.now(UTC) + timedelta(seconds=8)
    first = {name: (start + timedelta(seconds=chance.uniform(0, lasts_s))).replace(microsecond=0) for name in triggers}
    await put_due(world, first)
    async with engine_process(environment) as one, engine_process(other) as two:
        for kill in range(kills):
            await asyncio.sleep(chance.uniform(0, 2 * lasts_s / kills))
            engine = (one, two)[kill % 2]
            await engine.kill()
            await engine.start()
        await asyncio.gather(one.ready(), two.ready())
        await quiet(world)
        await check_each_moment_ended_once(world, outside, first)


async def every_minute(world: World, *, flows: int, triggers: int) -> list[str]:
    """Workflows, each with so many schedules of these names."""
    names = [f"t{index}" for index in range(triggers)]
    nodes = "\n".join(f"  {name}: {{trigger: schedule, every: 1m}}" for name in names)
    world.now = datetime.now(UTC)
    for flow in range(flows):
        noted = f"  n: {{after: {json.dumps(names)}, action: ticket.comment, with: {{ticket: 7, text: a}}}}"
        await world.save(f"workflow: w{flow}\nenabled: true\nbudget_per_hour: 100000\nnodes:\n{nodes}\n{noted}\n")
    return names


async def check_each_moment_ended_once(world: World, outside: Outside, first: dict[str, datetime]) -> None:
    """Every moment from the first of its trigger to the next that is due has started a run or is told of by one."""
    async with world.database.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")  # both as of one moment
        next_at = {
            (row.workflow, row.trigger): row.next_at
            for row in await connection.execute(text("SELECT workflow, trigger, next_at FROM schedule"))
        }
        told = defaultdict[tuple[str, str], list[str]](list)
        for row in await connection.execute(text("SELECT workflow, event FROM run")):
            event = row.event
            told[row.workflow, event["trigger"]] += [*event["missed_at"], event["scheduled_at"]]
        count = await connection.scalar(text("SELECT count(*) FROM run"))
    await outside.commanded(int(count or 0))
    for (workflow, trigger), due_next in next_at.items():
        expected = [first[trigger]] if first[trigger] < due_next else []
        for moment in moments(Every(60), first[trigger]):
            if moment >= due_next:
                break
            expected.append(moment)
        assert sorted(told[workflow, trigger]) == [rfc3339(moment) for moment in expected], trigger
    assert any(told.values()), "nothing was due"
    assert {UUID(id).version for id in outside.seen} == {5}


async def put_due(world: World, first: dict[str, datetime]) -> None:
    """Schedules are due at these times, by the names of their triggers."""
    async with unit_of_work(world.database) as work:
        for name, moment in first.items():
            await work.connection.execute(
                text("UPDATE schedule SET next_at = :at WHERE trigger = :name"), {"at": moment, "name": name}
            )


async def quiet(world: World) -> None:
    """Waits until no schedule is due or about to be."""
    async with asyncio.timeout(90):
        while True:
            async with world.database.reading() as connection:
                soonest = await connection.scalar(text("SELECT min(next_at) FROM schedule"))
            if soonest and soonest > datetime.now(UTC) + timedelta(seconds=3):
                return
            await asyncio.sleep(0.2)
