"""The registry's rows on a real database: what an entry replaces, what a removal leaves, and whose they are."""

from collections.abc import Collection

import pytest
from correlator_facts import BRISK, T0, change
from correlator_world import WALL, CorrelatorWorld
from test_correlator_controls import hello

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.identity import HeartbeatKey, SubjectRef
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.adapters.correlator.registry import Outlasting
from fettle_health_monitor.domain import control
from fettle_health_monitor.domain.correlator.registration import Entering, Refused, Registration

T17 = "device/t17"
ENTERED = """
    SELECT registered, entered_name, entered_integration, entered_space, entered_model, entered_interval_s, entered_by,
           entered_at
    FROM subject WHERE org = :org AND subject = 'device/t17'
"""
OLD = Registration(name="Old", integration="hue-1", space="oslo", model="T1", interval_s=2)


async def enter(
    world: CorrelatorWorld, said: Registration, *subjects: str, org: str = "acme", by: str = "ann@acme.test"
) -> Collection[Entering | Refused]:
    entries = {SubjectRef.parse(subject): said for subject in subjects or (T17,)}
    async with unit_of_work(world.database) as work:
        became = await world.registry.enter(work, org, entries, by=by)
    assert became is not None
    return list(became.values())


async def remove(world: CorrelatorWorld, subject: str = T17, org: str = "acme") -> None:
    async with unit_of_work(world.database) as work:
        assert await world.registry.remove(work, HeartbeatKey.parse(f"{org}/{subject}"))


async def entered(world: CorrelatorWorld, org: str = "acme") -> list[tuple[object, ...]]:
    return [tuple(row) for row in await world.rows(ENTERED, org=org)]


@pytest.mark.rule("HM-78", "HM-302")
async def test_an_entry_replaces_all_of_the_one_before_and_a_removal_leaves_nothing_of_it(
    environment: dict[str, str],
) -> None:
    """Nor anything of another org's."""
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("other")
        for org in ("acme", "other"):
            assert await enter(world, OLD, org=org) == [Entering.ADDED]
        new = Registration(name="New", integration="hue-2", space="bergen", model="T2", interval_s=3)
        world.later(60)
        assert await enter(world, new, by="bob@acme.test") == [Entering.CHANGED]
        assert await entered(world) == [(True, "New", "hue-2", "bergen", "T2", 3.0, "bob@acme.test", world.now())]
        theirs = [(True, "Old", "hue-1", "oslo", "T1", 2.0, "ann@acme.test", WALL)]
        assert await entered(world, "other") == theirs
        await world.feed(change(from_state=None, to_state="healthy", at=T0 + 1))
        await remove(world)
        assert await entered(world) == [(False, *[None] * 7)]
        assert await entered(world, "other") == theirs


