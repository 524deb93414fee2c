"""The judge's owner of shards against clients that fail and logs that change under it."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, RequestTimedOutError
from judge_bugs import READ, poisoned
from judge_log import DEVICE, Log, judge, read_control

from fettle_health_monitor.adapters.judge.heartbeat_log import Bounds
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot
from fettle_health_monitor.domain.judge.shard import Place, Shard, place_of
from fettle_health_monitor.judge import owner as owner_module
from fettle_health_monitor.judge.opening import OpenedShard
from fettle_health_monitor.judge.owned import Owned, Shards
from fettle_health_monitor.judge.owner import Owner
from fettle_health_monitor.judge.saving import AnotherLog, Saving

TOPIC = "t"
HELD, OTHER = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


class Consumer:
    """A group consumer that owns partition 0 and fails in `getmany`, at `start`, or never."""

    def __init__(self, *, at_start: Exception | None = None, at_poll: Exception | None = None) -> None:
        self.at_start, self.at_poll = at_start, at_poll
        self.done: list[str] = []
        self.resumed = asyncio.Event()
        self.listener: Owner | None = None

    async def start(self) -> None:
        if self.at_start is not None:
            raise self.at_start

    def subscribe(self, _topics: list[str], listener: Owner) -> None:
        self.listener = listener

    async def getmany(self, **_: Any) -> dict[Any, Any]:
        if "assigned" not in self.done and self.listener is not None:
            self.done.append("assigned")
            await self.listener.on_partitions_assigned({HELD})
        await asyncio.sleep(0.01)
        if self.at_poll is not None:
            raise self.at_poll
        return {}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}

    def seek(self, _where: TopicPartition, offset: int) -> None:
        self.done.append(f"seek {offset}")

    def pause(self, _where: TopicPartition) -> None:
        self.done.append("pause")

    def resume(self, _where: TopicPartition) -> None:
        self.done.append("resume")
        self.resumed.set()

    async def stop(self) -> None:
        self.done.append("stop")


class Quiet:
    """Every part that the owner needs and that has nothing to say here."""

    async def room(self) -> None:
        return

    async def known(self, _shard: Shard) -> frozenset[int]:
        return frozenset()

    async def hello(self, _partition: int, _nonce: str) -> None:
        return

    def unread(self) -> list[int]:
        return []

    def reconsider(self) -> None:
        return

    def write(self, _judgements: object) -> None:
        return

    owner = "me"

    async def crashed(self, *_: object) -> None:
        return

    async def save_last(self, owned: Owned, _within_s: float) -> None:
        raise AssertionError(f"shard {owned.partition} is saved")


class SlowOpening:
    """The first opening never ends."""

    def __init__(self) -> None:
        self.asked = 0
        self.given_up = 0

    async def open(self, partition: int, partitions: int, _frozen: Shard | None) -> OpenedShard:
        self.asked += 1
        if self.asked == 1:
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up += 1
        return OpenedShard(Shard(partition, partitions, 1), 7)


class Lost:
    lost: asyncio.Queue[Any]

    def __init__(self) -> None:
        self.lost = asyncio.Queue()


def owner_of(shards: Shards, opening: Any, *consumers: Consumer) -> Owner:
    """An owner that is given these clients, one after the other."""
    left = list(consumers)
    quiet = cast("Any", Quiet())
    return Owner(
        topic=TOPIC,
        build=lambda: left.pop(0),
        control_of=lambda _partition: cast("Any", None),
        shards=shards,
        opening=opening,
        saving=quiet,
        saving_loop=cast("Any", Lost()),
        journal=quiet,
        pulses=quiet,
        dead_letters=quiet,
        setting_aside=quiet,
    )


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_module, "_REBUILT_AFTER_S", 0.0)


@pytest.mark.rule("HM-46")
async def test_a_shard_that_is_being_opened_when_its_client_fails_is_opened_for_the_next_client() -> None:
    shards, opening = Shards(), SlowOpening()
    first, second = Consumer(at_poll=RequestTimedOutError()), Consumer()
    owner = owner_of(shards, opening, first, second)
    running = asyncio.create_task(owner.run())
    await asyncio.wait_for(second.resumed.wait(), 20)
    assert 0 in shards.owned
    await asyncio.sleep(0)
    assert owner.not_ready() is None
    assert (opening.asked, opening.given_up) == (2, 1)
    assert first.done == ["assigned", "seek 0", "pause", "stop"]
    assert second.done == ["assigned", "seek 0", "pause", "seek 7", "resume"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.rule("HM-46")
async def test_a_group_in_trouble_is_tried_some_times_and_then_ends_the_judge() -> None:
    trouble = KafkaError("Unexpected error in join group response")
    tries = [Consumer(at_start=trouble) for _ in range(11)]
    with pytest.raises(ExceptionGroup) as ended:
        await owner_of(Shards(), SlowOpening(), *tries).run()
    assert ended.value.exceptions == (trouble,)
    assert all(one.done == ["stop"] for one in tries[:10])


@pytest.mark.rule("HM-46")
async def test_what_is_no_word_of_the_broker_ends_the_judge_at_once() -> None:
    with pytest.raises(ExceptionGroup) as ended:
        await owner_of(Shards(), SlowOpening(), Consumer(at_start=ValueError("a bug"))).run()
    assert isinstance(ended.value.exceptions[0], ValueError)


@pytest.mark.rule("HM-52")
async def test_a_shard_whose_batch_has_ended_its_judge_is_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state has half of the batch, of which nothing was said, and its place is from before."""
    log = Log().policy().beat()
    shards, shard = Shards(), judge(log).shard
    shards.take(owned := Owned(shard, read_control, None))
    log.beat(status="offline").raw(DEVICE.encode(), b'{"name":"poison"}')
    monkeypatch.setattr(READ, poisoned())
    owner = owner_of(shards, SlowOpening())
    with pytest.raises(ZeroDivisionError):
        await owner._judge(owned, log.records[2:])
    assert (shards.owned, shards.frozen) == ({}, {})
    await owner.stop()


