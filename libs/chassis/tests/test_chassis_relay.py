"""The outbox reaches Kafka in commit order per key, all of it, whoever relays and whatever breaks."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiokafka.errors import OutOfOrderSequenceNumber
from chassis_echo.app import PACKAGE, SAID, build_relay
from chassis_echo.wire import Wire
from chassis_echo.workbench import WITHIN_S, Process, database_of, end_of, read, until
from sqlalchemy import text

from fettle_chassis import outbox_queue, relay
from fettle_chassis.copying import MANY
from fettle_chassis.database import Database
from fettle_chassis.failures import MessageTooLarge
from fettle_chassis.outbox import SIZE_LIMIT, Outgoing, write
from fettle_chassis.outbox_queue import OutboxQueue
from fettle_chassis.publisher import Chunk, Publisher
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topics import ensure_topics
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.cloudevents import CloudEvent, from_record
from fettle_contracts.times import parse_time

EVENTS = "ticket.events"


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


@pytest.fixture
async def database(settings: ServiceSettings) -> AsyncIterator[Database]:
    async with prepared(settings) as database:
        yield database


@asynccontextmanager
async def prepared(settings: ServiceSettings) -> AsyncIterator[Database]:
    async with database_of(settings) as database:
        await database.ensure_exists()
        await database.migrate(PACKAGE)
        await ensure_topics(settings, [SAID, EVENTS])
        yield database


async def say(database: Database, *values: str, key: str = "k", topics: tuple[str, ...] = (SAID,)) -> None:
    async with unit_of_work(database) as work:
        work.publish(*(Outgoing(topics, key.encode(), value.encode()) for value in values))


async def until_empty(database: Database, *, within_s: float = WITHIN_S) -> None:
    async with database.reading() as connection:
        await until(lambda: connection.scalar(text("SELECT count(*) = 0 FROM outbox")), within_s=within_s)


def values(records: list[Any]) -> list[str]:
    return [record.value.decode() for record in records]


@pytest.mark.rule("KF-40")
async def test_each_key_arrives_in_commit_order_on_every_topic(settings: ServiceSettings, database: Database) -> None:
    async with build_relay(settings).running():
        for batch in range(30):
            async with unit_of_work(database) as work:
                for number in range(100):
                    event = CloudEvent(
                        id=f"e{batch}-{number}",
                        source="fettle/echo",
                        type="fettle.echo.v1",
                        time=parse_time("2026-01-01T00:00:00Z"),
                        data=b"%d" % (batch * 100 + number),
                        key=f"org/{number % 7}",
                    )
                    work.publish(Outgoing.of(event, EVENTS, SAID))
        await until_empty(database)
        by_topic = {topic: await read(settings, topic, 3_000) for topic in (EVENTS, SAID)}
    for records in by_topic.values():
        by_key = defaultdict(list)
        for record in records:
            by_key[record.key].append(int(record.value))
        assert all(numbers == sorted(numbers) for numbers in by_key.values())
        assert sorted(number for numbers in by_key.values() for number in numbers) == list(range(3_000))
    ids = [{from_record(r.headers, r.key, r.value).id for r in records} for records in by_topic.values()]
    assert ids[0] == ids[1]
    assert await end_of(settings, EVENTS) == 3_000


@pytest.mark.rule("OP-22")
async def test_a_relay_on_a_slow_database_begins_like_any_other(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session is asked to listen and is read with, and can do only one of them at a time."""
    at_once = asyncpg.Connection.add_listener

    async def slowly(session: Any, *what: Any) -> None:
        await session.execute("SELECT pg_sleep(1)")
        await at_once(session, *what)

    monkeypatch.setattr(asyncpg.Connection, "add_listener", slowly)
    await say(database, "early")
    async with build_relay(settings).running():
        await until_empty(database)
        assert values(await read(settings, SAID, 1)) == ["early"]


@pytest.mark.rule("KF-40")
@pytest.mark.parametrize("more", [0, MANY])
async def test_bytes_partitions_and_tombstones_arrive_as_they_were_given(
    settings: ServiceSettings, database: Database, more: int
) -> None:
    headers = [("a", b"\x00\xff"), ("b", b""), ("ä", "ü".encode())]
    async with build_relay(settings).running():
        async with unit_of_work(database) as work:
            work.publish(
                Outgoing((SAID,), b"\xff\x00", b"\x00value", headers, partition=1),
                Outgoing((SAID,), None, b"no key", partition=1),
                Outgoing((SAID,), b"gone", None, partition=1),
                *(Outgoing((SAID,), b"k", b"%d" % number, partition=1) for number in range(more)),
            )
        first, second, third, *others = await read(settings, SAID, 3 + more)
    assert values(others) == [str(number) for number in range(more)]
    assert (first.key, first.value, list(first.headers)) == (b"\xff\x00", b"\x00value", headers)
    assert (second.key, second.value) == (None, b"no key")
    assert (third.key, third.value) == (b"gone", None)
    assert {first.partition, second.partition, third.partition} == {1}


