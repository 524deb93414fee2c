"""What the judge's metrics say of each shard."""

import asyncio
from array import array
from math import isnan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_log import T0, Log, read_control
from judge_world import World
from prometheus_client import REGISTRY

from fettle_contracts.times import from_ms
from fettle_health_monitor.domain.judge.checkpoint import begin
from fettle_health_monitor.domain.judge.shard import Place, Shard
from fettle_health_monitor.domain.judge.timers import NOT_QUEUED, Timers
from fettle_health_monitor.domain.judgements import Clock
from fettle_health_monitor.entrypoints.judge import seen
from fettle_health_monitor.judge.measuring import Measuring
from fettle_health_monitor.judge.owned import Owned, Shards

NAMES = ("behind_seconds", "lag_records", "judged_until_timestamp_seconds", "subjects", "timers")


def shown(name: str, shard: int) -> float | None:
    return REGISTRY.get_sample_value(f"fettle_judge_{name}", {"shard": str(shard)})


@pytest.mark.rule("HM-212")
def test_each_owned_shard_is_shown_as_it_stands_and_none_that_was_let_go() -> None:
    log = Log().policy(enabled=True, timeout_s=60)
    log.beat("acme/device/a").at(1).beat("acme/device/b").at(3).pulse()
    shard = Shard(0, 1, 1)
    shard.fold(log.records, read_control)
    shards = Shards()
    owned = Owned(shard, read_control, None)
    shards.take(owned)
    shards.take(Owned(Shard(1, 2, 1), read_control, None))
    measuring = Measuring(shards)

    owned.log_end = len(log.records) + 5
    measuring.look(T0 / 1000 + 10)
    assert [shown(name, 0) for name in NAMES] == [7, 5, T0 / 1000 + 3, 2, 2]
    assert isnan(shown("checkpoint_age_seconds", 0) or 0)
    assert [shown(name, 1) for name in NAMES] == [None] * 5
    owned.anchor, owned.checkpoint = shard.place, Place(1, T0 + 1_000, 0)
    measuring.look(T0 / 1000 + 11)
    assert (shown("behind_seconds", 0), shown("checkpoint_age_seconds", 0)) == (8, 10)

    shards.freeze(0)
    measuring.look(T0 / 1000 + 12)
    assert [shown(name, 0) for name in (*NAMES, "checkpoint_age_seconds")] == [None] * 6
    measuring.look(T0 / 1000 + 13)


def reads_on(log: Log, shard: Shard) -> Measuring:
    """What looks at the shard, which has read what it had not read of the log."""
    shard.fold(log.records[0 if shard.place is None else shard.place.offset + 1 :], read_control)
    shards = Shards()
    shards.take(Owned(shard, read_control, None))
    return Measuring(shards)


def show_no_more(measuring: Measuring) -> None:
    measuring._shards.owned.clear()
    measuring.look(0)


@pytest.mark.rule("HM-80", "HM-212", "HM-329")
@pytest.mark.parametrize("read", ["before its hello", "behind it"])
def test_a_shard_that_waits_is_shown_as_far_as_it_has_judged(read: str) -> None:
    """However much it has read since."""
    log, shard = Log().policy(enabled=True, timeout_s=60).beat("acme/device/a").pulsed(3), Shard(0, 1, 1)
    shard.fold(log.records, read_control)
    shard.await_announcement("n2")
    log.at(100)
    if read == "behind it":
        log.hello("n2")
    log.beat("acme/device/a")
    measuring = reads_on(log.pulsed(140), shard)
    measuring.look(T0 / 1000 + 141)
    assert [shown(name, 0) for name in ("behind_seconds", "judged_until_timestamp_seconds")] == [138, T0 / 1000 + 3]
    assert shown("timers_due", 0) == 1
    row = shard.judge.subjects.rows[b"acme/device/a"]
    assert seen(shard, row)["as_of"] == from_ms(T0 + 3_000)
    log.policy(enabled=True, timeout_s=60).announced("n2")
    if read == "behind it":
        measuring = reads_on(log, shard)
        measuring.look(T0 / 1000 + 141)
        assert [shown(name, 0) for name in ("behind_seconds", "timers_due")] == [1, 0]
        assert seen(shard, row)["as_of"] == from_ms(T0 + 140_000)
    show_no_more(measuring)


