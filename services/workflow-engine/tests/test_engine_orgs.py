"""Orgs come with ready-made workflows, once, and of those that were deleted everything goes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import pytest
from engine_api import NOTE, Api, engine_api, refusal
from engine_orgs import ALERT, CHECK, NIGHTLY, READY, spoken, told
from engine_outside import outside_of
from engine_world import World, event, record_of, world_of
from sqlalchemy import text
from ticket_event import AT

from fettle_chassis.failures import BadRecord
from fettle_chassis.signing import Verifier
from fettle_chassis.told_orgs import OrgDecoder, ToldOrg
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.cloudevents import to_binary
from fettle_contracts.topics import ORGS
from fettle_workflow_engine import emptying
from fettle_workflow_engine.adapters import leftovers
from fettle_workflow_engine.app import build_app
from fettle_workflow_engine.emptying import Emptying
from fettle_workflow_engine.library import OrgGone
from fettle_workflow_engine.orgs import Orgs

WAITS = """
workflow: waits
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  rests: {after: [opened], action: wait, with: {for: 1d, until_ticket: {ticket: {ref: event.ticket}, change: started}}}
"""
CALLS = """
workflow: calls
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  asks: {after: [opened], action: http.request, with: {url: "https://example.org"}}
"""
RUNS = 7


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    async with engine_api(world) as found:
        yield found


async def tell(world: World, *batch: ToldOrg) -> None:
    async with unit_of_work(world.database) as work:
        await Orgs(world.library).handle(work, batch)


async def shown(api: Api, org: str = "acme") -> dict[str, bool]:
    return {one["workflow"]: one["enabled"] for one in (await api.get("/workflows", org=org))["items"]}


@pytest.mark.rule("WF-120")
async def test_a_new_org_has_the_ready_made_workflows_disabled(world: World, api: Api) -> None:
    await tell(world, told(), told("globex"))
    for org in ("acme", "globex"):
        assert await shown(api, org) == dict.fromkeys(READY, False)
        assert {(one.version, one.saved_by) for one in [await world.workflow(name, org=org) for name in READY]} == {
            (1, "fettle")
        }
    await world.happen(event())
    assert await world.runs() == []


@pytest.mark.rule("WF-120")
async def test_they_come_once_whatever_is_repeated_and_deleted(world: World, api: Api) -> None:
    await asyncio.gather(*(tell(world, told(), told()) for _ in range(4)))
    assert await world.delete(ALERT)
    enabled = (await world.workflow(CHECK)).document.replace("enabled: false", "enabled: true")
    await world.save(enabled)
    for minutes in (0, -5, 5):
        await tell(world, told(minutes=minutes))
    world.restart()
    await tell(world, told(minutes=6))
    assert await shown(api) == {CHECK: True}


@pytest.mark.rule("WF-120")
async def test_one_that_has_its_name_already_stays(world: World, api: Api) -> None:
    theirs = NOTE.replace("workflow: note", f"workflow: {ALERT}")
    await world.save(theirs)
    await tell(world, told())
    assert await shown(api) == {ALERT: True, CHECK: False}
    assert (await world.workflow(ALERT)).document == theirs


@pytest.mark.rule("WF-120")
def test_what_nobody_signed_says_nothing_about_orgs(world: World) -> None:
    decode = OrgDecoder(Verifier(world.settings.signing_keys))
    assert decode(record_of(spoken(world, told(minutes=-99_999)), ORGS)) == told(minutes=-99_999)
    with pytest.raises(BadRecord, match="signature"):
        decode(record_of(spoken(world, told(), signed=False), ORGS))


async def put(world: World, table: str, **values: object) -> None:
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({places})"), values)


async def live(world: World, org: str) -> None:
    """The org has rows in every table that has any of an org."""
    await tell(world, told(org))
    for document in (NOTE, NIGHTLY, WAITS, CALLS):
        await world.save(document, org=org)
    await world.happen(*(event(org=org, number=number) for number in range(1, RUNS + 1)))
    by = {"saved_at": AT, "saved_by": "ann"}
    for number in range(RUNS):
        secret = {"id": uuid4(), "key_id": "k", "salt": b"s", "made_at": AT, "made_by": "ann"}
        await put(world, "hook_secret", org=org, workflow="note", **secret)
        await put(world, "secret", org=org, name=f"s{number}", key_id="k", sealed=b"s", **by)
        channel = {"org": org, "channel": f"c{number}"}
        await put(world, "channel", org=org, name=f"c{number}", kind="slack", settings="{}", hourly_cap=1, **by)
        await put(world, "channel_sent", id=uuid4(), at=AT, **channel)
        digest = uuid4()
        await put(world, "digest", id=digest, made_at=AT, due_at=AT, attempts=0, **channel)
        held = {"workflow": "note", "run": "r", "recipients": "[]", "line": "l", "digest": digest}
        await put(world, "held_message", id=uuid4(), at=AT, **held, **channel)
        await put(world, "answer", org=org, key=f"k{number}", fingerprint=b"f", at=AT)
        seen = {"version": 1, "state": "open", "changes": "{}", "day": AT.date()}
        await put(world, "ticket_seen", org=org, ticket=UUID(int=number), **seen)
        await put(world, "inbox", subscription="http", source=org, id=f"k{number}")
    await put(world, "workflow_policy", org=org, enabled=True, changed_at=AT, changed_by="ann")


async def kept_of(world: World, org: str) -> dict[str, int]:
    """How many rows each table has of the org, of tables that have any."""
    async with world.database.reading() as connection:
        tables = await connection.scalars(
            text("""
                SELECT table_name FROM information_schema.columns
                WHERE column_name = 'org' AND table_schema = current_schema() ORDER BY 1
            """)
        )
        counts = {
            table: await connection.scalar(text(f"SELECT count(*) FROM {table} WHERE org = :org"), {"org": org})
            for table in list(tables)
        }
        keys = text("SELECT count(*) FROM inbox WHERE subscription = 'http' AND source = :org")
        counts["inbox"] = await connection.scalar(keys, {"org": org})
        counts["step"] = await connection.scalar(
            text("SELECT count(*) FROM step JOIN run ON run.id = run_id WHERE org = :org"), {"org": org}
        )
    return {table: count for table, count in counts.items() if count}


@pytest.mark.rule("WF-122")
async def test_everything_of_a_deleted_org_goes_in_small_batches_on_several_replicas(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "AT_MOST", 3)
    for org in ("acme", "globex"):
        await live(world, org)
    theirs = await kept_of(world, "globex")
    assert set(theirs) == {*leftovers.TABLES, "step", "org"}, "not every table has rows, or one is not emptied"
    assert await Emptying(world.database).sweep() == {}
    await tell(world, told(deleted=True, minutes=1))
    swept = await asyncio.gather(*(Emptying(world.database).sweep() for _ in range(3)))
    assert sum(each.get("acme", 0) for each in swept) > 10 * RUNS
    assert await kept_of(world, "acme") == {"org": 1}
    assert await kept_of(world, "globex") == theirs
    async with world.database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM step")) == theirs["step"]
    assert await Emptying(world.database).sweep() == {}


@pytest.mark.rule("WF-122")
async def test_from_the_deletion_on_nothing_of_an_org_starts_or_is_saved(world: World, api: Api) -> None:
    await live(world, "acme")
    before = len(await world.runs())
    await tell(world, told(deleted=True, minutes=1))
    assert await world.ring(hours=2) == 0
    await world.happen(event(number=99))
    assert len(await world.runs()) == before
    with pytest.raises(OrgGone):
        await world.save(NIGHTLY)
    refusal(await api.call("PUT", "/workflows/nightly", NIGHTLY), 404, "not_found")
    refusal(await api.call("PUT", "/workflow-policy", {"enabled": False}), 404, "not_found")
    await tell(world, told(minutes=0.5))
    assert "schedule" not in await kept_of(world, "acme")
    await Emptying(world.database).sweep()
    await tell(world, told(minutes=0.7))
    assert await kept_of(world, "acme") == {"org": 1}


@pytest.mark.rule("TS-115", "WF-122")
async def test_a_deletion_counts_behind_a_clock_that_was_ahead_and_stays(world: World) -> None:
    await live(world, "acme")
    await tell(world, told(minutes=9_000_000))
    await tell(world, told(deleted=True, minutes=1))
    for minutes in (1, 9_000_000, 9_000_001):
        await tell(world, told(minutes=minutes))
        await tell(world, told(deleted=True, minutes=minutes), told(minutes=9_000_002))
    with pytest.raises(OrgGone):
        await world.save(NIGHTLY)
    await Emptying(world.database).sweep()
    assert await kept_of(world, "acme") == {"org": 1}


@pytest.mark.rule("WF-122")
async def test_an_org_whose_first_word_is_its_end_is_given_nothing(world: World) -> None:
    await tell(world, told(), told(deleted=True, minutes=1))
    await tell(world, told("globex", deleted=True, minutes=1), told("globex"))
    await tell(world, told(), told("globex"))
    assert await kept_of(world, "acme") == await kept_of(world, "globex") == {"org": 1}


@pytest.mark.rule("WF-122")
async def test_runs_that_move_while_their_org_goes_hold_nothing_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results, waits and calls come in as the rows go: nothing is left, whoever was first."""
    monkeypatch.setattr(emptying, "AT_MOST", 2)
    await live(world, "acme")
    await tell(world, told(deleted=True, minutes=1))
    sweeping = asyncio.create_task(Emptying(world.database).sweep())
    while not sweeping.done():
        await world.answer_all()
        await world.later(minutes=1)
    await sweeping
    await Emptying(world.database).sweep()
    assert await kept_of(world, "acme") == {"org": 1}


@pytest.mark.rule("WF-120", "WF-122")
async def test_orgs_come_and_go_by_kafka(world: World) -> None:
    async with outside_of(world.settings) as outside, build_app(world.settings).running():

        async def say(said: ToldOrg, *, signed: bool = True) -> None:
            headers, value = to_binary(spoken(world, said, signed=signed))
            await outside.put(ORGS, said.org.org.encode(), value, headers)
            await outside.flush()

        await say(told("globex"), signed=False)
        await say(told())
        await until(world, "acme", lambda kept: kept.get("workflow") == 2)
        await say(told(deleted=True, minutes=1))
        await until(world, "acme", lambda kept: kept == {"org": 1})
    assert await kept_of(world, "globex") == {}


async def until(world: World, org: str, holds: Callable[[dict[str, int]], bool], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while True:
            if holds(await kept_of(world, org)):
                return
            await asyncio.sleep(0.05)