@pytest.mark.rule("KF-41")
@pytest.mark.parametrize("early_ones", [1, MANY])
async def test_a_transaction_that_commits_late_is_not_left_behind(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch, early_ones: int
) -> None:
    monkeypatch.setattr(outbox_queue, "_RAISE_AFTER_ROWS", 1)
    async with build_relay(settings).running():
        async with database.engine.begin() as early:
            await write(early, [Outgoing((SAID,), b"early", b"early")] * early_ones)
            for number in range(20):
                await say(database, f"late {number}")
            await until_empty(database)
            assert await end_of(settings, SAID) == 20
        await until_empty(database)
        records = await read(settings, SAID, 20 + early_ones)
    assert sum(record.value == b"early" for record in records) == early_ones


@pytest.mark.rule("KF-41")
async def test_the_floor_rises_behind_the_last_writer_only(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_queue, "_RAISE_AFTER_ROWS", 1)
    session = await database.session()
    queue = OutboxQueue(session)

    async def turn() -> list[int]:
        ids = [row["id"] for row in await queue.read(100, ())]
        await queue.delete(ids)
        return ids

    try:
        async with database.engine.begin() as early:
            await write(early, [Outgoing((SAID,), b"early", b"early")])
            await say(database, "one", "two")
            for _ in range(5):
                await turn()
            assert queue.floor == 0
        assert await turn() == [1]
        for number in range(3):
            await say(database, f"more {number}")
            assert len(await turn()) == 1
        async with asyncio.timeout(60):
            while queue.floor < 3:  # it also waits for transactions of the cluster's other databases
                await turn()
        await say(database, "last")
        [last] = [row["id"] for row in await queue.read(100, ())]
        for _ in range(5):
            assert await queue.read(100, (last,)) == []
        assert queue.floor < last
        await queue.delete([last])
        async with asyncio.timeout(60):
            while queue.floor < last:  # it goes on rising
                await turn()
    finally:
        session.terminate()


@pytest.mark.rule("KF-47")
async def test_a_plan_from_when_nothing_waited_does_not_read_all_that_waits(database: Database) -> None:
    session = await database.session(**outbox_queue.SESSION)
    queue = OutboxQueue(session)
    try:
        await say(database, "gone")
        await queue.delete([row["id"] for row in await queue.read(1, ())])
        await session.execute("VACUUM ANALYZE outbox")
        for _ in range(10):  # from the sixth on the plan stays
            await queue.read(1, ())
        await say(database, *map(str, range(1_000)))
        reading = await session.fetchval(
            "SELECT name FROM pg_prepared_statements WHERE statement = $1", outbox_queue._READ
        )
        plan = "\n".join(row[0] for row in await session.fetch(f"EXPLAIN EXECUTE {reading} (0, '{{}}', 1)"))
    finally:
        session.terminate()
    assert "Index Scan using outbox_pkey" in plan


@pytest.mark.rule("KF-42")
async def test_a_message_that_is_too_large_is_refused_in_its_transaction(
    settings: ServiceSettings, database: Database
) -> None:
    largest = b"x" * (SIZE_LIMIT - 1)
    async with build_relay(settings).running():
        with pytest.raises(MessageTooLarge, match=rf"{SIZE_LIMIT + 1} bytes for {SAID}"):
            await say(database, "small", "x" * SIZE_LIMIT)
        with pytest.raises(MessageTooLarge, match=rf"{SIZE_LIMIT + 1} bytes for {SAID}"):
            Outgoing((SAID,), b"k", None, [("h", b"x" * (SIZE_LIMIT - 1))]).check_size()
        async with unit_of_work(database) as work:
            work.publish(Outgoing((SAID,), b"k", largest))
        [record] = await read(settings, SAID, 1)
    assert record.value == largest
    assert await end_of(settings, SAID) == 1


