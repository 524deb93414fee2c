"""One effect each, whatever fails when: connections, transactions, owners, processes, topics."""

import asyncio
import random
import signal
from collections.abc import Iterator, Sequence
from typing import ClassVar, cast

import pytest
from aiokafka import TopicPartition
from chassis_echo.app import HEARD, PACKAGE, SAID, build, hear, name, subscription
from chassis_echo.workbench import (
    Process,
    database_of,
    end_of,
    heard,
    produce,
    run_until_failure,
    until,
    until_heard,
)
from sqlalchemy import text

from fettle_chassis import membership
from fettle_chassis.consume import Record
from fettle_chassis.failures import StartRefused, TransientError
from fettle_chassis.kafka import GROUP_MEMBER, build_admin, build_consumer
from fettle_chassis.log_identity import LogIdentity
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topic_ids import TopicIds
from fettle_chassis.topics import ensure_topics
from fettle_chassis.unit_of_work import UnitOfWork


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


@pytest.mark.rule("KF-35")
async def test_what_passes_is_waited_for_and_the_batch_done_whole(settings: ServiceSettings) -> None:
    fails = iter(["40001", "40P01", "55P03", "57014", "53300", TransientError("x"), TimeoutError(), OSError()])

    async def unlucky(work: UnitOfWork, batch: Sequence[Record]) -> None:
        await hear(work, batch)
        match next(fails, None):
            case str(state):
                await work.connection.execute(
                    text(f"DO $$ BEGIN RAISE EXCEPTION 'unlucky' USING ERRCODE = '{state}'; END $$")
                )
            case Exception() as error:
                raise error

    async with build(settings, subscription(unlucky)).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a", "b", "c"], key=b"one")
        assert await until_heard(database, 3) == ["a", "b", "c"]
    assert next(fails, None) is None
    assert await end_of(settings, f"{HEARD}.dlq") == 0


