"""Devices that have a fresh time, as their integration has recovered, when the heartbeats of all are lost. On a real
database."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from correlator_facts import change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, evidence, fall_silent, fires, fleet, heard, silent
from rollup_facts import UNREACHABLE, opened, said

HUE = "integration/hue-1"


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


async def moves(world: CorrelatorWorld, before: str | None, to: str, at: int, since: int) -> None:
    """The integration says so itself."""
    condition = None if before is None else UNREACHABLE
    said: dict[str, Any] = {"at": at, "since": since, "condition": condition, "evidence": evidence(at, deadline=None)}
    await world.feed(change(HUE, before, to, **said))


async def recover_just_before(world: CorrelatorWorld, at: int) -> tuple[list[str], str]:
    """Twelve who are well, and one that has been down for long, whose integration has recovered at this instant."""
    everybody = await fleet(world, 13)
    member, down = everybody[12], GONE - 402_000
    await moves(world, None, "healthy", down - 1_000, down - 1_000)
    await moves(world, "healthy", "pending_open", down, down)
    await moves(world, "pending_open", "firing", down + 2_000, down)
    await world.feed(silent(member, down + 1_000), fires(member, down + 3_000))
    await world.tick(down + 10_000)
    await opened(world, UNREACHABLE)
    assert f"list {HUE}:{UNREACHABLE}: +1 -0" in await said(world)
    await moves(world, "firing", "pending_resolve", at - 2_000, at - 2_000)
    await moves(world, "pending_resolve", "healthy", at, at - 2_000)
    await world.tick(at + 500)
    assert f"recovered {HUE}:{UNREACHABLE}" in await said(world)
    return everybody[:12], member


@pytest.mark.rule("HM-156", "HM-144")
@pytest.mark.parametrize("in_one", [False, True], ids=["as it comes", "in one backlog"])
async def test_they_have_all_of_it_anew_when_reporting_resumes(world: CorrelatorWorld, in_one: bool) -> None:
    """A fresh time of five seconds would be over a second behind the loss; reporting resumes at GONE + 10 s."""
    others, member = await recover_just_before(world, GONE - 4_000)
    await fall_silent(world, others)
    assert await said(world) == ["open other/heartbeats"]
    if not in_one:
        await world.tick(GONE + 5_000)
        assert await said(world) == []
    await world.feed(*(heard(each, GONE + 10_000) for each in others))
    if not in_one:
        await world.tick(GONE + 14_900)
        assert f"open {member}" not in await said(world)
    await world.tick(GONE + 16_000)
    assert [row.at for row in await judged_afresh(world)] == [GONE + 15_000]
    assert f"open {member}" in await said(world)


@pytest.mark.rule("HM-156", "HM-144")
async def test_one_that_is_heard_then_needs_no_ticket(world: CorrelatorWorld) -> None:
    others, member = await recover_just_before(world, GONE - 4_000)
    await fall_silent(world, others)
    await world.feed(*(heard(each, GONE + 10_000) for each in (*others, member)))
    for at in range(GONE + 11_000, GONE + 40_000, 5_000):
        await world.tick(at)
    assert [line for line in await said(world) if line.endswith(member)] == []


@pytest.mark.rule("HM-144")
async def test_what_was_over_before_they_were_lost_was_over(world: CorrelatorWorld) -> None:
    """All of it is taken in at once, behind the resumption."""
    others, member = await recover_just_before(world, GONE - 8_000)
    await world.feed(*(silent(each, GONE - 2_000) for each in others), *(fires(each, GONE) for each in others))
    await world.feed(*(heard(each, GONE + 10_000) for each in others))
    await world.tick(GONE + 12_000)
    assert [row.at for row in await judged_afresh(world)] == [GONE - 3_000]
    assert f"open {member}" in await said(world)


async def judged_afresh(world: CorrelatorWorld) -> Any:
    return await world.rows("SELECT at FROM outcome WHERE cause = 'judged_afresh'")