@pytest.mark.rule("HM-69", "HM-302")
async def test_who_was_never_judged_goes_at_once_and_nobody_else(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("other")
        for org in ("acme", "other"):
            await enter(world, OLD, T17, "device/t18", org=org)
        await remove(world)
        left = await world.rows("SELECT org, subject, registered FROM subject ORDER BY 1, 2")
        assert [tuple(row) for row in left] == [
            ("acme", "device/t18", True),
            ("other", T17, True),
            ("other", "device/t18", True),
        ]


@pytest.mark.rule("HM-69")
@pytest.mark.parametrize("judged", [True, False])
async def test_who_is_removed_before_any_clock_is_known_is_waited_for_where_it_was_judged(
    environment: dict[str, str], judged: bool
) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        await world.tell("acme")
        await enter(world, OLD)
        if judged:
            await world.feed(change(from_state=None, to_state="healthy", generation=0))
        assert await world.rows("SELECT shard FROM shard_progress WHERE clock_generation IS NOT NULL") == []
        await remove(world)
        assert len(await world.rows("SELECT subject FROM subject")) == judged


@pytest.mark.rule("HM-69")
@pytest.mark.parametrize(("shard", "left"), [(0, 0), (1, 1)], ids=["its own", "another"])
async def test_whose_shard_began_anew_by_one_partition_is_not_waited_for(
    environment: dict[str, str], shard: int, left: int
) -> None:
    """Others' logs, and what comes later by another partition, say nothing of that."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change(from_state=None, to_state="healthy", at=T0 + 1))
        for one in (0, 1):
            await world.feed(world.clock(one, T0 + 1_000), partition=1)
        await world.feed(world.clock(shard, T0 + 2_000, generation=2, clock=5))
        await remove(world)
        assert len(await world.rows("SELECT subject FROM subject")) == left


@pytest.mark.rule("HM-190", "HM-302")
async def test_what_another_org_has_entered_makes_no_entry_known(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("other")
        await enter(world, OLD, org="other")
        assert await enter(world, OLD) == [Entering.ADDED]
        assert await enter(world, OLD) == [Entering.UNCHANGED]
        await enter(world, Registration(), org="other")
        assert await enter(world, OLD) == [Entering.UNCHANGED]


@pytest.mark.rule("HM-88", "HM-302")
async def test_a_policy_is_refused_for_the_first_whose_interval_is_longer_and_for_no_other_orgs(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("other")
        await enter(world, Registration(interval_s=3), "device/a", org="other")
        shorter = BRISK.model_copy(update={"timeout_s": 2})
        assert not isinstance(await world.put(shorter), Outlasting)
        await world.put(BRISK)
        await enter(world, Registration(interval_s=3), "device/c", "device/b")
        refused = await world.put(shorter)
        assert isinstance(refused, Outlasting)
        assert refused.subject == "device/b"


@pytest.mark.rule("HM-88")
@pytest.mark.parametrize(
    ("shorter", "fits"),
    [
        ({"subject": "device/b"}, True),
        ({"integration": "hue-2"}, True),
        ({"integration": "hue-1"}, True),
        ({"model": "T1"}, True),
        ({"subject": T17}, False),
    ],
    ids=str,
)
async def test_an_interval_is_held_to_the_narrowest_timeout_of_its_own(
    environment: dict[str, str], shorter: dict[str, str], fits: bool
) -> None:
    """Not to another subject's, nor to a wider one: a model's comes before an integration's, a subject's before both.
    Of its model, or of itself, one is as long as the interval."""
    own = {"subject": T17} if "model" in shorter else {"model": "T1"}
    said = [{"match": shorter, "timeout_s": 2}, {"match": own, "timeout_s": 3}]
    async with CorrelatorWorld.open(environment) as world:
        await enter(world, Registration(integration="hue-1", model="T1", interval_s=3))
        wanted = HealthPolicy.kept({**BRISK.to_dict(), "timeout_s": 3, "overrides": said})
        assert (not isinstance(await world.put(wanted), Outlasting)) is fits


@pytest.mark.rule("HM-88")
async def test_another_subjects_timeout_is_not_its_orgs(environment: dict[str, str]) -> None:
    said = [{"match": {"subject": "device/b"}, "timeout_s": 2}]
    async with CorrelatorWorld.open(environment) as world:
        await enter(world, Registration(interval_s=3))
        wanted = HealthPolicy.kept({**BRISK.to_dict(), "timeout_s": 3, "overrides": said})
        assert not isinstance(await world.put(wanted), Outlasting)


@pytest.mark.rule("HM-261")
async def test_who_is_entered_again_behind_its_removal_has_said_nothing(environment: dict[str, str]) -> None:
    """Neither its integration, nor its model, nor its interval is told to a shard that starts anew."""
    async with CorrelatorWorld.open(environment) as world:
        said = world.profile(integration="hue-1", model="T100", interval_s=2.0)
        await world.feed(said, change(from_state=None, to_state="healthy", at=T0 + 1))
        await enter(world, Registration(name="T"))
        await remove(world)
        await enter(world, Registration(name="T"))
        await world.clear()
        await world.feed(hello(0))
        told = [said for _, _, said in await world.controls_written() if isinstance(said, control.Register)]
        assert told[-1] == control.Register(name="T", heard=control.NOTHING_HEARD)


@pytest.mark.rule("HM-261", "HM-263")
async def test_what_was_said_before_a_removal_counts_for_no_entry_behind_it(environment: dict[str, str]) -> None:
    """Also while the shard has not said yet that it has forgotten the subject."""
    of_model = {"match": {"model": "T100"}, "timeout_s": 60}
    async with CorrelatorWorld.open(environment) as world:
        await world.put(HealthPolicy.kept({**BRISK.to_dict(), "timeout_s": None, "overrides": [of_model]}))
        said = world.profile(integration="hue-1", model="T100", interval_s=1.0)
        await world.feed(said, change(from_state=None, to_state="healthy", at=T0 + 1))
        await remove(world)
        await world.clear()
        assert await enter(world, Registration(interval_s=300)) == [Entering.ADDED]
        assert await enter(world, Registration()) == [Entering.CHANGED]
        told = [said for _, _, said in await world.controls_written()]
        assert told == [control.Register(interval_s=300), control.Register(heard=control.NOTHING_HEARD)]


@pytest.mark.rule("HM-270")
async def test_an_integration_is_behind_none_by_what_it_says_or_the_registry(environment: dict[str, str]) -> None:
    """Nor is it one of its own devices, for whom a ticket about many counts."""
    gateway = "integration/hue-1"
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(
            world.profile(gateway, integration="hue-1", model="bridge"),
            change(gateway, None, "healthy", at=T0 + 1),
            world.profile(integration="hue-1"),
        )
        await enter(world, Registration(integration="hue-1", name="Hue"), gateway)
        rows = await world.rows("SELECT subject, integration, model FROM subject ORDER BY subject")
        assert [tuple(row) for row in rows] == [(T17, "hue-1", None), (gateway, None, "bridge")]
        told = [said for _, _, said in await world.controls_written() if isinstance(said, control.Register)]
        assert [(said.name, said.integration) for said in told] == [("Hue", None)]
        assert await enter(world, Registration(integration="hue-1", name="Hue"), gateway) == [Entering.UNCHANGED]


@pytest.mark.rule("HM-77")
async def test_a_shard_that_starts_anew_is_told_of_its_subjects_in_their_order(environment: dict[str, str]) -> None:
    """Of orgs and subjects, whatever the order in which they became known."""
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("zeta")
        keys = [f"{org}/device/{number}" for org in ("zeta", "acme") for number in range(20, 0, -1)]
        ours = [HeartbeatKey.parse(key) for key in keys]
        ours = [key for key in ours if world.controls.shard_of(key) == 0]
        for number, key in enumerate(ours):
            kind, subject = number % 3, str(key.subject)
            if kind:
                await world.feed(change(subject, None, "healthy", org=key.org, at=T0 + 1))
            else:
                await enter(world, Registration(), subject, org=key.org)
            if kind == 2:
                await remove(world, subject, key.org)
        await world.clear()
        await world.feed(hello(0))
        written = [(row.headers["fettle-control"], row.key) for row in await world.outbox(HEARTBEATS)]
        removed = sorted(str(key) for key in ours[2::3])
        gone = [key for kind, key in written if kind == b"forget"]
        assert gone == removed
        known = [key for kind, key in written if kind == b"register" and key not in removed]
        told_twice = sorted(str(key) for key in [*ours[1::3], *ours[1::3]])
        assert known == sorted(str(key) for key in ours[0::3]) + told_twice
