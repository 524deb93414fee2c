"""The books of verdicts: they add up whatever happens, and a verdict that is lost or made up shows. On a real
database; the check at the end of every test of the tree is the one that is tried here."""

import asyncio
from uuid import UUID

import pytest
import structlog
from correlator_facts import BRISK, QUIET, T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import UNREACHABLE, behind, fails, fires, pending, recovers
from silenced_world import FIRING, HEALTHY, RESOLVING, fire, move
from sqlalchemy import text
from tests import verdict_books

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.times import from_ms
from fettle_health_monitor.adapters.correlator import books
from fettle_health_monitor.adapters.correlator.books import Hour
from fettle_health_monitor.correlator.bookkeeping import LOOKS_BACK, Bookkeeping
from fettle_health_monitor.metrics import STALLED_SHARDS, VERDICTS, VERDICTS_OF_HOUR, VERDICTS_UNACCOUNTED

HOUR = 3_600_000


async def hours(world: CorrelatorWorld, since: int = 0) -> list[Hour]:
    async with world.database.reading() as connection:
        return await books.hours(connection, since)


async def do(world: CorrelatorWorld, statement: str) -> None:
    async with unit_of_work(world.database) as work:
        for one in statement.split(";"):
            await work.connection.execute(text(one))


async def story(world: CorrelatorWorld) -> None:
    """One opened, one for what fired before publishing began, one that waits."""
    await world.put(QUIET)
    await world.in_force(4)
    await fire(world, T0 + 1_000, "device/before")
    await world.tick(T0 + 2_000)
    await world.put(BRISK, publish_existing=True)
    await world.in_force(5, at=T0 + 3_000)
    await fire(world, T0 + 4_000, "device/after")
    await world.tick(T0 + 5_000)
    await fire(world, T0 + 9_000, "device/waits")


