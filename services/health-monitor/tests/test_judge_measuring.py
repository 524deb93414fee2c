"""What the judge's metrics say of each shard."""

import asyncio
from math import isnan

import pytest
from judge_log import T0, Log, read_control
from judge_world import World
from prometheus_client import REGISTRY

from fettle_health_monitor.domain.judge.shard import Place, Shard
from fettle_health_monitor.domain.judgements import Clock
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
    owned.anchor = Place(1, T0 + 1_000, 0)
    measuring.look(T0 / 1000 + 11)
    assert (shown("behind_seconds", 0), shown("checkpoint_age_seconds", 0)) == (8, 10)

    shards.freeze(0)
    measuring.look(T0 / 1000 + 12)
    assert [shown(name, 0) for name in (*NAMES, "checkpoint_age_seconds")] == [None] * 6
    measuring.look(T0 / 1000 + 13)


@pytest.mark.rule("HM-212")
async def test_a_judge_at_work_shows_its_shards(environment: dict[str, str]) -> None:
    async with World(environment).open() as world, world.judge() as shards:
        await world.until(lambda said: {one.shard for one in said if isinstance(one, Clock)} == {0, 1})
        for number in range(20):
            await world.beat(f"acme/device/{number}", interval_s=1)
        await world.until(lambda _: len({change.subject for change in world.changes()}) == 20)
        async with asyncio.timeout(20):
            while sum(shown("subjects", shard) or 0 for shard in shards.owned) != 20:  # noqa: ASYNC110 - each second
                await asyncio.sleep(0.1)
        assert shards.owned
        for shard, owned in shards.owned.items():
            assert owned.shard.place is not None
            assert owned.log_end > 0
            assert (shown("lag_records", shard) or 0) < 20
            assert (shown("judged_until_timestamp_seconds", shard) or 0) > 0
            assert (shown("behind_seconds", shard) or 0) < 30
