"""What comes while a batch is under way is in the next one, and nothing of yesterday is."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from chassis_echo.app import HEARD, build, hear, name, subscription
from chassis_echo.workbench import database_of, produce, until, until_heard

from fettle_chassis import membership
from fettle_chassis.consume import Record
from fettle_chassis.fence import Fence
from fettle_chassis.kafka import build_consumer
from fettle_chassis.membership import Membership
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.unit_of_work import UnitOfWork


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


@pytest.mark.rule("KF-38")
async def test_what_comes_while_a_batch_is_under_way_is_in_the_next_one(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "_LATER_WITHIN_MS", 20_000)
    monkeypatch.setattr(membership, "_RIGHT_BEHIND_S", 20.0)
    batches, begun, go_on = list[list[str]](), asyncio.Event(), asyncio.Event()

    async def slow(work: UnitOfWork, batch: Sequence[Record]) -> None:
        batches.append([name(record) for record in batch])
        begun.set()
        await go_on.wait()
        await hear(work, batch)

    async with build(settings, subscription(slow)).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a"], partition=0)
        await begun.wait()
        for later in "bcd":
            await produce(settings, HEARD, [later], partition=0)
        go_on.set()
        assert await until_heard(database, 4) == ["a", "b", "c", "d"]
    assert batches == [["a"], ["b", "c", "d"]]


@pytest.mark.rule("WF-141")
async def test_who_has_nothing_to_do_looks_twice_a_second_and_takes_what_comes_at_once(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Counter[str]()
    getmany = AIOKafkaConsumer.getmany

    def counted(consumer: Any, *places: TopicPartition, **asked: Any) -> Any:
        looks["all"] += 1
        return getmany(consumer, *places, **asked)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", counted)
    monkeypatch.setattr(membership, "_LOOK_MS", 60_000)
    async with build(settings, subscription(hear)).running(), database_of(settings) as database:
        for value in ("a", "b"):  # after the first one it only waits
            await produce(settings, HEARD, [value], partition=0)
            await until_heard(database, 1 if value == "a" else 2)
            looks.clear()
            await asyncio.sleep(1.0)
            assert looks["all"] <= 1


class Fetching:
    """A consumer that has one record more, and whose partitions are assigned anew before it hands it out, or that
    fails."""

    def __init__(self, member: Membership, *, rebalanced: bool = False, error: Exception | None = None) -> None:
        self._member, self._rebalanced, self._error = member, rebalanced, error

    async def getmany(self, **asked: Any) -> dict[TopicPartition, list[Any]]:
        if self._error:
            raise self._error
        if self._rebalanced:
            await self._member.on_partitions_revoked(set())
        return {TopicPartition(HEARD, 0): [record("b"), record("c")][: asked["max_records"]]}


def record(value: str) -> Any:
    return SimpleNamespace(topic=HEARD, partition=0, offset=0, timestamp=0, key=None, value=value.encode(), headers=())


def member_of(settings: ServiceSettings, room: int = 1) -> Membership:
    """On its own, outside of any group."""
    return Membership(
        settings,
        name="echo",
        topics=[HEARD],
        instance_id="1",
        max_records=room,
        fence=Fence("echo", {}),
        logs=None,  # type: ignore[arg-type]
    )


@pytest.mark.rule("KF-38")
@pytest.mark.parametrize(
    ("fetching", "room", "taken"),
    [
        ({}, 3, "abc"),
        ({}, 2, "ab"),
        ({}, 1, "a"),
        ({"error": KafkaError()}, 3, "a"),
        ({"error": ConsumerStoppedError()}, 3, "a"),
        ({"rebalanced": True}, 3, "bc"),
    ],
)
async def test_a_batch_keeps_its_size_and_has_nothing_that_comes_again(
    settings: ServiceSettings, fetching: dict[str, Any], room: int, taken: str
) -> None:
    member = member_of(settings, room)
    batches = list[str]()

    async def take(records: Sequence[Record]) -> None:
        batches.append("".join(map(name, records)))

    member.on_batch = take
    await member._take([record("first")])
    member._subscriber.consumer = Fetching(member, **fetching)
    await member._take([record("a")])
    assert batches == ["first", taken]
    member.failed.cancel()


class Committing:
    """A consumer that has nothing, and is told what is done; the first so many times it fails."""

    def __init__(self, failures: int = 0) -> None:
        self.told = list[int]()
        self.looked_ms = list[int]()
        self._failures = failures

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self._failures:
            self._failures -= 1
            raise KafkaError
        self.told += offsets.values()

    async def getmany(self, *, timeout_ms: int, **_: Any) -> dict[TopicPartition, list[Any]]:
        self.looked_ms.append(timeout_ms)
        return {}

    async def stop(self) -> None:
        pass


@pytest.mark.rule("KF-49")
async def test_offsets_are_committed_after_a_rest_now_and_then_and_before_the_next_rest(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert membership._COMMIT_EVERY_S == 0.25
    monkeypatch.setattr(membership, "_COMMIT_EVERY_S", 3600.0)
    member, consumer = member_of(settings), Committing()
    member._subscriber.consumer = consumer
    place = (HEARD, 0)
    for offset in (1, 2, 3):
        await member.commit({place: offset}, member.generation)
    assert consumer.told == [1]
    await member._next(consumer)
    assert consumer.told == [1, 3]
    await member._next(consumer)
    assert consumer.looked_ms == [50, 500], "what comes later than that comes behind a rest"
    monkeypatch.setattr(membership, "_COMMIT_EVERY_S", 0.0)
    await member.commit({place: 4}, member.generation)
    assert consumer.told == [1, 3, 4]
    member.failed.cancel()


@pytest.mark.rule("KF-49")
async def test_what_is_done_is_committed_before_partitions_change_hands_and_not_behind(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "_COMMIT_EVERY_S", 3600.0)
    member, consumer = member_of(settings), Committing()
    member._subscriber.consumer = consumer
    before = member.generation
    for offset in (1, 2):
        await member.commit({(HEARD, 0): offset}, before)
    await member.on_partitions_revoked(set())
    await member.commit({(HEARD, 0): 3}, before)
    await member._next(consumer)
    assert consumer.told == [1, 2]
    await member.commit({(HEARD, 1): 7}, member.generation)
    await member.stop()
    assert consumer.told == [1, 2, 7]


@pytest.mark.rule("KF-50")
async def test_a_commit_that_failed_is_tried_again_without_new_records_and_counted_once(
    settings: ServiceSettings,
) -> None:
    member, consumer = member_of(settings), Committing(failures=2)
    member._subscriber.consumer = consumer
    await member.commit({(HEARD, 0): 1, (HEARD, 1): 5}, member.generation)
    await member._next(consumer)
    assert (consumer.told, member.errors.in_a_row) == ([], 1)
    await member.commit({(HEARD, 0): 2}, member.generation)
    await member._next(consumer)
    assert (consumer.told, member.errors.in_a_row) == ([2, 5], 0)
    await member.stop()


@pytest.mark.rule("KF-50")
async def test_a_commit_that_fails_while_partitions_change_hands_is_let_go(settings: ServiceSettings) -> None:
    member, consumer = member_of(settings), Committing(failures=2)
    member._subscriber.consumer = consumer
    await member.commit({(HEARD, 0): 1}, member.generation)
    await member.on_partitions_revoked(set())
    await member._next(consumer)
    await member.stop()
    assert consumer.told == []


@pytest.mark.rule("KF-50")
async def test_a_quiet_topic_is_committed_although_the_broker_refused_at_first(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, refused = AIOKafkaConsumer.commit, list[object]()

    async def refusing(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        if 1 in offsets.values() and len(refused) < 2:
            refused.append(offsets)
            raise KafkaError
        await commit(consumer, offsets)

    monkeypatch.setattr(AIOKafkaConsumer, "commit", refusing)
    async with build(settings, subscription(hear)).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a"], partition=0)
        await until_heard(database, 1)
        await until(lambda: committed(settings, 1))
    assert len(refused) == 2


@pytest.mark.rule("KF-51")
async def test_nothing_comes_again_because_another_joins(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "_COMMIT_EVERY_S", 3600.0)
    monkeypatch.setattr(membership, "_REST_MS", 3_600_000)
    async with build(settings, subscription(hear)).running(), database_of(settings) as database:
        for count, value in enumerate("abc", 1):  # the first is committed at once, the others wait for a rest
            await produce(settings, HEARD, [value], partition=0)
            await until_heard(database, count)
        assert not await committed(settings, 3)
        async with build(settings.model_copy(update={"tickets_port": 0}), subscription(hear)).running():
            await until(lambda: committed(settings, 3))
            await produce(settings, HEARD, ["d"], partition=0)
            assert await until_heard(database, 4) == [*"abcd"]


async def committed(settings: ServiceSettings, offset: int) -> bool:
    """Whether the group is to go on there in the first partition."""
    consumer = build_consumer(settings, client_id="looking", group=settings.group("echo.heard"))
    await consumer.start()
    try:
        return bool(await consumer.committed(TopicPartition(settings.topic(HEARD), 0)) == offset)
    finally:
        await consumer.stop()