@pytest.mark.rule("HM-206")
async def test_the_books_count_by_org_and_hour_what_was_called_for_and_how_it_ended(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("zeta")
        await fire(world, T0 + 1_000)
        await fire(world, T0 + 1_000, "device/b")
        await world.feed(change("device/z", org="zeta", at=T0 + 1_000, policy_version=1))
        await world.tick(T0 + 2_000)
        await move(world, FIRING, RESOLVING, HEALTHY, at=T0 + HOUR, subject="device/b")
        await world.tick(T0 + HOUR + 1_000)
        await fire(world, T0 + HOUR + 2_000, "device/c")
        first = T0 // HOUR
        assert await hours(world) == [
            Hour("acme", first, 2, {"opened": 2}, 0, (), unanswered=2),
            Hour("acme", first + 1, 2, {"resolved": 1, books.WAITING: 1}, 0, ()),
            Hour("zeta", first, 1, {"refused": 1}, 0, ()),
        ]
        assert [hour.called for hour in await hours(world, T0 + HOUR)] == [2]


@pytest.mark.rule("HM-206")
async def test_what_no_change_calls_for_is_in_the_books_too(environment: dict[str, str]) -> None:
    """Publishing that begins, an early resolve, and a removal that no shard will ever speak of."""
    async with CorrelatorWorld.open(environment) as world:
        await story(world)
        await world.tick(T0 + 10_000)
        (opened, *_) = await world.commands()
        await world.happen(
            EntryType.OPENED, subject="device/before", answering=UUID(opened.event.id), at=T0 + 4_000, version=1
        )
        await world.happen(
            EntryType.RESOLVED,
            subject="device/before",
            state="resolved",
            actor=ActorType.USER,
            at=T0 + 10_000,
            version=2,
        )
        await world.tick(T0 + 12_000)
        await world.feed(world.clock(0, T0 + 13_000, generation=2, clock=5))
        async with unit_of_work(world.database) as work:
            assert await world.registry.remove(work, HeartbeatKey.parse("acme/device/after"))
        entered = {row.cause for row in await world.rows("SELECT cause FROM called")}
        assert entered == {"publishing_began", "still_unhealthy", "forgotten"}
        assert all(hour.unaccounted == 0 for hour in await hours(world))


DAMAGE = {
    "an outcome is lost": "DELETE FROM outcome WHERE subject = 'device/after'",
    "an outcome of another is lost": "DELETE FROM outcome WHERE cause = 'publishing_began'",
    "an outcome is made up": """
        INSERT INTO outcome SELECT gen_random_uuid(), org, subject, condition, cause, at, outcome, reason,
                                   policy_version, evidence, decided_at
        FROM outcome WHERE subject = 'device/after'
    """,
    "what waits is lost": "DELETE FROM verdict",
    "what is decided waits": "UPDATE verdict SET id = (SELECT verdict FROM outcome WHERE subject = 'device/after')",
    "an answer settles nothing": "UPDATE command SET answer = 'applied'",
    "a call is lost": "DELETE FROM called",
    "a call of a change is lost": "UPDATE transition SET calls = false WHERE subject = 'device/after'",
    "something is called for twice": """
        INSERT INTO called SELECT id, org, 'firing', at FROM transition WHERE subject = 'device/after' AND calls
    """,
}


@pytest.mark.rule("HM-206", "HM-207")
@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_verdict_that_is_lost_or_made_up_shows(environment: dict[str, str], damage: str) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await story(world)
        await Bookkeeping(world.database, world.now).look()
        assert metrics() == (4, 3, 1, 0)
        assert VERDICTS.labels("unanswered")._value.get() == 3
        await asyncio.to_thread(verdict_books.check, environment)
        await do(world, DAMAGE[damage])
        with pytest.raises(AssertionError, match=r"do not add up.*acme"):
            await asyncio.to_thread(verdict_books.check, environment)
        with structlog.testing.capture_logs() as logs:
            await Bookkeeping(world.database, world.now).look()
        assert metrics()[3] == sum(hour.unaccounted for hour in await hours(world)) > 0
        (line,) = [log for log in logs if log["event"] == "verdicts.unaccounted"]
        assert (line["org"], line["hour"]) == ("acme", "2026-09-21T14:00:00.000Z")
        assert line["such_as"]
        await do(
            world, "DELETE FROM outcome; DELETE FROM verdict; DELETE FROM called; UPDATE transition SET calls = false"
        )


@pytest.mark.rule("HM-249")
async def test_the_verdicts_of_each_org_and_hour_are_metrics(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("zeta")
        await fire(world, T0 + 1_000)
        await fire(world, T0 + 1_000, "device/b")
        await world.feed(change("device/z", org="zeta", at=T0 + 1_000, policy_version=1))
        await world.tick(T0 + 2_000)
        await world.answer((await world.commands())[0], "rejected", code="title_too_long")
        await world.tick(T0 + HOUR + 1_000)
        await fire(world, T0 + HOUR + 2_000, "device/c")
        world.wall = from_ms(T0 + HOUR + 3_000)
        await Bookkeeping(world.database, world.now).look()
        assert of_hours() == {
            ("acme", "previous", "called"): 2,
            ("acme", "previous", "opened"): 1,
            ("acme", "previous", "refused"): 1,
            ("zeta", "previous", "called"): 1,
            ("zeta", "previous", "refused"): 1,
            ("acme", "current", "called"): 1,
            ("acme", "current", "waiting"): 1,
        }
        world.later(2 * 3_600)
        await Bookkeeping(world.database, world.now).look()
        assert of_hours() == {}


def of_hours() -> dict[tuple[str, str, str], float]:
    (family,) = VERDICTS_OF_HOUR.collect()
    return {(one.labels["org"], one.labels["hour"], one.labels["ending"]): one.value for one in family.samples}


def metrics() -> tuple[float, ...]:
    """Called, decided, waiting, unaccounted."""
    states = (VERDICTS.labels(state)._value.get() for state in ("called", "decided", "waiting"))
    return (*states, VERDICTS_UNACCOUNTED._value.get())


@pytest.mark.rule("HM-314")
async def test_shards_that_are_not_waited_for_are_a_metric_whoever_has_their_partition(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        found = []
        for at, shards in ((T0, (0, 1)), (T0 + 60_000, (0,)), (T0 + 61_000, (1,))):
            for shard in shards:
                await world.tick(at, shard)
            STALLED_SHARDS.clear()  # as in a replica to which nobody has told anything
            await Bookkeeping(world.database, world.now).look()
            found.append(STALLED_SHARDS.labels(0)._value.get())
        assert found == [0, 1, 0]


@pytest.mark.rule("HM-207")
async def test_metrics_show_the_last_day(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await story(world)
        world.later(26 * 3_600)
        await Bookkeeping(world.database, world.now).look()
        assert metrics() == (0, 0, 0, 0)


@pytest.mark.rule("HM-207")
async def test_a_verdict_that_has_waited_adds_up_when_its_beginning_is_a_day_old(environment: dict[str, str]) -> None:
    """A device is judged afresh after its integration's recovery: its verdict is decided as of a later instant."""
    async with CorrelatorWorld.open(environment) as world:
        at = T0 + HOUR - 15_000
        await behind(world, "device/d1")
        await world.feed(
            *fails("integration/hue-1", at, condition=UNREACHABLE),
            pending("device/d1", at + 8_500),
            *recovers("integration/hue-1", at + 10_000, condition=UNREACHABLE),
            fires("device/d1", at + 10_500),
        )
        await world.tick(at + 30_000)
        (waited,) = await world.rows("""
            SELECT verdict, transition.at AS called, outcome.at AS ended
            FROM outcome JOIN transition ON id = verdict WHERE outcome.at <> transition.at""")
        between = (waited.called + waited.ended) // 2
        assert [(hour.hour, hour.called, hour.unaccounted) for hour in await hours(world, between)] == [
            (waited.called // HOUR, 1, 0)
        ]
        world.wall = from_ms(between) + LOOKS_BACK
        await Bookkeeping(world.database, world.now).look()
        assert metrics() == (1, 1, 0, 0)
