"""A batch becomes its effects once, and bad records are set aside without stopping good ones."""

import asyncio
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from chassis_echo.app import HEARD, SAID, build, decode, hear, name, subscription
from chassis_echo.workbench import database_of, heard, produce, read, run_until_failure, until_heard
from confluent_kafka import Producer
from sqlalchemy import text

from fettle_chassis.batch import FuseBlown
from fettle_chassis.consume import Record, Subscription
from fettle_chassis.failures import BadRecord
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topics import ensure_topics
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.dead_letters import DLQ_HEADERS
from fettle_contracts.times import rfc3339


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


@pytest.mark.rule("KF-30")
async def test_an_effect_happens_once_however_often_a_record_comes(settings: ServiceSettings) -> None:
    both = subscription(topics=(HEARD, SAID))
    async with build(settings, both).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a", "b", "a", "c"])
        await until_heard(database, 3)
        await produce(settings, SAID, ["a", "c", "d"])
        await produce(settings, HEARD, ["b", "e"])
        found = await until_heard(database, 5)
    assert sorted(found) == ["a", "b", "c", "d", "e"]


@pytest.mark.rule("KF-30")
async def test_order_is_kept_within_a_partition(settings: ServiceSettings) -> None:
    names = [f"n{number}" for number in range(700)]
    async with build(settings, subscription()).running(), database_of(settings) as database:
        await produce(settings, HEARD, names, key=b"one")
        assert await until_heard(database, len(names)) == names


@pytest.mark.rule("KF-31")
async def test_a_bad_record_becomes_a_dead_letter_as_it_came(settings: ServiceSettings) -> None:
    headers = (("text", b"\xc3\xa6"), ("broken", b"\xff\xfe"), ("nothing", None))
    before = rfc3339(datetime.now(UTC))
    strangers = (*headers, ("dlq-reason", b"made up"))
    async with build(settings, subscription()).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a", "bad one", "b"], key=b"k", partition=1, headers=strangers)
        assert await until_heard(database, 2) == ["a", "b"]
        [dead] = await read(settings, f"{HEARD}.dlq", 1)
    assert (dead.key, dead.value) == (b"k", b"bad one")
    assert dead.headers[:3] == headers
    reason = {header: value.decode() for header, value in dead.headers[3:]}
    assert sorted(header for header, _ in dead.headers[3:]) == sorted(DLQ_HEADERS)
    assert reason["dlq-topic"] == settings.topic(HEARD)
    assert (reason["dlq-partition"], reason["dlq-offset"]) == ("1", "1")
    assert (reason["dlq-reason"], reason["dlq-message"]) == ("bad_word", "bad one is a bad word")
    assert reason["dlq-service"] == "echo"
    assert before <= reason["dlq-at"] <= rfc3339(datetime.now(UTC))


@pytest.mark.rule("KF-31")
async def test_a_record_without_key_and_value_becomes_a_dead_letter(settings: ServiceSettings) -> None:
    async with build(settings, subscription()).running(), database_of(settings) as database:
        outside = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers})
        outside.produce(settings.topic(HEARD), partition=0)
        outside.produce(settings.topic(HEARD), key="gone", partition=0)
        await asyncio.to_thread(outside.flush)
        await produce(settings, HEARD, ["a"], partition=0)
        await until_heard(database, 1)
        nothing, tombstone = await read(settings, f"{HEARD}.dlq", 2)
    assert (nothing.key, nothing.value or b"") == (None, b"")
    assert (tombstone.key, tombstone.value) == (b"gone", None)


@pytest.mark.rule("KF-31")
async def test_the_largest_bad_record_fits_into_its_dead_letter_topic(settings: ServiceSettings) -> None:
    incompressible = bytes((number * number >> 7) % 256 for number in range(1_000_000))
    async with build(settings, subscription()).running(), database_of(settings) as database:
        await produce(settings, HEARD, [b"bad" + incompressible, b"good"], key=b"k")
        await until_heard(database, 1)
        [dead] = await read(settings, f"{HEARD}.dlq", 1)
    assert dead.value == b"bad" + incompressible


@pytest.mark.rule("KF-30")
@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed: apt-get install kcat")
async def test_a_header_whose_name_is_no_text_disturbs_nothing(settings: ServiceSettings) -> None:
    """kcat puts any bytes into the name of a header; the client underneath decodes names as UTF-8 and raises."""
    await ensure_topics(settings, [HEARD])
    await produce(settings, HEARD, ["before"], partition=1)
    await _kcat(settings, "odd\nodder", "-H", b"\xff\xfe=x")
    await produce(settings, HEARD, ["behind"], partition=1)
    async with build(settings, subscription()).running(), database_of(settings) as database:
        assert await until_heard(database, 4) == ["before", "odd", "odder", "behind"]


async def _kcat(settings: ServiceSettings, value: str, *arguments: str | bytes) -> None:
    servers, topic = settings.kafka_bootstrap_servers, settings.topic(HEARD)
    kcat = await asyncio.create_subprocess_exec(
        "kcat", "-P", "-b", servers, "-t", topic, "-p", "1", *arguments, stdin=asyncio.subprocess.PIPE
    )
    await kcat.communicate(value.encode())
    assert kcat.returncode == 0


