"""Previews: events of the past, counted and decided; and read back from a real log."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka.admin import NewTopic
from engine_api import Api, api_of, refusal
from engine_world import World, record
from hypothesis import given
from hypothesis import strategies as st
from ticket_event import AT

from fettle_chassis.kafka import build_admin, build_producer
from fettle_chassis.topics import ensure_topics
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.times import parse_time, to_ms
from fettle_contracts.topics import SIGNALS, TRANSITIONS
from fettle_devstack.ports import free_port
from fettle_workflow_engine import trying
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.past_events import PastEvents
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.app import DECODERS
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.preview import NEWEST, PastEvent, Tally, decide, due_between, shown
from fettle_workflow_engine.domain.validate import load
from fettle_workflow_engine.entrypoints.kafka_triggers import TRIGGER_TOPICS

LANGUAGES = Languages(JinjaTemplates(), CelConditions())
CALL = """\
workflow: call
budget_per_hour: 2
nodes:
  hot: {trigger: signal, type: heat, where: event.data.level > 3}
  any: {trigger: signal}
  due: {trigger: schedule, cron: 0 9 * * *, zone: Europe/Oslo}
  told: {after: [hot, any, due], action: ticket.comment, with: {ticket: 7, text: seen}}
"""
NOTE = """\
workflow: note
budget_per_hour: 3
nodes:
  opened: {trigger: ticket.opened, where: event.ticket.number % 2 == 0}
  solved: {trigger: ticket.resolved}
  told: {after: [opened, solved], action: ticket.comment,
         with: {ticket: {ref: event.ticket.id}, text: {template: "{{ event.ticket.title }}"}}}
