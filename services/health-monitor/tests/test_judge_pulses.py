"""The pulses by which a judge sees that it can see, and by which it looks at its timers in time."""

import asyncio
import time
from typing import Any, cast

import pytest
from aiokafka.errors import RequestTimedOutError
from judge_log import Log, judge, read_control
from prometheus_client import REGISTRY

from fettle_health_monitor.domain.control import Hello, Pulse
from fettle_health_monitor.domain.judge.shard import Place, Shard
from fettle_health_monitor.judge.owned import Owned, Shards
from fettle_health_monitor.judge.pulses import EVERY_S, UNREAD_S, Pulses

TIMER_S = 0.2
WITH_A_TIMER, WITHOUT = 0, 1


class Producer:
    def __init__(self) -> None:
        self.running = False

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False


class Writer:
    """Appends, and keeps by whom and where."""

    def __init__(self) -> None:
        self.pulsed: list[tuple[Producer, int]] = []

    async def append(self, producer: Producer, partition: int, statement: object) -> Place:
        assert isinstance(statement, Pulse)
        self.pulsed.append((producer, partition))
        return Place(len(self.pulsed), 0, 0)


class Pulsing:
    """The pulses of a judge whose shards are these."""

    def __init__(self, shards: Shards) -> None:
        self.writer, self.producers = Writer(), list[Producer]()
        self.pulses = Pulses(shards, cast("Any", self.writer), "me", self._build)

    def _build(self) -> Any:
        self.producers.append(Producer())
        return self.producers[-1]

    def unobserved(self) -> list[float | None]:
        name = "fettle_judge_shard_unobserved"
        return [REGISTRY.get_sample_value(name, {"shard": str(shard)}) for shard in (WITH_A_TIMER, WITHOUT)]

    async def looked(self) -> list[float | None]:
        await self.pulses._watch()
        return self.unobserved()


def owned() -> tuple[Shards, Owned, Owned]:
    """Two shards, of which one has a timer that is due in a moment."""
    soon = judge(Log().policy(timeout_s=10).beat().pulsed(10 - TIMER_S)).shard
    shards = Shards()
    first = Owned(soon, read_control, None)
    second = Owned(Shard(WITHOUT, 2, 1), read_control, None)
    shards.take(first)
    shards.take(second)
    return shards, first, second


@pytest.mark.rule("HM-311")
async def test_an_owner_that_does_not_read_its_own_pulses_is_not_ready_and_has_another_producer() -> None:
    shards, first, second = owned()
    pulsing = Pulsing(shards)
    await pulsing.pulses.start()
    assert (pulsing.pulses.not_ready(), await pulsing.looked()) == (None, [0, 0])

    first.pulse_read_at -= UNREAD_S + 1
    pulsing.pulses._rebuilt_at -= UNREAD_S + 1
    assert pulsing.pulses.not_ready() == "own pulses unread for 10 s on shards [0]"
    assert await pulsing.looked() == [1, 0]
    assert [one.running for one in pulsing.producers] == [False, True]
    assert await pulsing.looked() == [1, 0]
    assert len(pulsing.producers) == 2, "this one has its time too"

    first.pulse_read_at = time.monotonic()
    assert (pulsing.pulses.not_ready(), await pulsing.looked()) == (None, [0, 0])
    second.pulse_read_at -= UNREAD_S + 1
    assert await pulsing.looked() == [0, 1]
    shards.freeze(WITHOUT)
    assert (pulsing.pulses.not_ready(), await pulsing.looked()) == (None, [0, None])
    await pulsing.pulses.stop()
    assert not pulsing.producers[-1].running


@pytest.mark.rule("HM-212")
async def test_a_pulse_says_where_the_log_ends_while_nothing_is_read() -> None:
    """What a poll has seen since is farther."""
    shards, first, second = owned()
    pulsing = Pulsing(shards)
    await pulsing.pulses.start()
    second.log_end = 900
    pulsing.pulses._beat()
    await asyncio.gather(*pulsing.pulses._under_way.values())
    assert (first.log_end, second.log_end) == (2, 900)
    await pulsing.pulses.stop()


@pytest.mark.rule("HM-312")
async def test_a_pulse_comes_each_second_and_behind_the_next_timer() -> None:
    shards, first, _ = owned()
    pulsing = Pulsing(shards)
    await pulsing.pulses.start()
    before = time.monotonic()
    assert pulsing.pulses._beat() <= EVERY_S
    await asyncio.gather(*pulsing.pulses._under_way.values())
    assert sorted(partition for _, partition in pulsing.writer.pulsed) == [WITH_A_TIMER, WITHOUT]

    first.read_at = before
    assert 0 <= pulsing.pulses._beat() <= TIMER_S + 0.01
    first.shard.await_announcement("n")
    wait_s = pulsing.pulses._beat()
    assert EVERY_S - (time.monotonic() - before) <= wait_s <= EVERY_S, "nobody is judged now: no timer is due"
    await pulsing.pulses.stop()


class Failing:
    """Fails as often as it is told to, then appends at offset 4."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    async def append(self, _producer: object, _partition: int, statement: object) -> Place:
        assert statement == Hello(nonce="n")
        self.failures -= 1
        if self.failures >= 0:
            raise RequestTimedOutError
        return Place(4, 1_000, 99)


@pytest.mark.rule("HM-44")
@pytest.mark.parametrize(("failures", "place"), [(0, Place(4, 1_000, 99)), (1, None)])
async def test_where_a_hello_stands_is_said_only_when_it_stands_once(failures: int, place: Place | None) -> None:
    pulses = Pulses(Shards(), cast("Any", Failing(failures)), "me", cast("Any", None))
    pulses._producer = cast("Any", object())
    assert await pulses.hello(0, "n") == place
