"""What the correlator forgets, and what it must not, on a real database."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from runpy import run_path
from typing import Any
from uuid import UUID, uuid4

import pytest
from correlator_facts import OFFLINE, T0
from correlator_world import CorrelatorWorld
from silenced_world import DAY, FIRING, HEALTHY, PENDING, RESOLVING, fire, move
from sqlalchemy import event, text

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator.retention import ROWS_PER_STATEMENT, RULES, Retention

SECOND = 1_000


async def forget(world: CorrelatorWorld, days: float = 0) -> dict[str, int]:
    """What goes so many days after T0, when the hours of that day have all come."""
    world.later(days * 86_400)
    gone = Counter[str]()
    while forgotten := await Retention(world.database, world.now).forget():
        gone.update(forgotten)
    return dict(gone)


async def subjects_in(world: CorrelatorWorld, table: str) -> Counter[str]:
    return Counter(row.subject for row in await world.rows(f"SELECT subject FROM {table}"))


async def put(world: CorrelatorWorld, table: str, **values: Any) -> None:
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({places})"), values)


async def put_transitions(world: CorrelatorWorld, rows: int, *, at: int = T0) -> None:
    """Each of a subject of its own that is healthy."""
    async with unit_of_work(world.database) as work:
        await work.connection.execute(
            text("""
                INSERT INTO transition (id, org, subject, to_state, at, body)
                SELECT gen_random_uuid(), 'acme', 'device/d' || number, 'healthy', CAST(:at AS bigint) + number, '{}'
                FROM generate_series(1, :rows) AS number
            """),
            {"rows": rows, "at": at},
        )


@pytest.mark.rule("HM-200")
@pytest.mark.forgets
async def test_history_and_decisions_of_what_is_over_go_after_thirty_days(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        for subject in ("device/over", "device/open", "device/gone"):
            await fire(world, T0 + SECOND, subject)
        await world.tick(T0 + 9 * SECOND)
        commands = {command.body["dedup_key"]: command for command in await world.commands()}
        for number, subject in enumerate(("device/over", "device/gone", "device/open"), start=1):
            answering = commands[f"{subject}:{OFFLINE}"].event.id
            await world.happen(EntryType.OPENED, number=number, subject=subject, answering=UUID(answering))
        await world.clear()
        await move(world, FIRING, RESOLVING, HEALTHY, at=T0 + 20 * SECOND, subject="device/over")
        await move(world, FIRING, None, at=T0 + 20 * SECOND, subject="device/gone")
        await world.tick(T0 + 29 * SECOND)
        for command in await world.commands():
            number, subject = (1, "device/over") if "over" in str(command.body) else (2, "device/gone")
            await world.happen(
                EntryType.RESOLVED, number=number, state="resolved", subject=subject, answering=UUID(command.event.id)
            )
        before = {table: await subjects_in(world, table) for table in ("transition", "outcome", "command", "incident")}
        assert await forget(world, 29.9) == {}
        gone = await forget(world, 0.2)
        assert await subjects_in(world, "transition") == {"device/open": 1}
        assert await subjects_in(world, "outcome") == {"device/open": 1}
        assert await subjects_in(world, "command") == {}
        assert await subjects_in(world, "incident") == {"device/open": 1}
        assert gone == {
            "transition": before["transition"].total() - 1,
            "outcome": before["outcome"].total() - 1,
            "command": before["command"].total(),
            "incident": 2,
        }
        assert [row.to_state for row in await world.rows("SELECT to_state FROM transition")] == [FIRING]
        assert await subjects_in(world, "subject") == {"device/open": 1, "device/over": 1}


@pytest.mark.rule("HM-201")
@pytest.mark.forgets
@pytest.mark.parametrize("need", ["ticket", "question", "list", "silence"])
async def test_an_outcome_stays_as_long_as_something_needs_it(environment: dict[str, str], need: str) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        await set_incident(world, "resolved", None)
        if need == "ticket":
            await set_incident(world, "in_progress", None)
        if need == "question":
            await set_incident(world, "resolved", "open")
        if need == "list":
            await put(
                world,
                "rollup_member",
                org="acme",
                subject="device/t17",
                condition=OFFLINE,
                parent="integration/hue-1",
                parent_condition="multiple_devices_offline",
                joined_at=T0,
            )
        if need == "silence":
            await put_silence(world, ends_at=T0, until_at=T0)
        gone = await forget(world, 31)
        assert "outcome" not in gone
        assert ("incident" in gone) == (need in ("list", "silence"))
        assert ("command" in gone) == (need != "question")
        async with unit_of_work(world.database) as work:
            for table in ("rollup_member", "silence"):
                await work.connection.execute(text(f"DELETE FROM {table}"))
        await set_incident(world, "resolved", None)
        assert (await forget(world))["outcome"] == 1


@pytest.mark.rule("HM-201")
@pytest.mark.forgets
async def test_a_ticket_whose_early_resolve_is_watched_stays_known(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        await set_incident(world, "resolved", None)
        whose = {"org": "acme", "subject": "device/t17", "condition": OFFLINE, "kind": "early_resolve"}
        where = {"partition": 0, "shard": 0, "generation": 1, "start_at": T0, "start_clock": 0, "due_clock": 9}
        await put(world, "watch", **whose, **where, cause=uuid4())
        assert "incident" not in await forget(world, 31)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("DELETE FROM watch"))
        assert await forget(world) == {"incident": 1}


@pytest.mark.rule("HM-200", "HM-201")
@pytest.mark.forgets
async def test_what_was_refused_stays_known_while_it_is_asked_for_again(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        (asked,) = await world.commands()
        await world.answer(asked, "rejected")
        assert await world.rows("SELECT * FROM incident") == []
        assert not {"command", "outcome"} & (await forget(world, 31)).keys()
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("DELETE FROM watch"))
        gone = await forget(world)
        assert (gone["command"], gone["outcome"]) == (1, 1)


@pytest.mark.rule("HM-200")
@pytest.mark.forgets
async def test_that_a_verdict_was_called_for_is_known_for_thirty_days_and_while_it_waits(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + SECOND)
        (waiting,) = await world.rows("SELECT id FROM verdict")
        for verdict in (waiting.id, uuid4()):
            await put(world, "called", verdict=verdict, org="acme", cause="firing", at=T0 + SECOND)
        assert "called" not in await forget(world, 29)
        assert (await forget(world, 2))["called"] == 1
        assert [row.verdict for row in await world.rows("SELECT verdict FROM called")] == [waiting.id]


async def set_incident(world: CorrelatorWorld, state: str, asked: str | None) -> None:
    async with unit_of_work(world.database) as work:
        await work.connection.execute(
            text("""
                UPDATE incident SET ticket_id = gen_random_uuid(), ticket_number = 1, ticket_version = 1,
                                    ticket_state = CAST(:state AS text), asked_verb = CAST(:asked AS text),
                                    asked_command = (SELECT id FROM command WHERE CAST(:asked AS text) IS NOT NULL)
            """),
            {"state": state, "asked": asked},
        )


async def put_silence(
    world: CorrelatorWorld,
    *,
    ends_at: int,
    until_at: int | None,
    held: int = 0,
    org: str = "acme",
    subject: str = "device/t17",
) -> None:
    silence = uuid4()
    await put(
        world,
        "silence",
        id=silence,
        org=org,
        subject=subject,
        partition=0,
        shard=0,
        starts_at=ends_at - 3_600_000,
        length_s=3_600,
        made_by="ann@acme.test",
        made_at=world.now(),
        ends_at=ends_at,
        from_at=None if until_at is None else until_at - 3_600_000,
        until_at=until_at,
        due_at=until_at,
    )
    for number in range(held):
        row = {"verdict": uuid4(), "at": ends_at - number - 1, "condition": OFFLINE, "cause": "firing"}
        await put(world, "silence_held", silence=silence, **row)


@pytest.mark.rule("HM-202")
async def test_silences_go_ninety_days_after_their_end_with_what_they_held_back(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await put_silence(world, ends_at=T0, until_at=None, held=3)
        await put_silence(world, ends_at=T0 + DAY, until_at=None, held=2)
        await put_silence(world, ends_at=T0, until_at=T0, held=1)
        await put(world, "shard_gap", shard=0, kind="unobserved", from_at=T0, to_at=T0 + SECOND)
        await put(world, "shard_gap", shard=1, kind="stalled", from_at=T0)
        assert await forget(world, 89) == {"shard_gap": 1}
        assert await forget(world, 1.5) == {"silence": 1, "silence_held": 3}
        assert await forget(world, 1) == {"silence": 1, "silence_held": 2}
        assert await forget(world, 900) == {}


@pytest.mark.rule("HM-200")
async def test_times_without_heartbeats_are_kept_for_thirty_days_and_the_last_one_for_ever(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        for number, org in enumerate(("acme", "acme", "acme", "other")):
            at = T0 + number * SECOND
            counts = {"counted": 12, "lost": 12, "unknown": 0, "policy_version": 3}
            ended = {"resumed_at": at, "holds_until": at, "heard": [], "heard_behind": []}
            await put(world, "loss", id=uuid4(), org=org, since_at=at, begun_at=at, **counts, **ended)
        assert await forget(world, 31) == {"loss": 2}
        assert [row.org for row in await world.rows("SELECT org FROM loss ORDER BY org")] == ["acme", "other"]


@pytest.mark.rule("HM-200")
async def test_what_was_not_shown_and_which_hellos_were_answered_is_known_for_thirty_days(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await put(world, "hidden_change", id=uuid4(), org="acme", at=T0)
        await put(world, "greeted", shard=0, nonce="n1", at=world.now())
        assert await forget(world, 29.9) == {}
        assert await forget(world, 0.2) == {"hidden_change": 1, "greeted": 1}


@pytest.mark.rule("HM-200")
async def test_incidents_that_nothing_is_known_of_go_with_the_migration(environment: dict[str, str]) -> None:
    """As the code left them whose only ticket was refused."""
    path = files("fettle_health_monitor") / "migrations" / "versions" / "0013_nothing_known.py"
    nothing, *_ = run_path(str(path))["NOTHING"].split(";\n")
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + SECOND)
        await world.tick(T0 + 9 * SECOND)
        await put(world, "incident", org="acme", subject="device/refused", condition=OFFLINE)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text(nothing))
        assert await subjects_in(world, "incident") == {"device/t17": 1}


@pytest.mark.rule("HM-201")
async def test_how_subjects_stood_in_the_last_thirty_days_stays_known(environment: dict[str, str]) -> None:
    """For every instant of them the last transition before it says the same as ever, unless that was that all is
    well."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    async with CorrelatorWorld.open(environment) as world:
        states = [HEALTHY, PENDING, FIRING, RESOLVING, "flapping", None]
        for number in range(400):
            await put(
                world,
                "transition",
                id=uuid4(),
                org=draw.choice(["acme", "other"]),
                subject=f"device/{number % 12}",
                to_state=draw.choice(states),
                at=T0 + draw.randrange(60) * DAY,
                body="{}",
            )
        asked = [T0 + 30 * DAY + draw.randrange(31 * DAY) for _ in range(40)] + [T0 + 30 * DAY]
        before = await stood(world, asked)
        gone = await forget(world, 60)
        assert gone["transition"] > 100
        assert await stood(world, asked) == before
        rows = await world.rows("SELECT org, subject FROM transition WHERE at < :day", day=T0 + 30 * DAY)
        assert max(Counter(map(tuple, rows)).values()) == 1