class Looking(Quiet):
    """Finds another log under the name whenever it is asked to look, and counts that."""

    def __init__(self) -> None:
        self.looked = 0

    async def check_log(self, owned: Owned) -> int:
        self.looked += 1
        raise AnotherLog(owned)


class BehindLostLog:
    """Opens the shard behind lost log, with another nonce each time, and notes in which order it is told of a hello."""

    def __init__(self, shards: Shards, places: list[Place | None]) -> None:
        self.shards, self.places = shards, places
        self.done: list[str] = []

    async def open(self, _partition: int, _partitions: int, _frozen: Shard | None) -> OpenedShard:
        shard, nonce = judge(Log().policy().beat()).shard, f"n{len(self.done)}"
        shard.await_announcement(nonce)
        return OpenedShard(shard, 9, nonce)

    async def hello(self, _partition: int, nonce: str) -> Place | None:
        self.done.append(f"hello {nonce}")
        return self.places.pop(0)

    async def greeted_again(self, _shard: Shard, greeting: Greeting) -> None:
        assert self.shards.owned == {}, "nothing is read of it yet"
        self.done.append(f"greeted {greeting.nonce} {greeting.place.offset}")
        if greeting.place.offset == 12:
            raise TimeoutError


@pytest.mark.rule("HM-327")
async def test_behind_lost_log_nothing_is_read_before_it_is_on_record_where_the_hello_stands() -> None:
    """Where that is not known, or another owner was faster, all of it is looked at once more."""
    shards, consumer = Shards(), Consumer()
    opening = BehindLostLog(shards, [None, Place(12, 0, 0), Place(15, 0, 0)])
    owner = owner_of(shards, opening, consumer)
    opening_as_pulses = SimpleNamespace(hello=opening.hello, owner="me", unread=list)
    owner._pulses = cast("Any", opening_as_pulses)
    running = asyncio.create_task(owner.run())
    await asyncio.wait_for(consumer.resumed.wait(), 20)
    assert opening.done == ["hello n0", "hello n1", "greeted n1 12", "hello n3", "greeted n3 15"]
    assert consumer.done == ["assigned", "seek 0", "pause", "seek 9", "resume"]
    announcement = shards.owned[0].shard.announcement
    assert announcement is not None
    assert announcement.nonce == "n3"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Reopening:
    """Says with which state a shard was to be opened again."""

    def __init__(self) -> None:
        self.frozen: asyncio.Queue[Shard | None] = asyncio.Queue()

    async def open(self, partition: int, partitions: int, frozen: Shard | None) -> OpenedShard:
        self.frozen.put_nowait(frozen)
        return OpenedShard(Shard(partition, partitions, 2), 0)


@pytest.mark.rule("HM-43")
@pytest.mark.parametrize(
    ("offset", "later_ms", "looks"), [(0, 0, False), (0, 1_000, False), (1, 1_000, True), (0, -1, True)]
)
async def test_the_log_is_looked_at_where_offsets_are_missing_or_time_steps_back(
    offset: int, later_ms: int, looks: bool
) -> None:
    """A topic that was made anew and filled up to the same offset shows by its times alone."""
    shards, looking = Shards(), Looking()
    shards.take(owned := Owned(judge(Log().policy().beat().beat()).shard, read_control, None))
    owner = owner_of(shards, Reopening(), Consumer())
    owner._saving, owner._consumer = cast("Any", looking), Consumer()
    at = owned.shard.place
    assert at is not None
    following = SimpleNamespace(offset=at.offset + 1 + offset, timestamp=at.timestamp + later_ms)
    assert await owner._continues(owned, [cast("Any", following)]) is not looks
    assert (looking.looked, 0 in shards.owned) == (int(looks), not looks)


