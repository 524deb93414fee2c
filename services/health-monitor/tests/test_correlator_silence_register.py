"""Silences' rows on a real database: whom they cover, where they end, and whose they are."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from correlator_facts import OFFLINE, T0
from correlator_world import CorrelatorWorld
from silenced_world import fire
from sqlalchemy import text
from test_correlator_retention import put

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import SubjectRef
from fettle_health_monitor.adapters.correlator import silence_register
from fettle_health_monitor.adapters.correlator.silence_register import Covered, Selection
from fettle_health_monitor.correlator.silences import Wanted
from fettle_health_monitor.domain.correlator.registration import Registration
from fettle_health_monitor.domain.correlator.silences import Schedule

IN_OSLO = Selection(space="oslo")
ONE, OTHER = UUID(int=1), UUID(int=2)
ENDS = "SELECT from_at, until_at, due_at, ends_at, removed_at FROM silence"


async def enter(world: CorrelatorWorld, org: str, *subjects: str) -> None:
    async with unit_of_work(world.database) as work:
        said = {SubjectRef.parse(subject): Registration(name=f"{org}'s", space="oslo") for subject in subjects}
        assert await world.registry.enter(work, org, said, by="ann@acme.test")


async def covered(world: CorrelatorWorld, selection: Selection | None, subject: str | None = None) -> Covered:
    """As it is where no index brings subjects in their order."""
    async with unit_of_work(world.database) as work:
        for scan in ("indexscan", "bitmapscan"):
            await work.connection.execute(text(f"SET LOCAL enable_{scan} = off"))
        return await silence_register.covered(work.connection, "acme", selection, subject)


async def select(world: CorrelatorWorld, org: str, id: UUID) -> int:
    async with unit_of_work(world.database) as work:
        return await world.silences.select(work, id, org, IN_OSLO, Wanted(Schedule(T0, 60), None, "ann@acme.test"))


async def silenced(world: CorrelatorWorld, *, removed: bool = False) -> list[tuple[str, str]]:
    rows = await world.rows("SELECT org, subject, removed_at FROM silence ORDER BY position")
    return [(row.org, row.subject) for row in rows if (row.removed_at is not None) is removed]


async def called(world: CorrelatorWorld, org: str, ids: Sequence[UUID]) -> list[UUID]:
    async with world.database.reading() as connection:
        return await silence_register.called(connection, org, ids)


@pytest.mark.rule("HM-131", "HM-302")
async def test_a_selection_is_of_its_org_and_in_the_order_of_its_subjects(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("other")
        await enter(world, "other", "device/a", "device/b", "device/c")
        await enter(world, "acme", *(f"device/{number}" for number in range(6, 0, -1)), "device/a")
        first = [(f"device/{number}", "acme's") for number in range(1, 6)]
        assert await covered(world, IN_OSLO) == Covered(7, 7, first)
        assert await covered(world, None, "device/a") == Covered(1, 1, [("device/a", "acme's")])
        assert await covered(world, None, "device/c") == Covered(1, 1, [("device/c", None)])
        assert await covered(world, None, "integration/x") == Covered(1, 0, [("integration/x", None)])
        assert await select(world, "acme", ONE) == 7
        assert await silenced(world) == [("acme", f"device/{each}") for each in "123456a"]


@pytest.mark.rule("HM-134", "HM-302")
async def test_a_silence_is_found_and_removed_in_its_org(environment: dict[str, str]) -> None:
    """Also where two have made one under the same id."""
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("other")
        await enter(world, "other", "device/b")
        await enter(world, "acme", "device/a")
        for org, id in (("other", ONE), ("acme", ONE), ("other", OTHER)):
            assert await select(world, org, id) == 1
        assert await called(world, "acme", [OTHER, ONE]) == [ONE]
        assert await called(world, "other", [ONE, OTHER]) == [OTHER, ONE]
        assert not await world.unsilence(OTHER)
        assert await world.unsilence(ONE)
        assert await silenced(world, removed=True) == [("acme", "device/a")]


@pytest.mark.rule("HM-134")
async def test_a_silence_that_has_just_ended_stays_as_it_was(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        id = await world.silence(Schedule(T0, 60))
        world.later(60)
        assert await world.unsilence(id)
        assert [tuple(row) for row in await world.rows(ENDS)] == [(T0, T0 + 60_000, T0 + 60_000, T0 + 60_000, None)]


@pytest.mark.rule("HM-134")
@pytest.mark.parametrize(
    ("after", "until"), [(0, None), (1, T0 + 1_000), (60, T0 + 60_000), (3_600, T0 + 60_000)], ids=str
)
async def test_the_occurrence_that_is_not_dealt_with_ends_with_its_silence(
    environment: dict[str, str], after: int, until: int | None
) -> None:
    """The log is behind: one that has ended by then stays as it is, and one that just begins is gone."""
    async with CorrelatorWorld.open(environment) as world:
        id = await world.silence(Schedule(T0, 60, "FREQ=DAILY;COUNT=9", "UTC"))
        world.later(after)
        assert await world.unsilence(id)
        (row,) = await world.rows(ENDS)
        assert (row.until_at, row.due_at) == (until, until)
        assert row.ends_at == row.removed_at == T0 + after * 1_000


@pytest.mark.rule("HM-134")
async def test_a_silence_ends_behind_what_it_has_held_back(environment: dict[str, str]) -> None:
    """The log's time is ahead of the wall's, and what another has held back is later still."""
    async with CorrelatorWorld.open(environment) as world:
        id = await world.silence(Schedule(T0, 3_600))
        other = await world.silence(Schedule(T0, 3_600), "device/t18")
        await fire(world, T0 + 5_000)
        await world.tick(T0 + 5_001)
        later = {"verdict": uuid4(), "at": T0 + 9_000, "condition": OFFLINE, "cause": "firing"}
        await put(world, "silence_held", silence=other, **later)
        assert await world.unsilence(id)
        (row,) = await world.rows(f"{ENDS} WHERE id = :id", id=id)
        assert tuple(row) == (T0, T0 + 5_001, T0 + 5_001, T0 + 5_001, T0 + 5_001)
        assert await world.unsilence(id, by="eve@acme.test")
        (again,) = await world.rows("SELECT removed_by FROM silence WHERE id = :id", id=id)
        assert again.removed_by == "bob@acme.test"