async def stood(world: CorrelatorWorld, instants: list[int]) -> Mapping[tuple[str, str, int], str]:
    """What was not well, by org, subject and instant."""
    rows = await world.rows("SELECT org, subject, to_state, at, position FROM transition ORDER BY at, position")
    found: dict[tuple[str, str, int], str] = {}
    for instant in instants:
        last = {(row.org, row.subject): row.to_state for row in rows if row.at < instant}
        found |= {(*whose, instant): state for whose, state in last.items() if state not in (HEALTHY, None)}
    return found


@pytest.mark.rule("HM-203")
async def test_two_replicas_forget_at_once_in_bounded_steps(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await put_transitions(world, 4_500)
        await put_transitions(world, 10, at=T0 + 31 * DAY)
        world.later(31 * 86_400)
        steps: list[int] = []
        async with other(environment) as second:
            for database in (world.database, second):
                event.listen(database.engine.sync_engine, "after_cursor_execute", _noting(steps))
            both = await asyncio.gather(*(Retention(one, world.now).forget() for one in (world.database, second)))
        assert sum(each.get("transition", 0) for each in both) == 4_500
        assert max(steps) == ROWS_PER_STATEMENT
        assert (await subjects_in(world, "transition")).total() == 10


def _noting(steps: list[int]) -> Any:
    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "DELETE" in statement:
            steps.append(cursor.rowcount)

    return note


@asynccontextmanager
async def other(environment: dict[str, str]) -> Any:
    database = Database(CorrelatorWorld(environment).settings.database_dsn("health"))
    try:
        yield database
    finally:
        await database.close()


@pytest.mark.rule("HM-203")
async def test_nobody_waits_for_rows_that_another_has_in_hand(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await put_transitions(world, 50)
        world.later(31 * 86_400)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("SELECT FROM transition ORDER BY at LIMIT 20 FOR UPDATE"))
            async with asyncio.timeout(30):
                assert await Retention(world.database, world.now).forget() == {"transition": 30}
        assert await Retention(world.database, world.now).forget() == {"transition": 20}


@pytest.mark.rule("HM-203")
@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.table not in ("shard_gap", "greeted", "loss")], ids=lambda rule: rule.table
)
async def test_what_is_old_is_found_by_an_index(environment: dict[str, str], rule: Any) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world, world.database.engine.begin() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        await connection.execute(text("SET LOCAL enable_sort = off"))
        rows = await connection.execute(text(f"EXPLAIN {rule.delete.text}"), {"before": T0})
        plan = [row[0] for row in rows]
        assert not [line for line in plan if f"Seq Scan on {rule.table} old" in line or "Sort" in line], "\n".join(plan)
