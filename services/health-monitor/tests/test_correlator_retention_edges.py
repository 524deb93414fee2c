"""What the correlator must not forget, and what it need not keep: others' rows, and rows of just that instant."""

from uuid import UUID, uuid4

import pytest
from correlator_facts import OFFLINE, QUIET, T0
from correlator_world import CorrelatorWorld
from rollup_facts import MANY, UNREACHABLE
from silenced_world import DAY, FIRING, HEALTHY, RESOLVING, fire, move
from sqlalchemy import text
from test_correlator_retention import SECOND, forget, put, put_silence, set_incident, subjects_in

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import why_facts
from fettle_health_monitor.adapters.correlator.retention import Retention
from fettle_health_monitor.domain.correlator.silences import Schedule

OURS = ("acme", "device/t17")
OTHERS = (("other", "device/t17"), ("acme", "device/t1"))
"""Called the same in another org, and another of the same org."""


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


@pytest.mark.rule("HM-201", "HM-320")
@pytest.mark.forgets
async def test_what_a_long_silence_holds_back_is_known_while_it_does(environment: dict[str, str]) -> None:
    """A silence of 60 days; the device is dead, until it recovers on the fortieth."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60 * 86_400))
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        assert await world.outcomes() == [("firing", "silenced")]
        assert "outcome" not in await forget(world, 31)
        await move(world, FIRING, RESOLVING, HEALTHY, at=T0 + 40 * DAY)
        await world.tick(T0 + 40 * DAY + 9 * SECOND)
        assert "outcome" not in await forget(world, 38)
        assert await world.outcomes() == [("firing", "silenced"), ("recovered", "nothing_to_resolve")]
        assert (await forget(world, 2))["outcome"] == 2


@pytest.mark.rule("HM-320")
@pytest.mark.forgets
async def test_what_a_ticket_was_about_is_known_for_thirty_days_after_its_end(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        await world.happen(EntryType.OPENED, answering=await _asked(world))
        assert "outcome" not in await forget(world, 31)
        ends = T0 + 31 * DAY
        await move(world, FIRING, RESOLVING, HEALTHY, at=ends)
        await world.tick(ends + 9 * SECOND)
        await world.happen(EntryType.RESOLVED, state="resolved", version=2, answering=await _asked(world))
        for days in (0.1, 29.8):
            assert not {"outcome", "incident"} & (await forget(world, days)).keys()
            async with world.database.reading() as connection:
                about = (connection, *OURS, OFFLINE, ends - 2 * 3_600_000)
                known = await why_facts.ticket(*about)
                asked = await why_facts.outcomes(connection, *OURS, ends - 2 * 3_600_000)
            assert known is not None
            assert (known.number, [one.outcome for one in asked]) == (1, ["opened"])
        gone = await forget(world, 0.2)
        assert (gone["outcome"], gone["incident"]) == (2, 1)


async def _asked(world: CorrelatorWorld) -> UUID | None:
    (incident,) = await world.rows("SELECT asked_command FROM incident")
    return incident.asked_command  # type: ignore[no-any-return]


@pytest.mark.rule("HM-320")
@pytest.mark.forgets
async def test_so_is_what_many_shared_after_few_are_left(environment: dict[str, str]) -> None:
    """Its integration being well ends nothing of that, nor does a look at which they are many yet."""
    async with CorrelatorWorld.open(environment) as world:
        integration = {"org": "acme", "subject": "integration/hue-1"}
        shared = {**integration, "condition": MANY, "ticket_id": uuid4(), "ticket_state": "resolved", "opened_at": T0}
        await put(world, "incident", **shared)
        ends = [(1, "recovered", "resolved"), (2, "few_left", "called_off"), (31, "few_left", "resolved")]
        for day, cause, outcome in ends:
            about = MANY if cause == "few_left" else ""
            decided = {"cause": cause, "outcome": outcome, "condition": about, "at": T0 + day * DAY, "reason": ""}
            of = {"policy_version": 3, "evidence": "{}", "decided_at": world.now()}
            await put(world, "outcome", **integration, verdict=uuid4(), **decided, **of)
        assert "incident" not in await forget(world, 60.9)
        assert (await forget(world, 0.2))["incident"] == 1


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
    [
        ("firing", False, True),
        ("pending_resolve", False, True),
        ("healthy", False, False),
        ("pending_open", False, False),
        ("firing", True, False),
    ],
)
async def test_that_it_was_not_published_is_known_of_who_fails_on(
    environment: dict[str, str], state: str, later: bool, stays: bool
) -> None:
    """And until something else is known: not of those who fail on meanwhile."""
    async with CorrelatorWorld.open(environment) as world:
        for org, subject in OTHERS:
            await put(world, "subject", org=org, subject=subject, shard=0, state="firing")
        await world.put(QUIET)
        await world.in_force(4)
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("UPDATE outcome SET outcome = 'unpublished'"))
            ours = text("UPDATE subject SET state = :state WHERE org = 'acme' AND subject = 'device/t17'")
            await work.connection.execute(ours, {"state": state})
            for org, subject in (*OTHERS, *[OURS] * later):
                await work.connection.execute(text(_ONE_MORE), {"org": org, "subject": subject})
        await set_incident(world, "resolved", None)
        await forget(world, 31)
        assert [row.outcome for row in await world.rows("SELECT outcome FROM outcome")] == ["unpublished"] * stays


_ONE_MORE = """
    INSERT INTO outcome SELECT (jsonb_populate_record(one, jsonb_build_object(
        'org', CAST(:org AS text), 'subject', CAST(:subject AS text),
        'verdict', gen_random_uuid(), 'at', at + 1, 'outcome', 'nothing_to_resolve'))).* FROM outcome AS one
    WHERE outcome = 'unpublished'
