"""What waits is taken by its org and by the partition that it came by, row by row. On a real database."""

import dataclasses
from collections.abc import Iterable
from uuid import UUID

import pytest
from correlator_facts import OFFLINE, T0, change
from correlator_world import CorrelatorWorld
from loss_facts import says_offline
from msgspec.structs import replace
from rollup_facts import UNREACHABLE
from sqlalchemy.ext.asyncio import AsyncConnection
from test_correlator_retention import put

from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.adapters.correlator import former_members, losses, watches
from fettle_health_monitor.adapters.correlator.watches import Shown
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import NOT_RUNNING, Until
from fettle_health_monitor.domain.correlator.rollups import MANY, Parent
from fettle_health_monitor.domain.correlator.unseen_subjects import Unseen
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind
from fettle_health_monitor.domain.judgements import Change, InForce

PARTITION_OF = {"acme": 0, "zeta": 0, "other": 1}
SUBJECT = "device/t17"
CLOCKS: list[Shown] = [(partition, ShardClock(0, 1, T0 + 2_000, 1_002_000)) for partition in (0, 1)]
"""Of shard 0, two seconds behind T0; its clock of T0 is 1,000,000."""


def said(org: str, at: int, **more: object) -> Change:
    return replace(change(SUBJECT, "healthy", "pending_open", at=at), org=org, **more)


async def opened(world: CorrelatorWorld) -> None:
    """Both partitions show shard 0 at the same instant; the other one's clock has run for a second less."""
    for partition, clock in ((0, 1_002_000), (1, 1_001_000)):
        await world.feed(world.clock(0, T0 + 2_000, clock=clock), partition=partition)


@pytest.mark.rule("HM-302")
async def test_held_judgements_have_their_turn_by_org_and_partition(environment: dict[str, str]) -> None:
    """And in the order of instants, shards and places."""
    async with CorrelatorWorld.open(environment, org=None) as world, unit_of_work(world.database) as work:
        connection = work.connection
        late = said("acme", T0 + 9_000)
        ours = [
            said("acme", T0 + 1, shard=1, place=(3, 1)),
            said("acme", T0 + 1, shard=1, place=(3, 0)),
            said("acme", T0 + 1, shard=1, place=(2, 5)),
            said("acme", T0 + 1, shard=0, place=(9, 0)),
            said("acme", T0, shard=2, place=(9, 9)),
        ]
        in_force = InForce(shard=0, generation=1, place=(4, 0), org="zeta", version=2, enabled=True, at=T0 + 1)
        await losses.hold(connection, [late, *ours, said("zeta", T0), said("other", T0), in_force], PARTITION_OF)
        first = await losses.held_between(connection, 0, T0 + 1, T0 + 9_000)
        assert first == {"acme": (T0 + 1, {SUBJECT})}
        assert (await losses.held_between(connection, 1, T0, T0 + 1)).keys() == {"other"}
        assert await losses.orgs_with_ready(connection, {0: T0 + 1}, []) == {"acme", "zeta"}
        assert await losses.orgs_with_ready(connection, {0: T0, 1: T0}, []) == set()
        taken = await losses.take_held(connection, {0: T0 + 9_000}, {"acme", "other"})
        assert taken == [(0, each) for each in reversed(ours)]
        assert await losses.orgs_with_ready(connection, {0: T0 + 9_001, 1: T0 + 1}, []) == set(PARTITION_OF)


