"""The live tail clause by clause: places that are lost, readers that fall behind, and a client that falls silent."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from fettle_chassis.settings import ServiceSettings
from fettle_console.adapters import live
from fettle_console.adapters.live import Beat, Happened, Live, StartOver
from fettle_console.domain.event_ring import EventRing, LiveEvent

ONE, OTHER = TopicPartition("ticket.events", 0), TopicPartition("ticket.events", 1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Over(Exception):
    """The test has seen enough."""


class Client:
    """A consumer that has these batches, and then these ends, to give."""

    def __init__(self, *given: dict[TopicPartition, Any]) -> None:
        self._given = list(given)

    def assignment(self) -> set[TopicPartition]:
        return {ONE, OTHER}

    async def getmany(self, **_: Any) -> dict[TopicPartition, Any]:
        return self._next()

    async def end_offsets(self, _: Any) -> dict[TopicPartition, Any]:
        return self._next()

    def _next(self) -> dict[TopicPartition, Any]:
        if not self._given:
            raise Over
        return self._given.pop(0)


def records(*offsets: int) -> list[Any]:
    return [SimpleNamespace(topic="t", offset=each, headers=(), key=None, value=b"rubbish") for each in offsets]


def event(text: str) -> LiveEvent:
    return LiveEvent("acme", "fettle.ticket.opened.v1", text)


@pytest.fixture
def tail(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Live:
    monkeypatch.setattr(live, "CHECK_S", 0.0)
    monkeypatch.setattr(live, "BEAT_S", 3600.0)
    made = Live(ServiceSettings.load(environment))
    made._ring = EventRing("o", events=2)
    made._places = {ONE: 5, OTHER: 3}
    made.as_of = LONG_AGO
    return made


@pytest.mark.rule("AC-15")
async def test_a_reader_that_fell_behind_what_is_kept_starts_over_and_goes_on(tail: Live) -> None:
    stream = tail.follow("acme", None)
    assert isinstance(first := await anext(stream), Beat)
    assert first.id == "o-0"
    for number in range(5):
        tail._ring.append(event(str(number)))
    assert await anext(stream) == StartOver("o-5")
    async with asyncio.timeout(20.0):
        assert isinstance(beat := await anext(stream), Beat)
    assert beat.id == "o-5"
    tail._ring.append(event("5"))
    assert await anext(stream) == [Happened("o-6", event("5"))]


@pytest.mark.rule("AC-15")
async def test_whoever_waits_is_told_at_once_that_events_were_lost(tail: Live) -> None:
    stream = tail.follow("acme", None)
    await anext(stream)

    async def hear() -> Any:
        return await anext(stream)

    waiting = asyncio.create_task(hear())
    await asyncio.sleep(0)
    tail._start_over()
    async with asyncio.timeout(20.0):
        told = await waiting
    assert isinstance(told, StartOver)
    assert told.id != "o-0"


@pytest.mark.rule("AC-15")
async def test_a_lost_place_is_told_once_and_the_other_partitions_go_on(tail: Live) -> None:
    rings = [tail._ring]

    async def take(*batches: dict[TopicPartition, Any]) -> None:
        with pytest.raises(Over):
            await tail._take(Client(*batches))
        rings.append(tail._ring)

    await take({ONE: records(5, 6)}, {OTHER: records(3)})
    await take({ONE: records(9)})
    await take({OTHER: records(4)}, {ONE: records(10)}, {OTHER: records(5), ONE: records(11)})
    assert rings[0] is rings[1]
    assert rings[1] is not rings[2]
    assert rings[2] is rings[3]
    assert tail._places == {ONE: 12, OTHER: 6}


@pytest.mark.rule("AC-15")
async def test_a_log_that_is_shorter_than_what_was_read_is_another_one(tail: Live) -> None:
    ring = tail._ring
    with pytest.raises(TimeoutError, match="another one"):
        await tail._confirm(Client({ONE: 4, OTHER: 3}))
    assert tail._ring is not ring
    assert tail._places == {}


@pytest.mark.rule("AC-34")
async def test_a_client_that_takes_none_of_what_waits_is_replaced(tail: Live) -> None:
    with pytest.raises(TimeoutError, match="none was taken"):
        await tail._confirm(Client({ONE: 7, OTHER: 3}, {ONE: 8, OTHER: 3}))


@pytest.mark.rule("AC-34")
@pytest.mark.parametrize(("end", "caught_up"), [(7, False), (5, True)])
async def test_the_tail_has_caught_up_where_nothing_waits(tail: Live, *, end: int, caught_up: bool) -> None:
    with pytest.raises(Over):
        await tail._confirm(Client({ONE: end, OTHER: 3}))
    assert (tail.live, tail.not_ready() is None, tail.as_of > LONG_AGO) == (caught_up,) * 3
