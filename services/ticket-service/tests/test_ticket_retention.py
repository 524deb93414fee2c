"""What was resolved long ago goes, whole and in small batches; what is on record then can still be verified."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from ticket_api import REPORT, Api
from ticket_desk import ANN, KEYS, NOON, opening
from ticket_door import Door, asked, numbered
from ticket_sweeps import YEAR, numbers, resolve, sweeper
from ticket_tampering import TABLES, findings, tamper, write_history

from fettle_chassis.failures import TransientError
from fettle_chassis.tokens import Role
from fettle_contracts.ticket_policy import TicketPolicy
from fettle_ticket_service import app
from fettle_ticket_service.adapters import orgs, retention, sweeping
from fettle_ticket_service.adapters.database_time import database_time
from fettle_ticket_service.adapters.forgetting import Forgetting
from fettle_ticket_service.adapters.sweeping import AT_MOST, Retention
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.removals import Gap, gaps_after
from fettle_ticket_service.domain.values import TicketRef
from fettle_ticket_service.domain.verifying import Wrong
from fettle_ticket_service.settings import TicketSettings


@pytest.mark.rule("TS-64")
async def test_a_ticket_goes_when_its_time_is_over_and_not_a_millisecond_before(door: Door) -> None:
    await write_history(door)
    await resolve(door, 1)
    door.now = NOON + YEAR - timedelta(milliseconds=1)
    assert await sweeper(door).sweep() == 0
    door.now = NOON + YEAR
    assert await sweeper(door).sweep() == 3
    assert (await numbers(door), await numbers(door, "globex")) == ([3], [1, 3])
    left = {table: (await door.rows(f"SELECT count(*) FROM {table}"))[0][0] for table in (*TABLES, "ticket_order")}
    assert left == {
        "org": 2,
        "ticket_order": 3,
        "ticket": 3,
        "ticket_search": 3,
        "checklist_member": 6,
        "entry": 9,
        "removed_ticket": 3,
        "chain_gap": 5,
    }


@pytest.mark.rule("TS-64")
async def test_each_org_keeps_as_long_as_it_says(door: Door) -> None:
    await write_history(door)
    async with door.work() as work:
        await orgs.set_policy(work.connection, "globex", TicketPolicy(retention_days=5))
    door.now = NOON + timedelta(days=5)
    assert await sweeper(door).sweep() == 1
    assert (await numbers(door), await numbers(door, "globex")) == ([1, 2, 3], [1, 3])


@pytest.mark.rule("TS-64")
async def test_what_is_not_resolved_never_goes_and_numbers_are_not_used_again(door: Door) -> None:
    await write_history(door)
    await resolve(door, 1, 3)
    door.now += 3 * YEAR
    await door.ask_one(asked(commands.Reopen(actor=ANN), ticket=numbered(3)))
    await sweeper(door).sweep()
    assert await numbers(door) == [3]
    opened = await door.ask_one(asked())
    assert opened.ticket is not None
    assert opened.ticket.number == 4
    [counts] = await door.rows("SELECT open, in_progress, resolved FROM org WHERE org = 'acme'")
    assert tuple(counts) == (2, 0, 0)


@pytest.mark.rule("TS-64")
async def test_any_number_of_replicas_remove_each_ticket_once(door: Door) -> None:
    many = 2 * AT_MOST + 7
    await door.ask(*(asked(opening()) for _ in range(many)))
    await resolve(door, *range(1, many + 1, 2))
    door.now += YEAR
    removed = await asyncio.gather(*(sweeper(door).sweep() for _ in range(3)))
    assert sum(removed) == (many + 1) // 2
    assert await numbers(door) == list(range(2, many + 1, 2))
    found, verification = await findings(door.database)
    assert (found, verification.removed) == ([], (many + 1) // 2)


@pytest.mark.rule("TS-64", "TS-61")
async def test_what_retention_removed_is_told_from_what_others_removed(door: Door) -> None:
    await write_history(door)
    door.now += YEAR
    await sweeper(door).sweep()
    await resolve(door, 1)
    found, verification = await findings(door.database)
    assert (found, verification.tickets, verification.removed) == ([], 2, 1)
    await tamper(door, "DELETE FROM removed_ticket WHERE org = 'acme'")
    assert {finding.wrong for finding in (await findings(door.database))[0]} == {
        Wrong.TICKET_MISSING,
        Wrong.CHAIN_BROKEN,
    }
    for alteration in ("places = places + 1", "removed_at = resolved_at", "number = 33", "version = 1"):
        await tamper(door, f"UPDATE removed_ticket SET {alteration} WHERE org = 'globex'")
        assert Wrong.REMOVAL_ALTERED in {finding.wrong for finding in (await findings(door.database, "globex"))[0]}


@pytest.mark.rule("TS-98")
async def test_a_replica_whose_clock_is_a_year_ahead_removes_and_forgets_nothing_early(
    door: Door, settings: TicketSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door.database.engine.begin() as connection:
        present = await database_time(connection)
    async with door.work() as work:
        await orgs.set_policy(work.connection, "acme", TicketPolicy(retention_days=5))
    for days in (31, 4):
        door.now = present - timedelta(days=days)
        for command in (opening(dedup_key=str(days)), commands.Resolve(actor=ANN)):
            ref = TicketRef(key=str(days)) if isinstance(command, commands.Resolve) else None
            await door.ask_one(asked(command, ticket=ref, id=f"{days}-{command.verb}"))
    monkeypatch.setattr(app, "now", lambda: present + YEAR)
    parts = app.build_app(settings)._parts
    [sweep] = [part for part in parts if isinstance(part, Retention)]
    [forgetting] = [part for part in parts if isinstance(part, Forgetting)]
    sweep._keys = KEYS
    assert (await sweep.sweep(), await forgetting.forget()) == (1, 2)
    await sweep._database.close()
    assert await numbers(door) == [2]
    assert [row.id for row in await door.rows("SELECT id FROM command ORDER BY id")] == ["4-open", "4-resolve"]


@pytest.mark.rule("TS-68")
async def test_a_deleted_org_leaves_nothing_but_that_it_was_there(door: Door) -> None:
    await write_history(door)
    door.now += YEAR
    await sweeper(door).sweep()
    await door.ask(*(asked(opening()) for _ in range(AT_MOST + 3)))
    async with door.work() as work:
        await orgs.take_in(work.connection, [("acme", "Acme", True, door.now)])
    assert await sweeper(door).sweep() == AT_MOST + 3 + 2
    for table in (*TABLES[1:], "ticket_order", "command"):
        if table != "checklist_member":
            assert (await door.rows(f"SELECT count(*) FROM {table} WHERE org = 'acme'"))[0][0] == 0, table
    assert await numbers(door, "globex") == [1, 3]
    assert (await door.rows("SELECT count(*) FROM checklist_member"))[0][0] == 3
    assert (await door.ask_one(asked())).reason == "org_unknown"
    assert await sweeper(door).sweep() == 0
    assert (await findings(door.database, "globex"))[0] == []


@pytest.mark.rule("TS-68")
async def test_of_a_deleted_org_much_goes_a_little_at_a_time_and_its_name_last(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door.work() as work:
        await orgs.set_policy(work.connection, "acme", TicketPolicy(retention_days=5))
    await door.ask(*(asked(opening()) for _ in range(5)))
    async with door.work() as work:
        await orgs.take_in(work.connection, [("acme", "Acme", True, door.now)])
    monkeypatch.setattr(retention, "ROWS", 2)
    went = []
    while True:
        async with door.work() as work:
            done = await retention.empty(work.connection, "acme", AT_MOST)
        [[commands_left]] = await door.rows("SELECT count(*) FROM command WHERE org = 'acme'")
        went.append((done.removed, commands_left))
        if not done.more:
            break
        assert (await door.rows("SELECT name FROM org WHERE org = 'acme'"))[0].name == "Acme"
    assert went == [(2, 5), (2, 5), (1, 5), (0, 3), (0, 1), (0, 0), (0, 0)]
    assert tuple((await door.rows("SELECT name, policy, deleted FROM org WHERE org = 'acme'"))[0]) == ("", {}, True)
    assert await sweeper(door).sweep() == 0


@pytest.mark.rule("TS-64")
async def test_a_batch_takes_fewer_tickets_where_they_are_large(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    await door.ask(*(asked(opening()) for _ in range(6)))
    await door.ask(*(asked(commands.Comment(actor=ANN, text="Seen."), ticket=numbered(3)) for _ in range(9)))
    for number in range(1, 7):
        await resolve(door, number)
        door.now += timedelta(minutes=1)
    monkeypatch.setattr(retention, "ROWS", 5)
    door.now += YEAR
    for left in ([3, 4, 5, 6], [4, 5, 6], [6], [], []):  # of two entries each, and one of eleven
        async with door.work() as work:
            done = await retention.remove_due(work.connection, "acme", KEYS, door.now, AT_MOST, [])
        assert await numbers(door) == left
    assert not done.more
    assert (await findings(door.database))[0] == []


@pytest.mark.rule("TS-64")
async def test_a_hiccup_of_the_database_is_waited_out_by_the_batch_that_met_it(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    await door.ask(*(asked(opening()) for _ in range(3)))
    await resolve(door, 1, 2, 3)
    door.now += YEAR
    monkeypatch.setattr(sweeping, "AT_MOST", 1)
    remove_due, failed = retention.remove_due, list[str]()

    async def with_hiccups(connection: AsyncConnection, org: str, *more: Any) -> retention.Batch:
        done = await remove_due(connection, org, *more)
        if failed.count(org) < 2:
            failed.append(org)
            raise TransientError("away for a moment")
        return done

    monkeypatch.setattr(retention, "remove_due", with_hiccups)
    assert await sweeper(door).sweep() == 3
    assert await numbers(door) == []


@pytest.mark.rule("TS-64", "TS-67")
async def test_who_repeats_a_bulk_is_told_of_each_ticket_that_is_gone(api: Api, door: Door) -> None:
    body, key = {"action": "resolve", "numbers": [1, 2, 9]}, {"idempotency-key": "k"}
    for _ in range(2):
        await api.post("/tickets", REPORT)
    await api.post("/tickets/bulk", body, headers=key)
    await api.post("/tickets/2/reopen")
    door.now += YEAR
    assert await sweeper(door).sweep() == 1
    items = (await api.post("/tickets/bulk", body, headers=key)).json()["items"]
    assert [(item["status"], item["outcome"], item.get("code")) for item in items] == [
        (404, "rejected", "ticket_not_found"),
        (200, "applied", None),
        (404, "rejected", "ticket_not_found"),
    ]
    assert ["removed" in item.get("detail", "") for item in items] == [True, False, False]


@pytest.mark.rule("TS-64", "TS-36")
async def test_what_a_removed_ticket_said_is_not_told_to_who_repeats_a_request(api: Api, door: Door) -> None:
    edit = {"description": "A secret, too."}
    requests: tuple[tuple[str, str, dict[str, Any], dict[str, str]], ...] = (
        ("POST", "/tickets", {**REPORT, "description": "A secret."}, {}),
        ("PUT", "/tickets/1/description", edit, {"If-Match": '"1"'}),
        ("PUT", "/tickets/1/description", {"description": "Other."}, {"If-Match": '"1"'}),
        ("POST", "/tickets/1/resolve", {"comment": "Done."}, {}),
    )

    async def ask_all() -> list[httpx2.Response]:
        keyed = [(*each[:3], {**each[3], "Idempotency-Key": f"k{place}"}) for place, each in enumerate(requests)]
        return [await api.call(method, path, body, headers=headers) for method, path, body, headers in keyed]

    assert [answer.status_code for answer in await ask_all()] == [201, 200, 412, 200]
    assert [answer.status_code for answer in await ask_all()] == [201, 200, 412, 200]
    door.now += YEAR
    assert await sweeper(door).sweep() == 1
    repeats = await ask_all()
    assert [answer.status_code for answer in repeats] == [404, 404, 412, 404]
    assert {answer.json()["code"] for answer in repeats} == {"ticket_not_found", "description_changed"}
    assert "secret" not in "".join(answer.text for answer in repeats)
    [[kept]] = await door.rows("SELECT count(*) FROM command WHERE answer IS NOT NULL")
    assert (kept, await numbers(door)) == (0, [])


@pytest.mark.rule("TS-64")
async def test_many_sweeps_leave_few_gaps(door: Door) -> None:
    await door.ask(*(asked(opening()) for _ in range(40)))
    for number in range(1, 41):
        await resolve(door, number)
        door.now += timedelta(days=1)
    for _ in range(40):
        door.now += timedelta(days=10)
        await sweeper(door).sweep()
    [gap] = await door.rows("SELECT first, last FROM chain_gap")
    assert tuple(gap) == (1, 80)
    await door.ask_one(asked())
    assert (await findings(door.database))[0] == []


@pytest.mark.rule("TS-64")
def test_neighbouring_gaps_become_one() -> None:
    before = [Gap(first=1, last=4, head="h4", seal="s"), Gap(first=9, last=9, head="h9", seal="s")]
    after = gaps_after(before, {5: "h5", 8: "h8", 12: "h12", 11: "h11"})
    assert [(gap.first, gap.last, gap.head) for gap in after] == [(1, 5, "h5"), (8, 9, "h9"), (11, 12, "h12")]


@pytest.mark.rule("TS-65")
async def test_verification_by_http_says_how_far_it_is_what_it_found_and_how_much_it_saw(api: Api, door: Door) -> None:
    await write_history(door)
    sound = await api.verified()
    assert sound == [
        {
            "verified": {
                "sound": True,
                "entries": 9,
                "entries_before_chains": 0,
                "tickets": 3,
                "removed_tickets": 0,
                "findings": {},
            }
        }
    ]
    await tamper(door, "UPDATE entry SET body = 'No.' WHERE org = 'acme' AND body = 'Called the vendor.'")
    found, verified = await api.verified()
    assert found["finding"]["wrong"] == "entry_altered"
    assert (found["finding"]["number"], found["finding"]["version"]) == (3, 2)
    assert verified["verified"]["findings"] == {"entry_altered": 1}
    assert (await api.call("GET", "/tickets/verify", role=Role.VIEWER, org="globex")).status_code == 404


@pytest.mark.rule("TS-65")
async def test_what_others_saw_is_compared_by_http(api: Api, door: Door) -> None:
    await write_history(door)
    events = [event.data for event in await door.events() if event.key.startswith("acme/")]
    seen = [
        {"ticket": each["ticket"]["id"], "version": each["entry"]["version"], "hash": each["entry"]["hash"]}
        for each in events
    ]
    answer = await api.call("POST", "/tickets/verify", {"seen": seen}, role=Role.VIEWER)
    assert answer.json() == {"compared": 9, "findings": []}
    seen[3]["hash"] = "k1:other"
    answer = await api.call("POST", "/tickets/verify", {"seen": seen}, role=Role.VIEWER)
    [finding] = answer.json()["findings"]
    assert (finding["wrong"], finding["version"]) == ("entry_altered", seen[3]["version"])
    too_many = await api.call("POST", "/tickets/verify", {"seen": seen[:1] * 2001}, role=Role.VIEWER)
    assert too_many.status_code == 400
