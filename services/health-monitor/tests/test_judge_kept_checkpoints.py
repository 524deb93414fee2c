"""Which checkpoints are kept beside the newest, and for how long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from judge_log import T0, Judged, Log, judge
from sqlalchemy import text

from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints, packed, unpacked
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot, snapshot
from fettle_health_monitor.domain.judge.shard import Place
from fettle_health_monitor.settings import HealthSettings

HOUR_S = 3_600


@asynccontextmanager
async def opened(environment: dict[str, str]) -> AsyncIterator[Checkpoints]:
    database = Database(HealthSettings.load(environment).database_dsn("health"))
    part = DatabasePart(database, "fettle_health_monitor")
    await part.start()
    try:
        yield Checkpoints(database, "http://a")
    finally:
        await part.stop()


def hours(log: Log, *beats_at_s: float) -> list[Snapshot]:
    """The shard behind each of these heartbeats."""
    judged, taken = Judged(), []
    for seconds in beats_at_s:
        log.at(seconds).beat()
        taken.append(snapshot(judged.fold(log).shard))
    return taken


def full_hour() -> float:
    """Seconds after T0 at which an hour begins."""
    return -(T0 // 1000) % HOUR_S


@pytest.mark.rule("HM-170")
async def test_the_first_of_each_hour_of_the_log_is_kept(environment: dict[str, str]) -> None:
    begins = full_hour()
    log = Log().at(begins - 20).policy()
    saved = hours(log, begins - 10, begins - 0.001, begins, begins + 20, begins + 3 * HOUR_S)
    async with opened(environment) as checkpoints:
        for each in saved:
            assert await checkpoints.save(each, packed(each))
        kept = await checkpoints.kept(0, 1)

        assert [each.offset for each in kept] == [saved[0].place.offset, saved[2].place.offset, saved[4].place.offset]
        assert kept[1].at == T0 + round(begins * 1000)
        state = await checkpoints.load_kept(kept[1])
        assert state is not None
        assert unpacked(state) == saved[2]


@pytest.mark.rule("HM-170")
async def test_it_is_let_go_when_the_log_has_let_go_of_its_record(environment: dict[str, str]) -> None:
    log = Log().policy()
    first, second, third, fourth = hours(log, *(HOUR_S * number for number in range(4)))
    async with opened(environment) as checkpoints:
        for each in (first, second, third):
            assert await checkpoints.save(each, packed(each))
        oldest, *_ = await checkpoints.kept(0, 1)
        assert await checkpoints.save(fourth, packed(fourth), log_starts=second.place.offset)

        assert [each.offset for each in await checkpoints.kept(0, 1)] == [
            each.place.offset for each in (second, third, fourth)
        ]
        assert await checkpoints.load_kept(oldest) is None


@pytest.mark.rule("HM-170")
async def test_a_hello_is_kept_and_ends_what_was_kept_of_the_log_before(environment: dict[str, str]) -> None:
    one = snapshot(judge(Log().policy().beat()).shard)
    greeting = Greeting("n", Place(7, T0, 1))
    async with opened(environment) as checkpoints:
        assert await checkpoints.save(one, packed(one))
        assert await checkpoints.begin(0, 2, 1)
        assert await checkpoints.greet(0, 2, 1, greeting)

        assert await checkpoints.kept(0, 1) == []
        (kept,) = await checkpoints.kept(0, 2)
        state = await checkpoints.load_kept(kept)
        assert state is not None
        assert (kept.offset, kept.at, unpacked(state)) == (7, T0, greeting)


@pytest.mark.rule("HM-170", "HM-172")
async def test_what_was_judged_by_other_rules_is_no_start_and_the_new_rules_begin_at_once(
    environment: dict[str, str],
) -> None:
    first, second = hours(Log().policy(), 0, 1)
    async with opened(environment) as checkpoints:
        assert await checkpoints.save(first, packed(first))
        async with unit_of_work(checkpoints._database) as work:
            await work.connection.execute(text("UPDATE checkpoint_kept SET rules_version = rules_version - 1"))
        assert await checkpoints.kept(0, 1) == []
        assert await checkpoints.save(second, packed(second))
        assert [each.offset for each in await checkpoints.kept(0, 1)] == [second.place.offset]


@pytest.mark.rule("HM-49", "HM-170")
async def test_an_owner_that_was_overtaken_keeps_nothing(environment: dict[str, str]) -> None:
    log = Log().policy()
    behind, ahead = hours(log, 0, HOUR_S)
    async with opened(environment) as checkpoints:
        assert await checkpoints.save(ahead, packed(ahead))
        assert not await checkpoints.save(behind, packed(behind))
        assert [each.offset for each in await checkpoints.kept(0, 1)] == [ahead.place.offset]