@pytest.mark.rule("OP-22")
async def test_the_relay_wakes_when_a_transaction_commits(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_GAUGE_S", 60.0)
    async with build_relay(settings).running():
        for number in range(5):
            await say(database, f"n{number}")
            assert values(await read(settings, SAID, number + 1, within_s=40.0))[-1] == f"n{number}"


@pytest.mark.rule("OP-22")
async def test_rows_that_nobody_announced_are_published_when_they_are_counted(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_GAUGE_S", 0.2)
    async with build_relay(settings).running():
        await say(database, "first")
        await until_empty(database)
        async with database.engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO outbox (topics, key, headers, value) VALUES (:topic, 'k', '[]', 'second')"),
                {"topic": SAID},
            )
        assert values(await read(settings, SAID, 2)) == ["first", "second"]


@pytest.mark.rule("OP-22")
async def test_the_relay_reads_no_more_often_than_it_is_told_to(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, reads = OutboxQueue.read, 0

    async def counted(self: OutboxQueue, *asked: Any) -> Any:
        nonlocal reads
        reads += 1
        return await real(self, *asked)

    monkeypatch.setattr(relay, "_GAUGE_S", 60.0)
    monkeypatch.setattr(OutboxQueue, "read", counted)
    async with build_relay(settings).running():
        for number in range(5):
            await say(database, f"n{number}")
            await until_empty(database)
    assert reads <= 1 + 5


@pytest.mark.rule("OP-22")
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
async def test_another_relay_takes_over_when_the_active_one_dies_or_hangs(
    settings: ServiceSettings, database: Database, environment: dict[str, str], blow: signal.Signals
) -> None:
    active = await Process.start(environment, "relay")
    try:
        await active.said("relay.active")
        async with build_relay(settings).running():
            await say(database, "first")
            await until_empty(database)
            active.send(blow)
            await say(database, "second")
            begun = asyncio.get_running_loop().time()
            assert values(await read(settings, SAID, 2)) == ["first", "second"]
            assert asyncio.get_running_loop().time() - begun < 6.0
            if blow is signal.SIGSTOP:
                active.send(signal.SIGCONT)
                await active.said("relay.lease_lost")
                await say(database, "third")
                await until_empty(database)
                arrived = values(await read(settings, SAID, await end_of(settings, SAID)))
                assert list(dict.fromkeys(arrived)) == ["first", "second", "third"]
    finally:
        await active.kill()


@pytest.mark.rule("OP-22")
async def test_only_one_of_two_relays_publishes(settings: ServiceSettings, database: Database) -> None:
    async with build_relay(settings).running(), build_relay(settings).running():
        for number in range(50):
            await say(database, f"n{number}")
        await until_empty(database)
    assert await end_of(settings, SAID) == 50


@pytest.mark.rule("OP-23")
async def test_a_producer_that_failed_is_replaced(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = Publisher.acknowledged, 0

    async def wedged(self: Publisher, chunk: Chunk) -> None:
        nonlocal failures
        if failures < 3:
            failures += 1
            raise OutOfOrderSequenceNumber
        await real(self, chunk)

    monkeypatch.setattr(Publisher, "acknowledged", wedged)
    async with build_relay(settings).running():
        names = [f"n{number}" for number in range(200)]
        await say(database, *names)
        await until_empty(database)
        arrived = values(await read(settings, SAID, 200))
    assert list(dict.fromkeys(arrived)) == names[: len(set(arrived))]


@pytest.mark.rule("OP-23")
async def test_connections_to_the_database_are_replaced(settings: ServiceSettings, database: Database) -> None:
    async with build_relay(settings).running():
        await say(database, "first")
        await until_empty(database)
        async with database.reading() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        await say(database, "second")
        assert values(await read(settings, SAID, 2)) == ["first", "second"]


@pytest.mark.rule("KF-52")
@pytest.mark.parametrize("waits", [True, False], ids=["rows wait", "nothing waits"])
async def test_a_listening_connection_that_dies_silently_is_replaced(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    monkeypatch.setattr(relay, "_GAUGE_S", 0.5)
    monkeypatch.setattr(outbox_queue, "ANSWERS_WITHIN_S", 1.0)
    wire = Wire()

    async def replaced() -> bool:
        return len(wire.listening) > 1

    async with (
        wire.beside(settings.database_dsn("tickets")) as url,
        build_relay(settings.model_copy(update={"tickets_database_url": url})).running(),
    ):
        await say(database, "first")
        await until_empty(database)
        wire.cut_listeners()
        assert wire.cut
        if waits:
            await say(database, "second")
            assert values(await read(settings, SAID, 2)) == ["first", "second"]
        await until(replaced)


@pytest.mark.slow
@pytest.mark.rule("OP-23")
@pytest.mark.parametrize("fault", ["stop", "pause"])
async def test_a_broker_that_is_away_is_waited_for(
    own_environment: dict[str, str], own_servers: Any, fault: str
) -> None:
    settings = ServiceSettings.load(own_environment)
    names = [f"n{number}" for number in range(400)]
    async with prepared(settings) as database, build_relay(settings).running():
        await say(database, *names[:100])
        await read(settings, SAID, 100)
        (own_servers.kafka.stop if fault == "stop" else own_servers.kafka.pause)()
        for number in range(100, 400, 10):
            await say(database, *names[number : number + 10])
        await asyncio.sleep(17.0)  # longer than the relay waits for an acknowledgement
        await asyncio.to_thread(own_servers.kafka.start if fault == "stop" else own_servers.kafka.resume)
        await until_empty(database)
        arrived = values(await read(settings, SAID, await end_of(settings, SAID)))
    assert list(dict.fromkeys(arrived)) == names
