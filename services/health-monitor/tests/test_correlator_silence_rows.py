"""Silences as the correlator reads them, row by row: whose they are, when, and what has ended. On a real database."""

from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4

import pytest
from correlator_facts import OFFLINE
from correlator_world import WALL, CorrelatorWorld
from rollup_facts import MANY, UNREACHABLE
from sqlalchemy.ext.asyncio import AsyncConnection
from test_correlator_retention import put

from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.adapters.correlator import silences
from fettle_health_monitor.adapters.correlator.silences import WHEN_ON_AGAIN
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.silences import Occurrence, Seen

US, ELSEWHERE, ANOTHER = ("acme", "device/a"), ("other", "device/a"), ("acme", "device/b")
FIRST, LAST = 100_000, 200_000


async def put_silence(
    world: CorrelatorWorld, id: int, about: tuple[str, str], *, starts_at: int = FIRST, ends_at: int = LAST, **more: Any
) -> None:
    org, subject = about
    fields = {"partition": 0, "shard": 0, "length_s": 100, "made_by": "ann@acme.test", "made_at": WALL}
    known = {"id": UUID(int=id), "org": org, "subject": subject, "starts_at": starts_at, "ends_at": ends_at}
    await put(world, "silence", **{**fields, **known, **more})


@pytest.mark.rule("HM-120", "HM-302")
async def test_silences_are_found_by_whose_they_are_and_by_their_time(environment: dict[str, str]) -> None:
    """The first made first, one that ends or begins a millisecond too early or late not at all."""
    async with CorrelatorWorld.open(environment, org=None) as world:
        for id, about in ((9, US), (2, ELSEWHERE), (3, ANOTHER), (1, US)):
            await put_silence(world, id, about)
        await put_silence(world, 4, US, ends_at=150_000)
        await put_silence(world, 5, US, starts_at=180_001)
        async with world.database.reading() as connection:
            times = {"after": 150_000, "until": 180_000}
            found = await silences.reaching(connection, [US], **times)
            of_org = await silences.of_org(connection, "acme", **times)
            assert [each.id.int for each in found] == [9, 1]
            assert [each.id.int for each in of_org] == [9, 3, 1]
            wider = await silences.reaching(connection, [US, ANOTHER], after=149_999, until=180_001)
            assert [each.id.int for each in wider] == [9, 3, 1, 4, 5]