@pytest.mark.rule("HM-212", "HM-329")
def test_a_shard_that_knows_nothing_is_shown_as_far_as_where_it_began() -> None:
    log = Log().pulsed(3).hello("n1").policy(enabled=True, timeout_s=60).register("acme/device/a").pulsed(50)
    measuring = reads_on(log, begin(0, 1, 1, "n1"))

    measuring.look(T0 / 1000 + 51)
    names = ("behind_seconds", "judged_until_timestamp_seconds", "subjects", "timers_due")
    assert [shown(name, 0) for name in names] == [50, T0 / 1000 + 1, 1, 0]
    show_no_more(measuring)


@pytest.mark.rule("HM-212")
async def test_a_judge_that_has_ended_shows_no_shard() -> None:
    shards, shard = Shards(), Shard(0, 1, 1)
    shard.fold(Log().policy(enabled=True).records, read_control)
    shards.take(Owned(shard, read_control, None))
    measuring = asyncio.create_task(Measuring(shards).run())
    await asyncio.sleep(0)
    assert shown("subjects", 0) == 0
    measuring.cancel()
    await asyncio.wait([measuring])
    assert [shown(name, 0) for name in (*NAMES, "timers_due", "checkpoint_age_seconds")] == [None] * 7


@pytest.mark.rule("HM-250")
def test_what_is_due_by_the_wall_and_waits_for_the_log_is_counted() -> None:
    """One is heard later than its entry among the timers says: that one is moved, and not due."""
    log = Log().policy(enabled=True, timeout_s=60)
    for number in range(5):
        log.beat(f"acme/device/{number}").at(number + 1)
    log.pulsed(30).beat("acme/device/0").at(31).pulse()
    shard = Shard(0, 1, 1)
    shard.fold(log.records, read_control)
    shards = Shards()
    shards.take(Owned(shard, read_control, None))
    measuring = Measuring(shards)
    due = []
    for seconds in (31, 60, 61, 63, 64, 89, 90, 900):
        measuring.look(T0 / 1000 + seconds)
        due.append(shown("timers_due", 0))
    assert due == [0, 0, 1, 3, 4, 4, 5, 5]
    shards.freeze(0)
    measuring.look(T0 / 1000 + 1_000)
    assert shown("timers_due", 0) is None


@pytest.mark.rule("HM-250")
@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 40_000), max_size=60),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 40_000))),
    st.integers(0, 40_000),
    st.integers(0, 40_000),
)
def test_due_timers_are_counted_without_a_trace(
    dues: list[int], moves: list[tuple[int, int]], before: int, until: int
) -> None:
    """Just those that are taken afterwards."""
    queued = array("q", [NOT_QUEUED]) * len(dues)
    timers, real = Timers(queued), list(dues)
    for row, due in enumerate(dues):
        timers.queue(row, due)
    timers.next_due(before, lambda row: real[row])
    for row, due in moves:
        if row < len(real):
            real[row] = due
            timers.queue(row, due)
    as_before = (list(queued), len(timers._heap))
    count = timers.count_due(until, lambda row: real[row], 1_000)
    assert timers.count_due(until, lambda row: real[row], 5) <= min(count, 5)
    assert count == sum(due <= until for due in real)
    assert (list(queued), len(timers._heap)) == as_before
    taken = 0
    while (found := timers.take_due(until, lambda row: real[row])) is not None:
        taken += len(found[1])
    assert taken == count


@pytest.mark.rule("HM-212")
async def test_a_judge_at_work_shows_its_shards(environment: dict[str, str]) -> None:
    async with World(environment).open() as world, world.judge() as shards:
        await world.until(lambda said: {one.shard for one in said if isinstance(one, Clock)} == {0, 1})
        for number in range(20):
            await world.beat(f"acme/device/{number}", interval_s=1)
        await world.until(lambda _: len({change.subject for change in world.changes()}) == 20)
        async with asyncio.timeout(60):
            while sum(shown("subjects", shard) or 0 for shard in shards.owned) != 20:  # noqa: ASYNC110 - each second
                await asyncio.sleep(0.1)
        assert shards.owned
        for shard, owned in shards.owned.items():
            assert owned.shard.place is not None
            assert owned.log_end > 0
            assert (shown("lag_records", shard) or 0) < 20
            assert (shown("judged_until_timestamp_seconds", shard) or 0) > 0
            assert (shown("behind_seconds", shard) or 0) < 30
