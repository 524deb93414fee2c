"""What the correlator must not forget, and what it need not keep: others' rows, and rows of just that instant."""

from uuid import uuid4

import pytest
from correlator_facts import OFFLINE, QUIET, T0
from correlator_world import CorrelatorWorld
from silenced_world import FIRING, HEALTHY, fire
from sqlalchemy import text
from test_correlator_retention import SECOND, forget, put, put_silence, set_incident, subjects_in

from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.adapters.correlator.retention import Retention


@pytest.mark.rule("HM-201")
@pytest.mark.forgets
@pytest.mark.parametrize(("ended", "stays"), [(0, True), (1, False)], ids=["as it ended", "before"])
async def test_the_end_of_a_silence_has_to_know_of_nothing_before_it(
    environment: dict[str, str], ended: int, stays: bool
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        await set_incident(world, "resolved", None)
        (outcome,) = await world.rows("SELECT at FROM outcome")
        await put_silence(world, ends_at=T0, until_at=outcome.at + ended)
        assert ("outcome" in await forget(world, 31)) != stays


@pytest.mark.rule("HM-201")
@pytest.mark.forgets
async def test_what_was_refused_keeps_nothing_of_others(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        for subject in ("device/t17", "device/over"):
            await fire(world, T0 + SECOND, subject)
        await world.tick(T0 + 9 * SECOND)
        (asked,) = [one for one in await world.commands() if one.body["dedup_key"] == f"device/t17:{OFFLINE}"]
        await world.answer(asked, "rejected")
        await set_incident(world, "resolved", None)
        assert (await forget(world, 31))["outcome"] == 1
        assert await subjects_in(world, "outcome") == {"device/t17": 1}


@pytest.mark.rule("HM-201", "HM-289")
@pytest.mark.forgets
@pytest.mark.parametrize(
    ("state", "later", "stays"),
    [("firing", False, True), ("pending_resolve", False, True), ("healthy", False, False), ("firing", True, False)],
)
async def test_that_it_was_not_published_is_known_of_who_fails_on(
    environment: dict[str, str], state: str, later: bool, stays: bool
) -> None:
    """And until something else is known."""
    async with CorrelatorWorld.open(environment) as world:
        await world.put(QUIET)
        await world.in_force(4)
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("UPDATE outcome SET outcome = 'unpublished'"))
            await work.connection.execute(text("UPDATE subject SET state = :state"), {"state": state})
            if later:
                await work.connection.execute(text(_ONE_MORE))
        await set_incident(world, "resolved", None)
        await forget(world, 31)
        assert [row.outcome for row in await world.rows("SELECT outcome FROM outcome")] == ["unpublished"] * stays


_ONE_MORE = """
    INSERT INTO outcome SELECT (jsonb_populate_record(one, jsonb_build_object(
        'verdict', gen_random_uuid(), 'at', at + 1, 'outcome', 'nothing_to_resolve'))).* FROM outcome AS one
"""


@pytest.mark.rule("HM-201", "HM-203")
async def test_how_a_subject_stood_last_goes_behind_what_was_before_it_at_its_instant(
    environment: dict[str, str],
) -> None:
    """Another replica has the former in hand: without the latter it would say that the subject is not well."""
    async with CorrelatorWorld.open(environment) as world:
        for state in (FIRING, HEALTHY):
            whose = {"id": uuid4(), "org": "acme", "subject": "device/t17"}
            await put(world, "transition", **whose, to_state=state, at=T0, body="{}")
        world.later(31 * 86_400)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("SELECT FROM transition ORDER BY position LIMIT 1 FOR UPDATE"))
            assert await Retention(world.database, world.now).forget() == {}
        assert await forget(world) == {"transition": 2}
