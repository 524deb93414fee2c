"""Of an org that was deleted everything goes but that it was there, and nothing of anybody else's."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from correlator_facts import BRISK, OFFLINE, T0, change
from correlator_world import SHARDS, CorrelatorWorld
from silenced_world import FIRING, HEALTHY, PENDING
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.adapters.correlator import books
from fettle_health_monitor.correlator import emptying
from fettle_health_monitor.correlator.emptying import Emptying
from fettle_health_monitor.domain import control

SECOND = 1_000
SUBJECTS = 7
STAYS = {"org": 1, "policy_version": 1, "policy_in_force": SHARDS}
"""That it was there, what switched it off, and what shards have said they judge by."""


async def put(world: CorrelatorWorld, table: str, **values: Any) -> None:
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({places})"), values)


async def live(world: CorrelatorWorld, org: str) -> None:
    """The org has rows in every table that has any of an org."""
    if org != "acme":
        await world.tell(org)
        await world.put(BRISK, org=org)
        await world.put(BRISK.model_copy(update={"open_debounce_s": 3}), org=org)
        await world.in_force(3, org=org)
    for number in range(SUBJECTS):
        subject = f"device/d{number}"
        at = T0 + number
        await world.feed(
            change(subject, HEALTHY, PENDING, at=at, org=org), change(subject, PENDING, FIRING, at=at, org=org)
        )
    await world.tick(T0 + 9 * SECOND)
    waiting = change("device/d0", HEALTHY, FIRING, at=T0 + 20 * SECOND, org=org)
    await world.feed(waiting)
    whose = {"org": org, "subject": "device/d1"}
    place = {"partition": 0, "shard": 0}
    ticking = {"generation": 1, "start_clock": 0, "due_clock": 2**40}
    shared = {"parent": "integration/hue-1", "parent_condition": "multiple_devices_offline"}
    kind = {"condition": OFFLINE, "kind": "early_resolve", "cause": uuid4(), "start_at": T0}
    await put(world, "watch", **whose, **place, **ticking, **kind)
    await put(world, "rollup_member", **whose, condition=OFFLINE, joined_at=T0, **shared)
    await put(world, "former_member", **whose, **shared)
    await put(world, "unseen_subject", **whose, **place, shown="unknown", judged="{}")
    await put(world, "held_judgement", partition=0, org=org, at=2**50, judgement="{}")
    counts = {"policy_version": 3, "counted": 9, "lost": 9, "unknown": 9, "heard": [], "heard_behind": []}
    await put(world, "loss", id=uuid4(), org=org, since_at=T0, begun_at=T0, resumed_at=T0 + 1, **counts)
    await put(world, "hidden_change", id=uuid4(), org=org, at=T0)
    for _ in range(SUBJECTS):
        silence = uuid4()
        times = {"starts_at": T0, "length_s": 1, "ends_at": T0 + 1_000}
        made = {"made_by": "ann@acme.test", "made_at": world.now()}
        await put(world, "inbox", subscription="http", source=org, id=str(silence))
        await put(world, "silence", id=silence, **whose, **place, **times, **made)
        held = {"verdict": uuid4(), "at": T0, "condition": OFFLINE, "cause": "firing"}
        await put(world, "silence_held", silence=silence, **held)


async def kept_of(world: CorrelatorWorld, org: str) -> dict[str, int]:
    """How many rows each table has of the org, of tables that have any."""
    tables = await world.rows("""
        SELECT table_name AS name FROM information_schema.columns
        WHERE column_name = 'org' AND table_schema = current_schema() ORDER BY 1
    """)
    kept = {}
    for table in tables:
        [count] = await world.rows(f"SELECT count(*) FROM {table.name} WHERE org = :org", org=org)
        kept[table.name] = count[0]
    [keys] = await world.rows("SELECT count(*) FROM inbox WHERE subscription = 'http' AND source = :org", org=org)
    [held] = await world.rows(
        "SELECT count(*) FROM silence_held JOIN silence ON id = silence WHERE org = :org", org=org
    )
    return {name: count for name, count in (kept | {"silence_held": held[0], "inbox": keys[0]}).items() if count}


@pytest.mark.rule("HM-245")
async def test_everything_of_a_deleted_org_goes_in_small_batches_on_several_replicas(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "AT_MOST", 3)
    async with CorrelatorWorld.open(environment) as world:
        for org in ("acme", "globex"):
            await live(world, org)
        theirs = await kept_of(world, "globex")
        assert len(theirs) >= 18, "not every table has rows"
        assert await Emptying(world.database, world.controls).sweep() == {}
        world.later(10)
        await world.tell("acme", deleted=True)
        replicas = [Emptying(world.database, world.controls) for _ in range(3)]
        swept = await asyncio.gather(*(replica.sweep() for replica in replicas))
        assert sum(each.get("acme", 0) for each in swept) > 5 * SUBJECTS
        assert await kept_of(world, "acme") == STAYS
        assert await world.rows("SELECT silence FROM silence_held WHERE silence NOT IN (SELECT id FROM silence)") == []
        assert await kept_of(world, "globex") == theirs
        assert await Emptying(world.database, world.controls).sweep() == {}


@pytest.mark.rule("HM-245")
async def test_shards_are_told_once_to_forget_each_subject_and_what_they_say_of_it_goes_too(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await live(world, "acme")
        world.later(10)
        await world.clear()
        await world.tell("acme", deleted=True)
        await Emptying(world.database, world.controls).sweep()
        policies = [number for _, number, one in await world.controls_written() if isinstance(one, control.Policy)]
        forgets = [(row.key, int(row.headers["fettle-number"])) for row in await world.outbox("device.heartbeats")]
        forgets = [(key, number) for key, number in forgets if number not in policies]
        assert [key for key, _ in forgets] == [f"acme/device/d{number}" for number in range(SUBJECTS)]
        numbers = [number for _, number in forgets]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > max(policies)

        await world.clear()
        for number in range(SUBJECTS):
            await world.feed(change(f"device/d{number}", FIRING, None, at=T0 + 30 * SECOND))
        await world.tick(T0 + 40 * SECOND)
        assert await world.commands() == []
        assert len(await kept_of(world, "acme")) > len(STAYS)
        await Emptying(world.database, world.controls).sweep()
        assert await kept_of(world, "acme") == STAYS
        assert await world.outbox("device.heartbeats") == []


@pytest.mark.rule("HM-245", "HM-206")
async def test_the_books_add_up_while_a_deleted_org_goes(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "AT_MOST", 2)
    async with CorrelatorWorld.open(environment) as world:
        await live(world, "acme")
        world.later(10)
        await world.tell("acme", deleted=True)
        sweeping = asyncio.create_task(Emptying(world.database, world.controls).sweep())
        looks = 0
        while not sweeping.done():
            async with world.database.reading() as connection:
                hours = await books.hours(connection, 0)
            assert sum(hour.unaccounted for hour in hours) == 0, hours
            looks += bool(hours)
            await asyncio.sleep(0)
        await sweeping
        assert looks > 1


@pytest.mark.rule("HM-245")
async def test_what_comes_late_goes_too_whatever_it_is(environment: dict[str, str]) -> None:
    """Until shards have read that the org is gone they go on about it."""
    async with CorrelatorWorld.open(environment) as world:
        await live(world, "acme")
        late = sorted((await kept_of(world, "acme")).keys() - STAYS.keys() - {"silence_held"})
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("CREATE SCHEMA kept"))
            for table in late:
                whose = "source" if table == "inbox" else "org"
                copy = f"CREATE TABLE kept.{table} AS SELECT * FROM {table} WHERE {whose} = 'acme'"
                await work.connection.execute(text(copy))
        world.later(10)
        await world.tell("acme", deleted=True)
        await Emptying(world.database, world.controls).sweep()
        assert await kept_of(world, "acme") == STAYS
        for table in late:
            await put_back(world, table)
            assert (await kept_of(world, "acme")).keys() == {*STAYS, table}
            await Emptying(world.database, world.controls).sweep()
            assert await kept_of(world, "acme") == STAYS


async def put_back(world: CorrelatorWorld, table: str) -> None:
    names = await world.rows(
        """
            SELECT column_name AS name FROM information_schema.columns
            WHERE table_schema = current_schema() AND table_name = :table AND is_generated = 'NEVER'
        """,
        table=table,
    )
    columns = ", ".join(f'"{row.name}"' for row in names)
    back = f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM kept.{table}"
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text(back))
