"""What devices share while the org is switched off, or its shards judge by different policies. On a real database."""

from typing import Any

import pytest
from correlator_facts import BRISK, T0, next_place
from correlator_world import CorrelatorWorld
from loss_facts import GONE, fall_silent, fleet, interval
from rollup_facts import MANY, UNREACHABLE, behind, devices, fails, opened, recovers, said, together

from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import InForce

AT = T0 + 10_000
GATEWAY = "integration/hue-1"


@pytest.mark.rule("HM-248", "HM-229")
async def test_a_list_that_is_not_taken_over_while_the_org_is_off_is_looked_at_when_it_is_on(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.clear()
        await world.feed(*fails(GATEWAY, AT + 10_000, condition=UNREACHABLE))
        await world.feed(*(each for subject in devices(3) for each in recovers(subject, AT + 10_500)))
        await world.tick(AT + 11_000)
        asks, merges = [one for one in await world.commands() if one.verb in ("open", "resolve")]
        off = (await world.put(BRISK.model_copy(update={"enabled": False}))).version.version
        await world.in_force(off, enabled=False, at=AT + 12_000)
        await world.tick(AT + 13_000)
        await world.answer(asks, "rejected")
        await world.answer(merges, "rejected", code="parent_invalid")
        await world.clear()
        await world.tick(AT + 30_000)
        assert await said(world) == []
        await world.in_force((await world.put(BRISK)).version.version, at=AT + 31_000)
        await world.tick(AT + 34_000)
        assert f"recovered {GATEWAY}:{MANY}" in await said(world)


@pytest.mark.rule("HM-146", "HM-228")
async def test_those_judged_afresh_count_from_the_timeout_of_their_own_shards_policy(
    environment: dict[str, str],
) -> None:
    """Six are left over from a ticket of their integration's own, three of them on a shard with another timeout."""
    async with CorrelatorWorld.open(environment) as world:
        elsewhere = devices(3, 4)
        slow = (await world.put(BRISK.model_copy(update={"timeout_s": 600}))).version.version
        in_force = InForce(shard=0, generation=1, place=next_place(), org="acme", version=slow, enabled=True, at=T0)
        await world.feed(in_force)
        await behind(world, *devices(6))
        await world.feed(*fails(GATEWAY, AT, condition=UNREACHABLE, policy_version=slow))
        await world.tick(AT + 500)
        await opened(world, UNREACHABLE)
        for subject in devices(6):
            apart = subject in elsewhere
            await world.feed(*fails(subject, AT + 3_000, shard=int(apart), policy_version=3 if apart else slow))
        await world.tick(AT + 4_000)
        by_person: dict[str, Any] = {"subject": GATEWAY, "condition": UNREACHABLE, "actor": ActorType.USER}
        await world.happen(EntryType.RESOLVED, state="resolved", at=AT + 20_000, version=2, **by_person)
        await world.silence(Schedule(AT + 20_500, 3_600), GATEWAY)
        await said(world)
        await world.tick(AT + 22_000)
        assert await said(world) == [f"open many {GATEWAY}", f"list {GATEWAY}:{MANY}: +6 -0"]


@pytest.mark.rule("HM-151", "HM-150")
@pytest.mark.parametrize("by", [0, 1])
async def test_the_newest_policy_of_any_shard_says_who_is_counted_of_those_that_may_have_fallen_silent(
    environment: dict[str, str], by: int
) -> None:
    """By it those behind one integration may be silent for longer than the window: ten of ten are silent, not of 50."""
    async with CorrelatorWorld.open(environment) as world:
        everybody = await fleet(world, 50, shards=2)
        await world.feed(*(world.profile(each, integration="slow") for each in everybody[10:]))
        slow = {"match": {"integration": "slow"}, "timeout_s": 301}
        newest = HealthPolicy.model_validate(BRISK.to_dict() | {"overrides": [slow]})
        version = (await world.put(newest)).version.version
        await world.feed(
            InForce(
                shard=by, generation=1, place=next_place(), org="acme", version=version, enabled=True, at=GONE - 500_000
            )
        )
        await fall_silent(world, everybody[:10], shards=2)
        assert (await interval(world)).counted == 10