"""


def signal(minute: int, *, id: str = "", kind: str = "heat", level: object = 4, depth: int = 0) -> PastEvent:
    data = {"id": id, "type": kind, "source": "plc", "subject": None, "time": None, "data": {"level": level}}
    return PastEvent(AT + timedelta(minutes=minute), "signal", "plc", id or f"{minute:05}", data, depth)


def tally(*events: PastEvent) -> Tally:
    found = Tally(load(CALL, LANGUAGES), LANGUAGES.conditions)
    found.take(events)
    return found


@pytest.mark.rule("WF-115")
def test_triggers_are_counted_by_day() -> None:
    day = 24 * 60
    found = shown(decide(tally(
        signal(0), signal(0), signal(1, level=3), signal(2, kind="cold"), signal(day, level="x"), signal(-day, depth=8),
    )))  # fmt: skip
    assert (found["events"], found["started"], found["over_budget"], found["too_deep"]) == (5, 3, 1, 1)
    assert found["days"] == [
        {"day": "2026-11-22", "started": 0, "over_budget": 0, "too_deep": 1},
        {"day": "2026-11-23", "started": 2, "over_budget": 1, "too_deep": 0},
        {"day": "2026-11-24", "started": 1, "over_budget": 0, "too_deep": 0},
    ]
    hot, anything, due = found["triggers"]
    assert (hot["events"], hot["fired"], hot["undecided"]) == (5, 2, 1)
    assert "cannot be decided" in hot["problem"]
    assert [(one["day"], one["fired"]) for one in anything["days"]] == [
        ("2026-11-22", 1),
        ("2026-11-23", 3),
        ("2026-11-24", 1),
    ]
    assert (due["events"], due["fired"], due["days"], due["problem"]) == (0, 0, [], None)


MINUTES = st.lists(st.integers(0, 300), max_size=40)


@pytest.mark.rule("WF-115")
@given(minutes=MINUTES, chance=st.randoms(use_true_random=False))
def test_the_outcome_is_that_of_one_event_after_the_other(minutes: list[int], chance: random.Random) -> None:
    """In whatever order and parts they come, and however late again: budget and newest are those of the live engine."""
    events = [signal(minute, id=f"{place:03}", level=place % 7) for place, minute in enumerate(minutes)]
    expected, started = [], list[datetime]()
    for one in sorted(events, key=lambda one: (one.at, one.id)):
        minute = one.at.replace(second=0, microsecond=0)
        refused = sum(before >= minute - timedelta(hours=1) for before in started) >= 2
        if not refused:
            started.append(minute)
        expected.append((one.id, refused))
    again = [replace(event, at=event.at + timedelta(minutes=chance.choice([0, 1, 100]))) for event in events[:15]]
    shuffled = chance.sample(events + again, len(events + again))
    cut, end = sorted(chance.choices(range(len(shuffled) + 1), k=2))
    whole = tally(*shuffled[:cut])
    unfinished = whole.beside()
    unfinished.take(shuffled[end:])
    for some in (shuffled[cut:end], shuffled[end:]):
        stretch = whole.beside()
        stretch.take(some)
        whole.add(stretch)
    decided = decide(whole)
    assert [(hit.id, refused is not None) for hit, refused in decided.decided] == expected
    assert [hit.id for hit, _ in decided.newest] == [id for id, _ in expected[-NEWEST:]]
    assert whole.events == len(events)


@pytest.mark.rule("WF-115")
def test_schedules_are_worked_out() -> None:
    since = datetime(2026, 10, 23, tzinfo=UTC)
    due = list(due_between(load(CALL, LANGUAGES), since, since + timedelta(days=4), 100))
    assert [one.data["scheduled_at"][:16] for one in due] == [
        "2026-10-23T07:00", "2026-10-24T07:00", "2026-10-25T08:00", "2026-10-26T08:00",
    ]  # fmt: skip
    assert shown(decide(tally(*due)))["triggers"][2]["fired"] == 4
    assert len(list(due_between(load(CALL, LANGUAGES), since, since + timedelta(days=4), 3))) == 3


class Log:
    """Topics whose records have the time that is given to them."""

    def __init__(self, world: World) -> None:
        self._settings = world.settings
        self.now = datetime.now(UTC)
        self._ahead: list[tuple[timedelta, tuple[str, bytes | None, bytes | None, Any]]] = []
        world.now = self.now

    async def start(self, kept_days: int = 90) -> None:
        names = [*TRIGGER_TOPICS, SIGNALS, TRANSITIONS]
        kept = {"message.timestamp.type": "CreateTime", "retention.ms": str(kept_days * 86_400_000)}
        admin = build_admin(self._settings)
        await admin.start()
        await admin.create_topics([NewTopic(self._settings.topic(one), 3, 1, topic_configs=kept) for one in names])
        await admin.close()
        await ensure_topics(self._settings, names)
        self._producer = build_producer(self._settings, client_id="past")
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    def put(self, ago: timedelta, number: int, entry: EntryType = EntryType.OPENED, org: str = "acme") -> None:
        made = record(entry, org=org, number=number)
        self.raw(made.topic, ago, made.key, made.value, list(made.headers))

    def raw(self, topic: str, ago: timedelta, key: bytes | None, value: bytes | None, headers: Any = ()) -> None:
        self._ahead.append((ago, (self._settings.topic(topic), value, key, headers)))

    async def flush(self) -> None:
        """Writes all of it in the order of time."""
        for ago, (topic, value, key, headers) in sorted(self._ahead, key=lambda one: -one[0]):
            at = to_ms(self.now - ago)
            await self._producer.send(topic, value, key, headers=headers, timestamp_ms=at)
        self._ahead.clear()
        await self._producer.flush()


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with api_of(environment) as found:
        yield found


@pytest.fixture
async def log(api: Api) -> AsyncIterator[Log]:
    found = Log(api.world)
    await found.start()
    yield found
    await found.stop()


async def previewed(api: Api, document: str = NOTE, **body: Any) -> dict[str, Any]:
    name = document.partition("workflow:")[2].split()[0]
    answer = await api.call("POST", f"/workflows/{name}/preview", {"document": document, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


@pytest.mark.rule("WF-115", "WF-116")
async def test_the_last_days_are_read_back_from_the_log(api: Api, log: Log) -> None:
    for org, others in (("acme", 0), ("acme-2", 1_000), ("globex", 2_000)):
        for number in range(1, 121):
            log.put(hours(number), number + others, org=org)
        log.put(hours(2.5), 300 + others, EntryType.RESOLVED, org)
        log.put(hours(2.5), 301 + others, EntryType.STARTED, org)
    log.put(hours(1.5), 2)  # again
    log.put(timedelta(days=7, minutes=1), 400)
    log.put(hours(-1), 402)
    log.raw("ticket.opened", hours(3), b"acme/x", b"no event")
    await log.flush()
    found = await previewed(api)
    assert (found["events"], found["started"], found["over_budget"]) == (121, 61, 0)
    assert found["left_out"] == [{"code": "unreadable", "message": "1 records that are no such events."}]
    assert parse_time(found["until"]) - parse_time(found["from"]) == timedelta(days=7)
    assert found["from"] == found["asked_from"]
    days = Counter((log.now - hours(number)).date().isoformat() for number in (*range(2, 121, 2), 2.5))
    assert {one["day"]: one["started"] for one in found["days"]} == days
    newest = found["newest"]
    assert [one["fired"] for one in newest[:3]] == [["opened"], ["solved"], ["opened"]]
    assert len(newest) == NEWEST
    assert [one["event"]["ticket"]["number"] for one in newest[:5]] == [2, 300, 4, 6, 8]
    assert [one["test_run"]["state"] for one in newest[:5]] == ["done"] * 5
    comment = newest[0]["test_run"]["nodes"][2]["effect"]["command"]
    assert comment["comment"] == newest[0]["event"]["ticket"]["title"]
    assert {(one["event"], one["test_run"]) for one in newest[5:]} == {(None, None)}
    assert (await previewed(api, days=1))["started"] == 13
    await api.world.save(NOTE)
    saved = (await api.call("POST", "/workflows/note/preview")).json()
    assert saved["started"] == 61, "as it is saved, though nothing starts it"
    assert await api.world.runs() == []


@pytest.mark.rule("WF-116")
async def test_events_of_one_org_among_many_are_handed_on_together(api: Api, log: Log) -> None:
    """Each handful goes to a thread of its own, which costs more than a few events do."""
    for number in range(1, 601):
        for place, org in enumerate(("acme", "acme-2", "globex", "initech")):
            log.put(timedelta(minutes=10, milliseconds=number), number + 1_000 * place, org=org)
    await log.flush()
    since = log.now - timedelta(minutes=12)
    found = PastEvents(api.world.settings).back("acme", ["ticket.opened"], since, log.now, 10.0)
    handfuls = [len(one) async for one in found if isinstance(one, list)]
    assert sum(handfuls) == 600
    assert len(handfuls) <= 2, handfuls


@pytest.mark.rule("WF-116")
async def test_it_says_how_far_back_it_has_seen(api: Api, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(0, 1200, 2):
        log.put(timedelta(minutes=7 * number + 1), number + 2)
    await log.flush()
    whole = await previewed(api, NOTE.replace("budget_per_hour: 3", "budget_per_hour: 1000"))
    assert (whole["started"], whole["left_out"]) == (600, [])
    monkeypatch.setattr(trying, "EVENTS_LIMIT", 200)
    found = await previewed(api, NOTE.replace("budget_per_hour: 3", "budget_per_hour: 1000"))
    ((code, message),) = [(one["code"], one["message"]) for one in found["left_out"]]
    assert (code, "in 10 s and 200 events" in message) == ("limit", True)
    since = parse_time(found["from"])
    assert found["started"] == sum(log.now - timedelta(minutes=14 * n + 1) >= since for n in range(600))
    assert 50 < found["started"] <= 200
    monkeypatch.setattr(trying, "READ_WITHIN_S", 0.0)
    assert (await previewed(api))["from"] == found["until"]


@pytest.mark.rule("WF-116")
async def test_it_knows_how_long_the_log_keeps_events(api: Api) -> None:
    log = Log(api.world)
    await log.start(kept_days=2)
    log.put(hours(1), 2)
    await log.flush()
    found = await previewed(api)
    assert [one["code"] for one in found["left_out"]] == ["log"]
    assert parse_time(found["until"]) - parse_time(found["from"]) == timedelta(days=2)
    assert found["started"] == 1
    await log.stop()


@pytest.mark.rule("WF-115", "WF-116")
async def test_what_is_on_no_log_is_named(api: Api, log: Log) -> None:
    for minute in (1, 2, 3):
        headers = [("ce_specversion", b"1.0"), ("ce_id", b"%d" % minute), ("ce_source", b"plc"), ("ce_type", b"heat")]
        log.raw("signals", timedelta(minutes=minute), b"acme/oven", b'{"level": 4}', headers)
    await log.flush()
    pressed = CALL.replace("nodes:", "nodes:\n  pressed: {trigger: manual}")
    found = await previewed(api, pressed.replace("after: [", "after: [pressed, "))
    assert [one["code"] for one in found["left_out"]] == ["hook", "manual"]
    fired = {one["node"]: one["fired"] for one in found["triggers"]}
    assert fired == {"pressed": 0, "hot": 3, "any": 3, "due": 7}


@pytest.mark.rule("WF-116")
async def test_without_kafka_it_says_try_again(api: Api) -> None:
    nowhere = api.world.settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{free_port()}"})
    api.app.state.trying = trying.Trying(PastEvents(nowhere), DECODERS, LANGUAGES, lambda: AT, "")
    for _ in range(3):
        answer = await api.call("POST", "/workflows/note/preview", {"document": NOTE})
        refusal(answer, 503, "unavailable")
    assert (await previewed(api, CALL.replace("signal, type: heat", "schedule, every: 1h").replace(
        "signal}", "manual}").replace("where: event.data.level > 3", "missed: skip")))["started"] == 168  # fmt: skip


@pytest.mark.rule("WF-116")
async def test_two_previews_at_a_time_are_enough(api: Api, log: Log) -> None:
    log.put(hours(1), 2)
    await log.flush()
    answers = await asyncio.gather(*(api.call("POST", "/workflows/note/preview", {"document": NOTE}) for _ in range(5)))
    assert Counter(one.status_code for one in answers) == {200: 2, 429: 3}
    assert (await previewed(api))["started"] == 1
