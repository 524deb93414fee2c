"""Retention and emptying clause by clause: two orgs side by side, several replicas, and what is large or late."""

import asyncio
import random
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs
from ticket_api import Api
from ticket_desk import BRIDGE, KEYS, MONITOR, NOON, devices, opening
from ticket_door import Door, asked, numbered
from ticket_sweeps import YEAR, numbers, resolve, sweeper
from ticket_tampering import findings, tamper, write_history

from fettle_chassis.failures import TransientError
from fettle_chassis.tokens import Role
from fettle_contracts.ticket_policy import TicketPolicy
from fettle_ticket_service.adapters import orgs, retention, sweeping
from fettle_ticket_service.adapters.forgetting import Forgetting
from fettle_ticket_service.adapters.sweeping import AT_MOST
from fettle_ticket_service.domain import commands

WITHIN_S = 20.0
ALL_OF_ACME = "SELECT count(*) FROM {} WHERE org = 'acme'"


async def delete(door: Door) -> None:
    async with door.work() as work:
        await orgs.take_in(work.connection, [("acme", "Acme", True, door.now)])


async def rollups(door: Door, count: int) -> None:
    """Tickets with four members each, resolved a minute after one another."""
    for number in range(1, count + 1):
        await door.ask_one(asked(opening(actor=MONITOR, subject=BRIDGE, dedup_key=f"integration/hue-{number}:x")))
        grown = commands.UpdateChecklist(actor=MONITOR, add=devices(1, 2, 3, 4), recovered=())
        await door.ask_one(asked(grown, ticket=numbered(number)))
        await resolve(door, number)
        door.now += timedelta(minutes=1)


