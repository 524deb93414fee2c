"""Subjects that are removed and heard again, in whichever batches that comes. On a real database."""

import msgspec
import pytest
from correlator_facts import T0, change, next_place
from correlator_world import CorrelatorWorld
from judge_log import Log, judge

from fettle_health_monitor.domain.judgements import Change, Judgement, Profile, Unwatched

AT = T0 + 10_000
KNOWN = "SELECT state, integration, name FROM subject WHERE subject = 'device/t17'"
SAID = "SELECT name, integration, space, model, heard_interval_s FROM subject WHERE subject = 'device/t17'"


def removed(at: int) -> Change:
    return change(from_state="healthy", to_state=None, at=at, since=at, reason="forgotten")


def heard_again(world: CorrelatorWorld, at: int) -> tuple[Profile, Change]:
    """By one record: what it says of itself, and that it is there."""
    profile = world.profile(integration="hue-2", newcomer=True)
    comes_up = change(from_state=None, to_state="healthy", at=at, since=at, condition=None, place=(profile.place[0], 1))
    return profile, comes_up


def not_watched(at: int) -> Unwatched:
    whose = {"org": "acme", "subject": "device/t17", "reason": "list_only"}
    return Unwatched(shard=0, generation=1, place=next_place(), at=at, **whose)


async def known(world: CorrelatorWorld) -> list[tuple[str | None, str | None]]:
    return [(row.state, row.integration) for row in await world.rows(KNOWN)]


async def watched(world: CorrelatorWorld) -> None:
    comes_up = change(from_state=None, to_state="healthy", at=T0 + 1, since=T0 + 1, condition=None)
    await world.feed(world.profile(integration="hue-1", name="Thermostat"), comes_up)
    await world.tick(T0 + 1_000)