@pytest.mark.rule("KF-32")
@pytest.mark.parametrize("named", [True, False])
async def test_what_the_handler_finds_bad_is_set_aside_alone(settings: ServiceSettings, named: bool) -> None:
    async def picky(work: UnitOfWork, batch: Sequence[Record]) -> None:
        await hear(work, batch)
        for index, record in enumerate(batch):
            if name(record).startswith("wrong"):
                raise BadRecord("wrong", "the handler says no", index=index if named else None)

    async with build(settings, subscription(picky)).running(), database_of(settings) as database:
        names = [f"wrong{n}" if n in (0, 33, 34, 99) else f"n{n}" for n in range(100)]
        await produce(settings, HEARD, names, key=b"one")
        found = await until_heard(database, 96)
        dead = await read(settings, f"{HEARD}.dlq", 4)
    assert found == [each for each in names if not each.startswith("wrong")]
    assert [letter.value.decode() for letter in dead] == ["wrong0", "wrong33", "wrong34", "wrong99"]


@pytest.mark.rule("KF-32")
async def test_text_that_postgres_cannot_hold_is_the_datas_fault(settings: ServiceSettings) -> None:
    async with build(settings, subscription()).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a", "nul\0", "b"], key=b"one")
        assert await until_heard(database, 2) == ["a", "b"]
        [dead] = await read(settings, f"{HEARD}.dlq", 1)
    assert dead.value == b"nul\0"


@pytest.mark.rule("KF-33")
async def test_a_bad_record_on_a_topic_of_our_own_stops_the_service(settings: ServiceSettings) -> None:
    with pytest.raises(FuseBlown, match=r"signals\[0\]@1.*bad_word"):
        await run_until_failure(
            build(settings, subscription(own_topic=True)),
            produce(settings, HEARD, ["a", "bad"], key=b"k", partition=0),
        )


@pytest.mark.rule("KF-33")
@pytest.mark.parametrize(("value", "why"), [("a", "the handler says no"), ("nul\0", "not storable")])
async def test_what_shows_only_when_it_is_handled_on_a_topic_of_our_own_stops_the_service(
    settings: ServiceSettings, value: str, why: str
) -> None:
    async def picky(work: UnitOfWork, batch: Sequence[Record]) -> None:
        await hear(work, batch)
        raise BadRecord("wrong", "the handler says no", index=0)

    with pytest.raises(FuseBlown, match=rf"signals\[0\]@0.*{why}"):
        await run_until_failure(
            build(settings, subscription(picky, own_topic=True)),
            produce(settings, HEARD, [value], key=b"k", partition=0),
        )


@pytest.mark.rule("KF-34")
@pytest.mark.parametrize("own_topic", [False, True])
async def test_a_bug_stops_the_service_and_the_third_start_sets_the_record_aside(
    settings: ServiceSettings, own_topic: bool
) -> None:
    async def buggy(work: UnitOfWork, batch: Sequence[Record]) -> None:
        await hear(work, batch)
        if any(name(record) == "n57" for record in batch):
            raise ZeroDivisionError("a bug")

    names = [f"n{number}" for number in range(100)]
    await ensure_topics(settings, [HEARD])
    await produce(settings, HEARD, names, key=b"one", partition=0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await run_until_failure(build(settings, subscription(buggy, own_topic=own_topic)))
        async with database_of(settings) as database:
            assert await heard(database) == names[:57]
    async with build(settings, subscription(buggy, own_topic=own_topic)).running(), database_of(settings) as database:
        assert await until_heard(database, 99) == [each for each in names if each != "n57"]
        [dead] = await read(settings, f"{HEARD}.dlq", 1)
        async with database.reading() as connection:
            crashes = (await connection.execute(text("SELECT record_offset, crashes FROM crash"))).all()
    assert dead.value == b"n57"
    assert dict(dead.headers)["dlq-reason"] == b"bug"
    assert [tuple(row) for row in crashes] == [(57, 3)]


@pytest.mark.rule("KF-34")
async def test_a_bug_in_decoding_is_a_bug_of_that_record(settings: ServiceSettings) -> None:
    def buggy(record: Record) -> Record | None:
        if name(record) == "b":
            raise ZeroDivisionError("a bug")
        return decode(record)

    one = Subscription(name="echo.heard", topics=(HEARD,), decode=buggy, handle=hear)
    await ensure_topics(settings, [HEARD])
    await produce(settings, HEARD, ["a", "b", "c"], key=b"one", partition=0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await run_until_failure(build(settings, one))
        async with database_of(settings) as database:
            assert await heard(database) == ["a"]


async def test_what_is_none_of_our_business_is_passed_over(settings: ServiceSettings) -> None:
    async with build(settings, subscription()).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["other 1", "a", "other 2"], key=b"one")
        assert await until_heard(database, 1) == ["a"]
    async with build(settings, subscription()).running(), database_of(settings) as database:
        await produce(settings, HEARD, ["b"], key=b"one")
        assert await until_heard(database, 2) == ["a", "b"]