@pytest.mark.rule("HM-136", "HM-302")
async def test_who_is_silenced_on_a_list_is_down_on_it(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        names = ("down", "well", "early", "late", "theirs", "own", "awake")
        for name in names:
            about = {"org": "acme", "subject": f"device/{name}", "condition": OFFLINE, "joined_at": 1}
            well = {"recovered_at": 1 if name == "well" else None}
            of_it = {"parent": "integration/hue-1", "parent_condition": UNREACHABLE if name == "own" else MANY}
            await put(world, "rollup_member", **about, **of_it, **well)
        times = {"early": {"ends_at": 150_000}, "late": {"starts_at": 180_001}}
        for id, name in enumerate(names[:-1]):
            org = "other" if name == "theirs" else "acme"
            await put_silence(world, id, (org, f"device/{name}"), **times.get(name, {}))
        async with world.database.reading() as connection:
            lists = [(org, f"integration/hue-{number}") for org in ("acme", "other") for number in (1, 2)]
            found = await silences.of_those_down(connection, lists, after=150_000, until=180_000)
        assert found == {("acme", "integration/hue-1"): {"device/down"}}


@pytest.mark.rule("HM-132")
async def test_what_a_silence_has_held_back_counts_from_an_instant_on(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        for silence, at in ((1, 4), (1, 5), (1, 6), (2, 5)):
            row = {"verdict": uuid4(), "at": at, "condition": OFFLINE, "cause": "firing"}
            await put(world, "silence_held", silence=UUID(int=silence), **row)
        async with world.database.reading() as connection:
            assert await silences.times(connection, {UUID(int=1): 5}) == {UUID(int=1): 2}
            assert await silences.times(connection, {UUID(int=1): 0, UUID(int=2): 9}) == {UUID(int=1): 3}


def clocks(*places: tuple[int, int], at: int = LAST) -> list[tuple[int, ShardClock]]:
    return [(partition, ShardClock(shard, 1, at, at)) for partition, shard in places]


async def ended(connection: AsyncConnection, shown: Collection[tuple[int, ShardClock]], *orgs: str) -> list[int]:
    return [each.silence.id.int for each in await silences.due(connection, shown, orgs)]


@pytest.mark.rule("HM-127", "HM-302")
async def test_a_silence_ends_by_the_clock_of_its_shard_in_its_partition(environment: dict[str, str]) -> None:
    """In the order of ends, orgs and subjects, whether anybody fails or not."""
    async with CorrelatorWorld.open(environment, org=None) as world:
        places = [(0, 0), (1, 0), (0, 1)]
        whose = [("zeta", "device/a"), ("acme", "device/b"), ("acme", "device/a"), ("zeta", "device/a")]
        for id, (org, subject) in enumerate(whose, 1):
            ends = {"from_at": 0, "until_at": LAST - (id == 4), "due_at": LAST - (id == 4)}
            await put_silence(world, id, (org, subject), **ends)
        for id, (partition, shard) in enumerate(places, 5):
            ends = {"from_at": 0, "until_at": LAST, "due_at": LAST, "partition": partition, "shard": shard}
            await put_silence(world, id, (f"of-{partition}-{shard}", "device/a"), **ends)
        async with unit_of_work(world.database) as work:
            connection = work.connection
            here = clocks((0, 0))
            assert await ended(connection, here, "zeta", "acme") == [4, 3, 2, 1]
            assert await ended(connection, here, "acme") == [3, 2]
            assert await ended(connection, clocks((0, 0), at=LAST - 1), "zeta", "acme") == [4]
            orgs = [f"of-{partition}-{shard}" for partition, shard in places]
            for id, place in enumerate(places, 5):
                assert await ended(connection, clocks(place), *orgs) == [id]
            assert await silences.orgs_with_due(connection, here) == {"zeta", "acme", "of-0-0"}
            assert await silences.orgs_with_due(connection, clocks((1, 0), (0, 1))) == {"of-1-0", "of-0-1"}
            assert await silences.orgs_with_due(connection, clocks((0, 0), at=LAST - 2)) == set()


@pytest.mark.rule("HM-127", "HM-302")
async def test_who_is_switched_on_again_is_looked_at_then_and_nobody_else(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        waits = {"from_at": 0, "until_at": LAST, "due_at": WHEN_ON_AGAIN}
        await put_silence(world, 1, US, **waits)
        await put_silence(world, 2, ("other", "device/a"), **waits)
        await put_silence(world, 3, US, **{**waits, "due_at": LAST})
        for id, place in ((4, {"shard": 1}), (5, {"partition": 1})):
            await put_silence(world, id, US, **waits, **place)
        async with unit_of_work(world.database) as work:
            await silences.on_again(work.connection, 0, 0, "acme", 7)
        rows = await world.rows("SELECT id, due_at FROM silence ORDER BY id")
        assert {row.id.int: row.due_at for row in rows} == {1: 7, 3: LAST, **dict.fromkeys((2, 4, 5), WHEN_ON_AGAIN)}


@pytest.mark.rule("HM-126")
async def test_a_silence_goes_on_with_its_next_occurrence_until_it_is_over(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        waits = {"from_at": 0, "until_at": 100, "due_at": 100}
        for id, about in ((1, US), (2, ANOTHER)):
            await put_silence(world, id, about, **waits)
        async with unit_of_work(world.database) as work:

            async def seen() -> list[Seen | None]:
                found = await silences.reaching(work.connection, [US, ANOTHER], after=0, until=LAST)
                return [each.seen for each in found]

            as_it_was = Seen(0, Occurrence(0, 100))
            await silences.go_on(work.connection, {UUID(int=1): (Occurrence(LAST - 9, LAST), LAST + 1)})
            assert await seen() == [Seen(LAST - 9, Occurrence(LAST - 9, LAST)), as_it_was]
            assert await ended(work.connection, clocks((0, 0)), "acme") == [2]
            assert await ended(work.connection, clocks((0, 0), at=LAST + 1), "acme") == [2, 1]
            await silences.go_on(work.connection, {UUID(int=1): (None, None)})
            assert await seen() == [None, as_it_was]