@pytest.mark.rule("TS-64", "TS-68")
async def test_members_of_checklists_count_for_how_much_a_batch_takes(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rollups(door, 4)
    monkeypatch.setattr(retention, "ROWS", 10)
    door.now += YEAR
    async with door.work() as work:
        done = await retention.remove_due(work.connection, "acme", KEYS, door.now, AT_MOST, [])
    assert (done.removed, await numbers(door)) == (1, [2, 3, 4])
    await delete(door)
    async with door.work() as work:
        assert (await retention.empty(work.connection, "acme", AT_MOST)).removed == 1
    monkeypatch.setattr(retention, "ROWS", 5)  # less than one has
    async with door.work() as work:
        assert (await retention.empty(work.connection, "acme", AT_MOST)).removed == 1
    assert await numbers(door) == [4]


@pytest.mark.rule("TS-64", "TS-61")
async def test_gaps_of_two_orgs_that_are_swept_side_by_side_stay_apart_and_grow_together(door: Door) -> None:
    dice, many = random.Random(5), range(1, 9)
    for org in ("acme", "globex"):
        await door.ask(*(asked(opening(), org=org) for _ in many))
    orders = {org: dice.sample(many, len(many)) for org in ("acme", "globex")}
    for turn in range(len(many)):
        for org, order in orders.items():
            await resolve(door, order[turn], org=org)
        door.now += timedelta(days=1)
    door.now = NOON + YEAR
    for _ in many:
        assert await sweeper(door).sweep() == 2
        for org in orders:
            assert (await findings(door.database, org))[0] == []
        door.now += timedelta(days=1)
    gaps = await door.rows("SELECT org, first, last FROM chain_gap ORDER BY org")
    assert [tuple(gap) for gap in gaps] == [("acme", 1, 16), ("globex", 1, 16)]


@pytest.mark.rule("TS-64")
async def test_a_ticket_whose_timeline_somebody_removed_is_left_and_logged(door: Door) -> None:
    await write_history(door)
    await tamper(door, "DELETE FROM entry WHERE ticket_id = (SELECT id FROM ticket WHERE org = 'acme' AND number = 2)")
    door.now += YEAR
    with capture_logs() as logs:
        assert await sweeper(door).sweep() == 1
    assert [(each["org"], each["number"]) for each in logs if each["event"] == "ticket.unsound"] == [("acme", 2)]
    assert await numbers(door) == [1, 2, 3]


@pytest.mark.rule("TS-68")
async def test_of_an_org_that_is_deleted_before_its_turn_comes_nothing_is_noted(door: Door) -> None:
    await write_history(door)
    await delete(door)
    door.now += YEAR
    async with door.work() as work:
        done = await retention.remove_due(work.connection, "acme", KEYS, door.now, AT_MOST, [])
    assert (done.removed, await door.rows("SELECT * FROM removed_ticket")) == (0, [])


LATE = {
    "command": "UPDATE command SET org = 'acme' WHERE org = 'globex'",
    "removed_ticket": """INSERT INTO removed_ticket
        SELECT 'acme', 7, gen_random_uuid(), 1, hash, 1, opened_at, opened_at, 5, seal FROM ticket LIMIT 1""",
    "chain_gap": "INSERT INTO chain_gap SELECT 'acme', 1, 1, hash, seal FROM ticket LIMIT 1",
    "before_chains": "INSERT INTO before_chains VALUES ('acme', 1)",
    "inbox": "INSERT INTO inbox (subscription, source, id) VALUES ('http', 'acme', 'k-1')",
    "ticket": "UPDATE ticket SET org = 'acme', number = 9 WHERE org = 'globex' AND number = 1",
    "org": """UPDATE org SET policy = jsonb_build_object('retention_days', 5) WHERE org = 'acme'""",
}


@pytest.mark.rule("TS-68")
@pytest.mark.parametrize("table", LATE)
async def test_what_comes_behind_the_end_of_a_deleted_org_goes_too(door: Door, table: str) -> None:
    await write_history(door)
    await delete(door)
    await sweeper(door).sweep()
    await tamper(door, LATE[table])
    await sweeper(door).sweep()
    if table == "inbox":
        assert await door.rows("SELECT source FROM inbox WHERE source = 'acme'") == []
    elif table != "org":
        assert (await door.rows(ALL_OF_ACME.format(table)))[0][0] == 0
    assert tuple((await door.rows("SELECT name, policy FROM org WHERE org = 'acme'"))[0]) == ("", {})


@pytest.mark.rule("TS-68")
async def test_keys_of_policy_requests_go_with_their_org_and_no_other(door: Door, api: Api) -> None:
    headers = {"idempotency-key": "k-1"}
    changed = await api.call("PUT", "/ticket-policy", {"retention_days": 30}, role=Role.ADMIN, headers=headers)
    assert changed.status_code == 200, changed.text
    async with door.work() as work:
        await work.first_time("http", [("globex", "k-1")])
        await work.first_time("ticket-service.orgs", [("acme", "k-1")])
    await delete(door)
    await sweeper(door).sweep()
    kept = await door.rows("SELECT subscription, source FROM inbox ORDER BY source")
    assert [tuple(row) for row in kept] == [("ticket-service.orgs", "acme"), ("http", "globex")]


@pytest.mark.rule("TS-68")
async def test_any_number_of_replicas_empty_a_deleted_org_and_count_each_ticket_once(door: Door) -> None:
    await door.ask(*(asked(opening()) for _ in range(2 * AT_MOST + 7)))
    await delete(door)
    removed = await asyncio.gather(*(sweeper(door).sweep() for _ in range(3)))
    assert (sum(removed), await numbers(door)) == (2 * AT_MOST + 7, [])


@pytest.mark.rule("TS-68")
async def test_replicas_take_other_tickets_of_a_deleted_org_and_its_name_goes_behind_all_of_them(door: Door) -> None:
    await door.ask(*(asked(opening()) for _ in range(4)))
    await delete(door)
    async with asyncio.timeout(WITHIN_S), door.database.engine.begin() as other:
        await other.execute(text("SELECT id FROM ticket WHERE number <= 2 FOR UPDATE"))
        for removed in (2, 0, 0):
            async with door.work() as work:
                assert (await retention.empty(work.connection, "acme", 2)).removed == removed
        assert await numbers(door) == [1, 2]
        assert [row.name for row in await door.rows("SELECT name FROM org WHERE org = 'acme'")] == ["Acme"]
    assert await sweeper(door).sweep() == 2


@pytest.mark.rule("TS-28")
async def test_replicas_forget_other_answers_than_those_that_one_is_forgetting(door: Door) -> None:
    await door.ask(asked(id="c-1"), asked(id="c-2"))
    door.now += timedelta(days=31)
    async with asyncio.timeout(WITHIN_S), door.database.engine.begin() as other:
        await other.execute(text("SELECT id FROM command WHERE id = 'c-1' FOR UPDATE"))
        assert await Forgetting(door.database, door.hour, timedelta(days=30)).forget() == 1


@pytest.mark.rule("TS-64")
async def test_a_hiccup_of_the_database_as_a_sweep_begins_is_waited_out(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted_orgs, failed = retention.deleted_orgs, list[bool]()

    async def with_a_hiccup(connection: AsyncConnection) -> list[str]:
        if not failed:
            failed.append(True)
            raise TransientError("away for a moment")
        return await deleted_orgs(connection)

    monkeypatch.setattr(retention, "deleted_orgs", with_a_hiccup)
    await write_history(door)
    door.now += YEAR
    assert await sweeper(door).sweep() == 2


@pytest.mark.rule("TS-64")
async def test_what_is_due_later_goes_with_a_later_sweep_within_the_hour(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweeping.EVERY_S == 3600
    await write_history(door)
    await resolve(door, 1)
    async with door.work() as work:
        await orgs.set_policy(work.connection, "globex", TicketPolicy(retention_days=5))
    door.now = NOON + YEAR - timedelta(milliseconds=1)
    monkeypatch.setattr(sweeping, "EVERY_S", 0.05)
    at_work = asyncio.create_task(sweeper(door).run())
    try:
        async with asyncio.timeout(WITHIN_S):
            while 2 in await numbers(door, "globex"):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
            assert await numbers(door) == [1, 2, 3]
            door.now = NOON + YEAR
            while await numbers(door) != [3]:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
    finally:
        at_work.cancel()