@pytest.mark.rule("HM-302")
async def test_timers_of_unseen_subjects_run_out_by_org_and_by_the_clock_of_their_partition(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        await opened(world)
        async with unit_of_work(world.database) as work:
            connection = work.connection
            for org, partition in PARTITION_OF.items():
                shown = {"subject": SUBJECT, "shown": "unknown", "condition": OFFLINE}
                row = Unseen(**shown, judged=said(org, T0), until=Until(1, 1_000_000, 1_000_500))
                await losses.keep(connection, org, partition, [row])

            async def due(*orgs: str, partitions: Iterable[int] = (0, 1)) -> list[tuple[int, str, int]]:
                clocks = [each for each in CLOCKS if each[0] in partitions]
                reach = dict.fromkeys(partitions, T0 + 2000)
                found = await losses.due(connection, reach, clocks, orgs)
                return [(partition, org, each.at - T0) for partition, org, each in found]

            assert await due("acme") == [(0, "acme", 500)]
            assert sorted(await due("acme", "other")) == [(0, "acme", 500), (1, "other", 1_500)]
            assert await due("acme", "other", partitions=[1]) == [(1, "other", 1_500)]
            assert await losses.orgs_with_ready(connection, {}, CLOCKS[:1]) == {"acme", "zeta"}
            early = [(0, ShardClock(0, 1, T0 + 499, 1_000_499))]
            assert await losses.orgs_with_ready(connection, {}, early) == set()
            assert await losses.due(connection, {0: T0 + 2_000}, early, ["acme"]) == []


@pytest.mark.rule("HM-302")
async def test_that_one_is_heard_again_says_nothing_of_who_is_called_the_same(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        for org in PARTITION_OF:
            known = '{"deadline": 1, "status": "ok", "seen": 1}'
            await put(world, "subject", org=org, subject=SUBJECT, shard=0, evidence=known)
        async with unit_of_work(world.database) as work:
            await losses.record_heard_again(work.connection, [says_offline(SUBJECT, T0)])
        found = {row.org: row.evidence for row in await world.rows("SELECT org, evidence FROM subject")}
        as_it_was = {"deadline": 1, "status": "ok", "seen": 1}
        assert found == {
            "acme": {"deadline": None, "status": "offline", "seen": 1},
            "zeta": as_it_was,
            "other": as_it_was,
        }


def watch(org: str, subject: str = SUBJECT, condition: str = OFFLINE, shard: int = 0, after: int = 500) -> Watch:
    return Watch(
        kind=WatchKind.EARLY_RESOLVE,
        cause=UUID(int=1),
        org=org,
        subject=subject,
        condition=condition,
        shard=shard,
        generation=1,
        start_at=T0,
        start_clock=1_000_000,
        due_clock=1_000_000 + after,
    )


async def put_firing(world: CorrelatorWorld) -> None:
    for number, org in enumerate(PARTITION_OF):
        await put(world, "subject", org=org, subject=SUBJECT, shard=0, state="firing", changed_at=T0)
        about = {"org": org, "subject": SUBJECT, "to_state": "firing", "at": T0 - 1, "body": "{}"}
        await put(world, "transition", id=UUID(int=number), **about)


@pytest.mark.rule("HM-302")
async def test_watches_run_out_by_org_and_by_the_clock_of_their_partition(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        await opened(world)
        await put_firing(world)
        async with unit_of_work(world.database) as work:
            connection = work.connection
            await watches.begin(connection, [watch(org) for org in PARTITION_OF], PARTITION_OF)

            async def out(*orgs: str, partitions: Iterable[int] = (0, 1)) -> list[tuple[int, str, int]]:
                clocks = [each for each in CLOCKS if each[0] in partitions]
                found = await watches.settle_run_out(connection, clocks, orgs)
                return [(each.partition, each.watch.org, each.at - T0) for each in found]

            assert await out("acme") == [(0, "acme", 500)]
            assert await out("acme", "other") == [(0, "acme", 500), (1, "other", 1_500)]
            assert await out("acme", "other", partitions=[1]) == [(1, "other", 1_500)]
            assert await watches.orgs_with_due(connection, CLOCKS[:1]) == {"acme", "zeta"}
            await watches.take(connection, await watches.settle_run_out(connection, CLOCKS, ["acme"]))
            assert await left(connection) == [("other", SUBJECT, OFFLINE), ("zeta", SUBJECT, OFFLINE)]


@pytest.mark.rule("HM-146", "HM-227")
@pytest.mark.parametrize(("now", "found"), [(700, []), (701, [700])])
async def test_who_fails_again_only_behind_the_clocks_is_not_taken_yet(
    environment: dict[str, str], now: int, found: list[int]
) -> None:
    """It may have been healthy before, which is decided by then."""
    async with CorrelatorWorld.open(environment, org=None) as world:
        await opened(world)
        await put(world, "subject", org="acme", subject=SUBJECT, shard=0, state="firing", changed_at=T0 + 700)
        for number, (to_state, at) in enumerate((("pending_resolve", T0 - 1), ("firing", T0 + 700))):
            about = {"org": "acme", "subject": SUBJECT, "to_state": to_state, "at": at, "body": "{}"}
            await put(world, "transition", id=UUID(int=number), **about)
        async with unit_of_work(world.database) as work:
            await watches.begin(work.connection, [watch("acme")], PARTITION_OF)
            clock = ShardClock(0, 1, T0 + now, 1_000_000 + now)
            out = await watches.settle_run_out(work.connection, [(0, clock)], ["acme"])
            assert [each.at - T0 for each in out] == found


async def left(connection: AsyncConnection) -> list[tuple[str, str, str]]:
    found = list[Watch]()
    for org, partition in PARTITION_OF.items():
        found += await watches.of_shard(connection, partition, 0, org)
    return sorted((each.org, each.subject, each.condition) for each in found)


@pytest.mark.rule("HM-302")
async def test_watches_are_read_taken_and_ended_one_by_one(environment: dict[str, str]) -> None:
    """By shard, subject and condition too."""
    async with CorrelatorWorld.open(environment, org=None) as world:
        await opened(world)
        await put_firing(world)
        async with unit_of_work(world.database) as work:
            connection = work.connection
            more = [watch("acme", "device/t18"), watch("acme", condition=MANY), watch("acme", "device/t19", shard=1)]
            await watches.begin(connection, [*(watch(org) for org in PARTITION_OF), *more], PARTITION_OF)
            everything = await left(connection)
            assert everything == [
                ("acme", SUBJECT, OFFLINE),
                ("acme", SUBJECT, MANY),
                ("acme", "device/t18", OFFLINE),
                ("other", SUBJECT, OFFLINE),
                ("zeta", SUBJECT, OFFLINE),
            ]
            assert await watches.of_shard(connection, 1, 0, "acme") == []
            assert [each.subject for each in await watches.of_shard(connection, 0, 1, "acme")] == ["device/t19"]
            out = await watches.settle_run_out(connection, CLOCKS, ["acme"])
            (due,) = [each for each in out if (each.watch.subject, each.watch.condition) == (SUBJECT, OFFLINE)]
            await watches.take(connection, [due])
            assert await left(connection) == everything[1:]
            await watches.end(connection, WatchKind.EARLY_RESOLVE, {("acme", SUBJECT)})
            assert await left(connection) == everything[1:]
            await watches.end(connection, WatchKind.OPEN_REFUSED, {("acme", SUBJECT)}, of_many=True)
            assert await left(connection) == everything[1:]
            await watches.end(connection, WatchKind.EARLY_RESOLVE, {("acme", SUBJECT)}, of_many=True)
            assert await left(connection) == everything[2:]


@pytest.mark.rule("HM-239", "HM-302")
async def test_lists_that_devices_have_left_are_told_apart(environment: dict[str, str]) -> None:
    """By org, device, integration and what the ticket was about; who has left one twice has left it."""
    of_one, of_many, elsewhere = (Parent("hue-1", UNREACHABLE), Parent("hue-1", MANY), Parent("hue-2", UNREACHABLE))
    ours, theirs, another = ("acme", SUBJECT), ("other", SUBJECT), ("acme", "device/t18")
    places = [(ours, of_one), (ours, of_many), (ours, elsewhere), (theirs, of_one), (another, of_one)]
    async with CorrelatorWorld.open(environment, org=None) as world, unit_of_work(world.database) as work:
        for _ in range(2):
            await former_members.add(work.connection, places)
        await former_members.remove(work.connection, places[:1])
        found = await former_members.of(work.connection, [ours, theirs, another])
        assert found == {ours: {of_many, elsewhere}, theirs: {of_one}, another: {of_one}}
        assert await former_members.of(work.connection, [theirs]) == {theirs: {of_one}}


@pytest.mark.rule("HM-302")
async def test_a_watch_that_is_begun_again_is_the_later_one(environment: dict[str, str]) -> None:
    """And runs for its subject and kind alone."""
    first, others = watch("acme"), [watch("acme", "device/t18"), watch("other")]
    again = dataclasses.replace(first, cause=UUID(int=2), shard=1, generation=2, start_at=5, start_clock=6, due_clock=7)
    ours, theirs, another = ("acme", SUBJECT), ("other", SUBJECT), ("acme", "device/t18")
    async with CorrelatorWorld.open(environment, org=None) as world, unit_of_work(world.database) as work:
        connection = work.connection
        await watches.begin(connection, [first, *others], PARTITION_OF)
        await watches.begin(connection, [again], PARTITION_OF)
        assert await watches.of_shard(connection, 0, 1, "acme") == [again]
        assert await watches.of_shard(connection, 0, 0, "acme") == others[:1]
        assert await watches.of_subject(connection, WatchKind.EARLY_RESOLVE, *ours) == again
        assert await watches.of_subject(connection, WatchKind.OPEN_REFUSED, *ours) is None
        await watches.begin(connection, [dataclasses.replace(first, kind=WatchKind.OPEN_REFUSED)], PARTITION_OF)
        assert await watches.running(connection, WatchKind.EARLY_RESOLVE, [ours, theirs]) == {ours, theirs}
        assert await watches.running(connection, WatchKind.OPEN_REFUSED, [ours, another]) == {ours}
        await watches.end(connection, WatchKind.EARLY_RESOLVE, [ours, another])
        assert await watches.undecided(connection, [ours, theirs, another]) == {theirs}
        assert await watches.running(connection, WatchKind.OPEN_REFUSED, [ours]) == {ours}


@pytest.mark.rule("HM-82", "HM-302")
async def test_watches_last_their_whole_length_where_their_log_began_anew(environment: dict[str, str]) -> None:
    """Of that shard, by that partition; one that runs by the new log already, or by none, runs on."""
    ours, shard, theirs = watch("acme"), watch("acme", "device/t18", shard=1), watch("other")
    new = dataclasses.replace(watch("acme", "device/t19"), generation=2)
    none = dataclasses.replace(watch("acme", "device/t20"), generation=NOT_RUNNING)
    async with CorrelatorWorld.open(environment, org=None) as world, unit_of_work(world.database) as work:
        connection = work.connection
        await watches.begin(connection, [ours, shard, theirs, new, none], PARTITION_OF)
        await watches.begin_anew(connection, [(0, ShardClock(0, 2, T0 + 9_000, 100))], [])
        anew = dataclasses.replace(ours, generation=2, start_at=T0 + 9_000, start_clock=100, due_clock=600)
        found = {each.subject: each for each in await watches.of_shard(connection, 0, 0, "acme")}
        assert found == {each.subject: each for each in (anew, new, none)}
        assert await watches.of_shard(connection, 0, 1, "acme") == [shard]
        assert await watches.of_shard(connection, 1, 0, "other") == [theirs]