"""


@pytest.mark.rule("HM-201", "HM-302")
@pytest.mark.forgets
async def test_what_something_needs_keeps_nothing_of_others(environment: dict[str, str]) -> None:
    """Neither of the same subject in another org, nor of another subject or another condition of it."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        await set_incident(world, "resolved", None)
        (asked,) = await world.rows("SELECT id FROM command")
        for org, subject, condition in [(*one, OFFLINE) for one in OTHERS] + [(*OURS, UNREACHABLE)]:
            about = {"org": org, "subject": subject, "condition": condition}
            await put(world, "incident", **about, ticket_id=uuid4(), ticket_state="open", opened_at=T0)
            where = {"partition": 0, "shard": 0, "generation": 1, "start_at": T0, "start_clock": 0, "due_clock": 9}
            for kind in ("early_resolve", "open_refused"):
                cause = asked.id if org == "other" else uuid4()
                await put(world, "watch", **about, **where, kind=kind, cause=cause)
            if (org, subject) != OURS:
                await put_silence(world, ends_at=T0, until_at=T0, org=org, subject=subject)
                of_it = {"parent": "integration/hue-1", "parent_condition": UNREACHABLE, "joined_at": T0}
                await put(world, "rollup_member", **about, **of_it)
        gone = await forget(world, 31)
        assert {table: gone.get(table) for table in ("outcome", "command", "incident")} == {
            "outcome": 1,
            "command": 1,
            "incident": 1,
        }


@pytest.mark.rule("HM-200")
async def test_a_resolved_ticket_goes_also_where_nobody_knows_when_it_opened(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        about = {"org": "acme", "subject": "device/t17", "condition": OFFLINE}
        await put(world, "incident", **about, ticket_id=uuid4(), ticket_state="resolved")
        assert await forget(world) == {"incident": 1}


@pytest.mark.rule("HM-201", "HM-302")
async def test_that_others_stood_otherwise_before_keeps_nothing_of_who_is_well(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        for (org, subject), state in (*((one, FIRING) for one in OTHERS), (OURS, HEALTHY)):
            await put(world, "transition", id=uuid4(), org=org, subject=subject, to_state=state, at=T0, body="{}")
        assert await forget(world, 31) == {"transition": 1}
        assert set(await subjects_in(world, "transition")) == {subject for _, subject in OTHERS}


@pytest.mark.rule("HM-202")
async def test_a_silence_stays_while_another_has_in_hand_what_it_held_back(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await put_silence(world, ends_at=T0, until_at=None, held=2)
        world.later(91 * 86_400)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("SELECT FROM silence_held ORDER BY at LIMIT 1 FOR UPDATE"))
            assert await Retention(world.database, world.now).forget() == {"silence_held": 1}
        assert await forget(world) == {"silence_held": 1, "silence": 1}


@pytest.mark.rule("HM-202")
async def test_what_a_silence_has_held_back_long_before_its_end_stays_as_long_as_it(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await put_silence(world, ends_at=T0 + 40 * DAY, until_at=None, held=1)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("UPDATE silence_held SET at = :at"), {"at": T0})
        assert await forget(world, 100) == {}
        assert await forget(world, 31) == {"silence_held": 1, "silence": 1}


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