@pytest.mark.rule("KF-30")
async def test_records_that_come_while_a_log_is_made_known_are_not_passed_over(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are fetched before the position is set, and must come again after it."""
    at_once = LogIdentity._remember

    async def slowly(self: LogIdentity, places: Sequence[TopicPartition]) -> None:
        await produce(settings, HEARD, ["a", "b"], key=b"one")
        await asyncio.sleep(1.0)
        await at_once(self, places)

    monkeypatch.setattr(LogIdentity, "_remember", slowly)
    async with build(settings, subscription()).running(), database_of(settings) as database:
        assert await until_heard(database, 2) == ["a", "b"]


@pytest.mark.rule("KF-30", "KF-37")
async def test_what_was_in_hand_of_one_topic_comes_again_when_another_is_a_new_log(settings: ServiceSettings) -> None:
    """Positions of all partitions go back to what was committed, also when that took two tries."""
    old, new = TopicPartition(settings.topic(HEARD), 0), TopicPartition(settings.topic(SAID), 0)

    class Consumer:
        commits: ClassVar[dict[TopicPartition, int]] = {old: 7}
        positions: ClassVar[dict[TopicPartition, int]] = {old: 9, new: 40}
        fails = True

        def assignment(self) -> set[TopicPartition]:
            return {old, new}

        async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
            return dict.fromkeys(places, 0)

        async def commit(self, offsets: dict[TopicPartition, int]) -> None:
            self.commits.update(offsets)

        async def committed(self, place: TopicPartition) -> int:
            if self.fails:
                self.fails = False
                raise TransientError("the broker is away")
            return self.commits[place]

        def seek(self, place: TopicPartition, offset: int) -> None:
            self.positions[place] = offset

    class Ids:
        async def of(self, topics: Sequence[str]) -> dict[str, str]:
            return {topic: f"id of {topic}" for topic in topics}

    consumer, voided = Consumer(), list[str]()
    async with database_of(settings) as database:
        await database.ensure_exists()
        await database.migrate(PACKAGE)
        logs = LogIdentity("s", (HEARD,), settings.topic_prefix, database, cast(TopicIds, Ids()))
        logs.ids = {HEARD: f"id of {settings.topic(HEARD)}"}
        await logs._remember([old])
        logs = LogIdentity("s", (HEARD, SAID), settings.topic_prefix, database, cast(TopicIds, Ids()))
        with pytest.raises(TransientError):
            await logs.check(consumer, 1, lambda: voided.append("once"))
        await logs.check(consumer, 1, lambda: voided.append("again"))
    assert consumer.positions == {old: 7, new: 0}
    assert voided == ["once", "again"]


@pytest.mark.rule("KF-35")
async def test_a_connection_lost_inside_the_transaction(settings: ServiceSettings) -> None:
    lost: list[int] = []

    async def cut_off(work: UnitOfWork, batch: Sequence[Record]) -> None:
        await hear(work, batch)
        if not lost:
            lost.append(await work.connection.scalar(text("SELECT pg_backend_pid()")))
            async with database_of(settings) as database, database.reading() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": lost[0]})

    async with build(settings, subscription(cut_off)).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a", "b"], key=b"one")
        assert await until_heard(database, 2) == ["a", "b"]
    assert len(lost) == 1


@pytest.mark.rule("OP-20")
async def test_a_service_that_waits_stops_at_once_and_loses_nothing(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.Event()

    async def away(_work: UnitOfWork, _batch: Sequence[Record]) -> None:
        raise TransientError("away")

    def far_longer_than_stopping_may_take() -> Iterator[float]:
        waiting.set()
        yield 60.0

    with monkeypatch.context() as patch:
        patch.setattr("fettle_chassis.batch.pauses", far_longer_than_stopping_may_take)
        async with build(settings, subscription(away)).running():
            await produce(settings, HEARD, ["a", "b"], key=b"one")
            await waiting.wait()
            begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 20.0
    async with build(settings, subscription()).running(), database_of(settings) as database:
        assert await until_heard(database, 2) == ["a", "b"]


@pytest.mark.rule("KF-35")
async def test_a_long_wait_does_not_cost_the_membership(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GROUP_MEMBER, "max_poll_interval_ms", 3_000)
    monkeypatch.setattr(membership, "_POLL_EVERY_S", 0.5)
    until = asyncio.get_running_loop().time() + 8.0
    batches = 0

    async def away(work: UnitOfWork, batch: Sequence[Record]) -> None:
        nonlocal batches
        if asyncio.get_running_loop().time() < until:
            raise TransientError("away")
        batches += 1
        await hear(work, batch)

    async with build(settings, subscription(away)).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a"], key=b"one")
        assert await until_heard(database, 1) == ["a"]
        await produce(settings, HEARD, ["b"], key=b"one")
        assert await until_heard(database, 2) == ["a", "b"]
    assert batches == 2


@pytest.mark.rule("KF-36")
@pytest.mark.parametrize("hangs", [False, True])
async def test_a_rebalance_while_a_transaction_runs(settings: ServiceSettings, hangs: bool) -> None:
    names = [f"n{number}" for number in range(200)]
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(work: UnitOfWork, batch: Sequence[Record]) -> None:
        await hear(work, batch)
        begun.set()
        await go_on.wait()

    async with build(settings, subscription(slow)).running(), database_of(settings) as database:
        await produce(settings, HEARD, names)
        await begun.wait()
        other = settings.model_copy(update={"tickets_port": 0})
        second = build(other, subscription())
        async with second.running():
            await _joined(second)
            if hangs:  # until the server has ended its transaction, and the other one has taken over its share
                await until_heard(database, 1)
            go_on.set()
            assert sorted(await until_heard(database, len(names))) == sorted(names)
            await produce(settings, HEARD, ["late 1", "late 2", "late 3"])
            found = await until_heard(database, len(names) + 3)
    assert len(found) == len(set(found)) == len(names) + 3


@pytest.mark.rule("KF-36")
async def test_an_owner_of_yesterday_cannot_commit(settings: ServiceSettings) -> None:
    """While this process is inside its handler for the second time, another one claims the partition."""
    attempts: list[list[str]] = []

    async def overtaken(work: UnitOfWork, batch: Sequence[Record]) -> None:
        attempts.append([name(record) for record in batch])
        await hear(work, batch)

    async with build(settings, subscription(overtaken)).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a"], key=b"one")
        await until_heard(database, 1)
        async with database.engine.begin() as connection:
            await connection.execute(text("UPDATE partition_owner SET epoch = epoch + 1"))
        await produce(settings, HEARD, ["b"], key=b"one")
        assert await until_heard(database, 2) == ["a", "b"]
        async with database.reading() as connection:
            epochs = list(await connection.scalars(text("SELECT epoch FROM partition_owner WHERE epoch > 1")))
    assert attempts == [["a"], ["b"]]
    assert 3 in epochs


@pytest.mark.rule("KF-30")
async def test_killed_between_the_two_commits(settings: ServiceSettings, environment: dict[str, str]) -> None:
    await ensure_topics(settings, [HEARD])
    names = [f"n{number}" for number in range(50)]
    await produce(settings, HEARD, names, key=b"one", partition=0)
    for _ in range(2):
        process = await Process.start(environment, module="chassis_echo.dying")
        assert await process.ended() == -signal.SIGKILL
    async with database_of(settings) as database:
        assert await heard(database) == names
    async with build(settings, subscription()).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["end"], key=b"one", partition=0)
        assert await until_heard(database, 51) == [*names, "end"]
        async with database.reading() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM outbox")) == 51


@pytest.mark.slow
@pytest.mark.rule("KF-30")
async def test_killed_at_random_moments(settings: ServiceSettings, environment: dict[str, str]) -> None:
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    names = [f"n{number}" for number in range(3_000)]
    await ensure_topics(settings, [HEARD])
    producing = asyncio.create_task(produce(settings, HEARD, names))
    async with database_of(settings) as database:
        for _ in range(4):
            process = await Process.start(environment)
            await process.said("consumer.assigned")
            await asyncio.sleep(chance.uniform(0.0, 0.4))
            await process.kill()
        await producing
        async with build(settings, subscription()).running():
            found = await until_heard(database, len(names))
    assert sorted(found) == sorted(names), f"seed {seed}"


@pytest.mark.rule("KF-37")
async def test_a_topic_created_again_under_a_running_service_is_read_from_its_beginning(
    settings: ServiceSettings,
) -> None:
    """As many records again as there were before: the old position is the new log's end."""
    async with build(settings, subscription()).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a", "b", "c"], key=b"k", partition=0)
        await until_heard(database, 3)
        await _create_again(settings)
        await produce(settings, HEARD, ["d", "e", "f"], key=b"k", partition=0)
        assert await until_heard(database, 6) == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.rule("KF-37")
async def test_a_topic_created_again_behind_a_late_commit_is_read_from_its_beginning(settings: ServiceSettings) -> None:
    async with build(settings, subscription()).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a", "b", "c"], key=b"k", partition=0)
        await until_heard(database, 3)
    await _create_again(settings)
    await produce(settings, HEARD, ["d", "e", "f"], key=b"k", partition=0)
    await _commit_late(settings)
    async with build(settings, subscription()).running(), database_of(settings) as database:
        assert await until_heard(database, 6) == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.rule("OP-21")
async def test_two_processes_of_one_slot_stop_instead_of_fighting(settings: ServiceSettings) -> None:
    same = settings.model_copy(update={"slot": 0, "tickets_port": 0})
    with pytest.raises(StartRefused, match="uses the same slot"):
        async with build(same, subscription()).running():
            await run_until_failure(build(same, subscription()))


async def _joined(service: Service) -> None:
    async def ready() -> bool:
        return not service.not_ready()

    await until(ready)


async def _commit_late(settings: ServiceSettings) -> None:
    """As a process does that handled the old log's last batch and was slow to say so."""
    topic = settings.topic(HEARD)
    group = settings.group("echo.heard")
    consumer = build_consumer(settings, topic, client_id="late", group=group, instance_id="echo-0")
    await consumer.start()
    try:
        await consumer.getone()
        await consumer.commit({TopicPartition(topic, 0): 3})
    finally:
        await consumer.stop()


async def _create_again(settings: ServiceSettings) -> None:
    admin = build_admin(settings)
    await admin.start()
    try:
        await admin.delete_topics([settings.topic(HEARD)])

        async def gone() -> bool:
            return settings.topic(HEARD) not in await admin.list_topics()

        await until(gone)
    finally:
        await admin.close()
    await ensure_topics(settings, [HEARD])