@pytest.mark.rule("HM-43")
async def test_a_shard_whose_log_is_gone_takes_nothing_of_it_along() -> None:
    shards, opening, consumer = Shards(), Reopening(), Consumer()
    owner = owner_of(shards, opening, consumer)
    running = asyncio.create_task(owner.run())
    await asyncio.wait_for(consumer.resumed.wait(), 20)
    assert await opening.frozen.get() is None
    shards.take(lost := Owned(judge(Log().policy().beat()).shard, read_control, None))
    owner._saving_loop.lost.put_nowait(lost)
    assert await asyncio.wait_for(opening.frozen.get(), 20) is None
    assert shards.frozen == {}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Fetched(Consumer):
    """Hands out one batch, and has no more."""

    def __init__(self, batch: dict[Any, Any]) -> None:
        super().__init__()
        self.batch = batch

    async def getmany(self, **_: Any) -> dict[Any, Any]:
        batch, self.batch = self.batch, {}
        return batch

    def assignment(self) -> set[Any]:
        return {HELD, OTHER}

    def highwater(self, where: TopicPartition) -> int:
        return 40 + int(where.partition)


@pytest.mark.rule("HM-326")
@pytest.mark.parametrize("reopened", [True, False])
async def test_what_was_fetched_before_a_shard_is_opened_anew_is_of_the_old_log(*, reopened: bool) -> None:
    """While the records of another shard are looked at, its log turns out to be another one."""
    shards, log = Shards(), Log().policy().beat()
    for partition in (HELD.partition, OTHER.partition):
        shards.take(Owned(Shard(partition, 2, 1), read_control, None))
    later = shards.owned[OTHER.partition]

    class TurnsOut(Quiet):
        async def check_log(self, owned: Owned) -> int:
            assert owned.partition == HELD.partition
            if reopened:
                shards.take(Owned(Shard(OTHER.partition, 2, 2), read_control, None))
            return 0

    shards.owned[HELD.partition].shard.place = Place(70, 1_000, 99)
    owner = owner_of(shards, SlowOpening())
    owner._saving, owner._consumer = cast("Any", TurnsOut()), Fetched({HELD: log.records, OTHER: log.records})
    await owner._poll()
    now = shards.owned[OTHER.partition]
    assert (now is later) is not reopened
    assert (now.shard.place, now.log_end) == ((None, 0) if reopened else (place_of(log.records[-1]), 41))


class Away(Quiet):
    """The dead-letter topic is away until it is said to be there. All that is saved is taken."""

    def __init__(self) -> None:
        self.asked, self.there = asyncio.Event(), asyncio.Event()
        self.places: list[Place] = []

    async def bury(self, _partition: int, _refusals: object) -> None:
        self.asked.set()
        await self.there.wait()

    def mark(self) -> dict[int, int]:
        return {}

    async def acknowledged(self, _mark: object) -> None:
        return

    async def bounds(self, _partition: int) -> Bounds:
        return Bounds(0, 100)

    async def save(self, taken: Snapshot, _state: bytes, _log_starts: int) -> bool:
        self.places.append(taken.place)
        return True


@pytest.mark.rule("HM-325")
@pytest.mark.parametrize("ends", [True, False])
async def test_a_shard_is_not_saved_before_its_dead_letters_are_written(*, ends: bool) -> None:
    """Whoever went on behind them would not know that there are any. Nor does it stand still as it is, to go on so."""
    shards, away, log = Shards(), Away(), Log().policy().beat()
    shards.take(owned := Owned(judge(log).shard, read_control, None))
    saving = Saving(cast("Any", away), cast("Any", away), cast("Any", away))
    owner = owner_of(shards, SlowOpening())
    owner._saving, owner._dead_letters = saving, cast("Any", away)
    judging = asyncio.create_task(owner._judge(owned, log.beat(status="asleep").records[2:]))
    await asyncio.wait_for(away.asked.wait(), 20)
    await saving.save(owned)
    if ends:
        judging.cancel()
    else:
        away.there.set()
    await asyncio.gather(judging, return_exceptions=True)
    assert away.places == []
    await owner.stop()
    place = place_of(log.records[-1])
    assert owned.shard.place == place
    assert (away.places, shards.frozen) == (([], {}) if ends else ([place], {0: owned.shard}))