@pytest.mark.rule("HM-256")
@pytest.mark.parametrize("together", [0, 1, 2, 3], ids=["apart", "removal and profile", "a whole record", "all"])
async def test_what_is_said_behind_a_removal_stays_in_whichever_batches_it_comes(
    environment: dict[str, str], together: int
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await watched(world)
        gone, (profile, comes_up) = removed(AT), heard_again(world, AT + 500)
        batches: dict[int, list[list[Judgement]]] = {
            0: [[gone], [profile], [comes_up]],
            1: [[gone, profile], [comes_up]],
            2: [[gone], [profile, comes_up]],
            3: [[gone, profile, comes_up]],
        }
        for batch in batches[together]:
            await world.feed(*batch)
        await world.tick(AT + 1_000)
        assert await known(world) == [("healthy", "hue-2")]


@pytest.mark.rule("HM-69", "HM-261")
@pytest.mark.parametrize("together", [0, 1, 2, 3], ids=["apart", "what was said before too", "all but that", "all"])
async def test_who_is_heard_again_behind_its_removal_is_only_what_it_says_since(
    environment: dict[str, str], together: int
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await watched(world)
        before = world.profile(name="Old", model="T100", space="oslo", interval_s=30)
        gone, (profile, comes_up) = removed(AT), heard_again(world, AT + 500)
        later = world.profile(space="bergen")
        batches: dict[int, list[list[Judgement]]] = {
            0: [[before], [gone], [profile], [comes_up], [later]],
            1: [[before, gone, profile], [comes_up], [later]],
            2: [[before], [gone, profile, comes_up, later]],
            3: [[before, gone, profile, comes_up, later]],
        }
        for batch in batches[together]:
            await world.feed(*batch)
        await world.tick(AT + 1_000)
        assert [tuple(row) for row in await world.rows(SAID)] == [(None, "hue-2", "bergen", None, None)]


@pytest.mark.rule("HM-261")
async def test_what_a_newcomer_does_not_say_was_not_said_either_where_its_removal_waits(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await watched(world)
        await world.in_force(3, at=AT - 1)
        await world.feed(removed(AT))
        await world.feed(*heard_again(world, AT + 500))
        await world.tick(AT + 1_000)
        assert [tuple(row) for row in await world.rows(SAID)] == [(None, "hue-2", None, None, None)]


@pytest.mark.rule("HM-262")
async def test_what_was_said_before_a_removal_goes_where_a_newcomer_says_something_only_later(
    environment: dict[str, str],
) -> None:
    """All in one batch, as its shard says it: entered again behind its removal, and heard twice."""
    log = Log().policy().beat(name="Old", space="oslo", model="T100").forget().register().beat().beat(name="New")
    async with CorrelatorWorld.open(environment) as world:
        said = (each for each in judge(log).judgements if isinstance(each, Profile | Change))
        await world.feed(*(msgspec.structs.replace(each, place=next_place()) for each in said))
        assert [tuple(row) for row in await world.rows(SAID)] == [("New", None, None, None, None)]


@pytest.mark.rule("HM-261")
async def test_a_log_that_began_anew_knows_only_what_is_said_in_it(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await watched(world)
        said = world.profile(name="New", newcomer=True)
        await world.feed(msgspec.structs.replace(said, generation=2, place=(1, 0)))
        assert [tuple(row) for row in await world.rows(SAID)] == [("New", None, None, None, None)]


@pytest.mark.rule("HM-256")
async def test_what_is_said_while_the_removal_waits_for_its_turn_stays(environment: dict[str, str]) -> None:
    """Another policy has come into force: all that follows waits for the clocks."""
    async with CorrelatorWorld.open(environment) as world:
        await watched(world)
        await world.in_force(3, at=AT - 1)
        gone, (profile, comes_up) = removed(AT), heard_again(world, AT + 500)
        await world.feed(gone)
        await world.feed(profile, comes_up)
        await world.tick(AT + 400)
        assert await known(world) == [(None, "hue-2")]
        await world.tick(AT + 1_000)
        assert await known(world) == [("healthy", "hue-2")]


@pytest.mark.rule("HM-69", "HM-256")
async def test_what_was_said_before_the_removal_goes(environment: dict[str, str]) -> None:
    """Also where it is heard again in the same batch, and says nothing of itself."""
    async with CorrelatorWorld.open(environment) as world:
        await watched(world)
        gone = removed(AT)
        comes_up = change(from_state=None, to_state="healthy", at=AT + 500, since=AT + 500, condition=None)
        await world.feed(gone, comes_up)
        assert await known(world) == [("healthy", None)]
        await world.feed(removed(AT + 600))
        assert await known(world) == []


@pytest.mark.rule("HM-256")
async def test_a_log_that_began_anew_says_later_what_its_low_offsets_say(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await watched(world)
        gone = removed(AT)
        said = Profile(
            shard=0,
            generation=2,
            place=(1, 0),
            org="acme",
            subject="device/t17",
            name=None,
            integration="hue-2",
            space=None,
            model=None,
            interval_s=None,
            at=AT + 500,
        )
        await world.feed(gone, said)
        assert await known(world) == [(None, "hue-2")]


LISTED = "SELECT state, name, integration, unwatched FROM subject WHERE subject = 'device/t17'"


@pytest.mark.rule("HM-257")
@pytest.mark.parametrize("held", [False, True], ids=["at once", "the removal waits for its turn"])
@pytest.mark.parametrize("together", [True, False])
async def test_who_is_not_watched_behind_its_removal_is_listed_so(
    environment: dict[str, str], together: bool, held: bool
) -> None:
    """Its shard says that once; what the subject said of itself before its removal goes."""
    async with CorrelatorWorld.open(environment) as world:
        await watched(world)
        if held:
            await world.in_force(3, at=AT - 1)
        gone = removed(AT)
        listed = not_watched(AT + 500)
        batches: list[list[Judgement]] = [[gone, listed]] if together else [[gone], [listed]]
        for batch in batches:
            await world.feed(*batch)
        await world.tick(AT + 1_000)
        assert [tuple(row) for row in await world.rows(LISTED)] == [(None, None, None, "list_only")]


@pytest.mark.rule("HM-257")
@pytest.mark.parametrize("together", [True, False])
async def test_who_is_watched_after_all_is_listed_no_more(environment: dict[str, str], together: bool) -> None:
    """Also where its removal, and all that follows, waits for its turn."""
    async with CorrelatorWorld.open(environment) as world:
        await watched(world)
        await world.in_force(3, at=AT - 1)
        gone = removed(AT)
        listed = not_watched(AT + 500)
        profile, comes_up = heard_again(world, AT + 600)
        batches: list[list[Judgement]] = [[gone], [listed], [profile], [comes_up]]
        for batch in [[gone, listed, profile, comes_up]] if together else batches:
            await world.feed(*batch)
        await world.tick(AT + 1_000)
        assert [(row.state, row.integration, row.unwatched) for row in await world.rows(LISTED)] == [
            ("healthy", "hue-2", None)
        ]


@pytest.mark.rule("HM-257")
async def test_who_was_not_watched_before_its_removal_is_gone(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        listed = not_watched(AT)
        comes_up = change(from_state=None, to_state="healthy", at=AT + 100, since=AT + 100, condition=None)
        await world.feed(listed, comes_up, removed(AT + 500))
        assert await world.rows(LISTED) == []
