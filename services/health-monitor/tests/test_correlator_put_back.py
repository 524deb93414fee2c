"""The monitor's database has been put back to an older state, and the logs of the shards have not. On a real one."""

import pytest
from correlator_facts import BRISK
from correlator_world import CorrelatorWorld
from judge_log import DEVICE, Judged, Log, judge
from sqlalchemy import text
from test_correlator_controls import hello

from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.domain.control import Announced, shard_key


async def write(world: CorrelatorWorld, log: Log) -> list[int]:
    """What has been written for shard 0 since is in its log now. Answers with the numbers."""
    written = [(number, said) for partition, number, said in await world.controls_written() if partition == 0]
    for number, said in written:
        log.state(said, shard_key(0) if isinstance(said, Announced) else "acme", number)
    await world.clear()
    return [number for number, _ in written]


async def told_two_policies(world: CorrelatorWorld) -> tuple[Log, list[int]]:
    """The log of shard 0, and their numbers."""
    log = Log()
    for timeout_s in (5, 6):
        await world.put(BRISK.model_copy(update={"timeout_s": timeout_s}))
    return log, await write(world, log)


async def put_back(world: CorrelatorWorld) -> None:
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text("UPDATE control_counter SET number = 1"))
        await work.connection.execute(text("DELETE FROM policy_version WHERE version > 3"))


@pytest.mark.rule("HM-25", "HM-73")
async def test_a_policy_is_in_force_by_a_number_above_all_in_the_log(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        log, before = await told_two_policies(world)
        await put_back(world)
        await world.put(BRISK.model_copy(update={"timeout_s": 7}))
        assert (await write(world, log))[0] > before[-1]
        (policy,) = judge(log).shard.judge.policies.values()
        assert policy.statement.timeout_s == 7


@pytest.mark.rule("HM-24", "HM-77")
async def test_a_shard_that_has_lost_log_judges_again(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        log, _ = await told_two_policies(world)
        shard = judge(log.beat(DEVICE)).shard
        await put_back(world)
        shard.await_announcement("n1")
        await world.feed(hello(0, "n1"))
        await write(world, log.hello("n1"))
        assert Judged(shard).fold(log).shard.announcement is None
