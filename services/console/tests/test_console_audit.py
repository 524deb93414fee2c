"""The audit log on real servers: whatever is asked of the API or by a page leaves its one entry, and no body."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from console_world import BOOTSTRAP, World
from tests.client.api_document import Operation, document, operations

from fettle_console.domain.audit import SIGN_IN_PATH

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUDIT = "/api/v1/orgs/acme/audit"
ORG = "/api/v1/orgs/{org}"
NO_CHANGES = {
    "POST /orgs/{org}/heartbeats",
    "POST /orgs/{org}/tickets/verify",
    "POST /orgs/{org}/workflows/{name}/preview",
    "POST /orgs/{org}/workflows/{name}/test-runs",
    "POST /orgs/{org}/workflows/{name}/hook",
}
"""Operations that are written and change nothing, and the one that nobody with a token calls. Whoever adds one here
says why."""

WRITES = [
    one
    for one in operations(document())
    if one.method != "GET" and one.path.startswith(f"{ORG}/") and one.name not in NO_CHANGES
]
NOTHING = "0198c0de-0000-7000-8000-00000000dead"


def filled(operation: Operation) -> str:
    """The operation's path for a thing that nobody has, after the org."""
    numbers = operation.path.replace("{number}", "7").replace("{version}", "7")
    return re.sub(r"\{\w+\}", NOTHING, numbers.removeprefix(ORG))


async def entries(world: World, **query: Any) -> list[dict[str, Any]]:
    """The org's entries, newest first, but for those by the test's own preparations."""
    answer = await world.call("GET", AUDIT, await world.token("acme"), params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return [one for one in found if one["actor"]["id"] != "installation" and one["path"] != SIGN_IN_PATH]


async def in_the_database(world: World, query: str, *arguments: object) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(world.settings.database_dsn("console"))
    rows = [dict(row) for row in await connection.fetch(query, *arguments)]
    await connection.close()
    return rows


@pytest.mark.rule("AC-128")
@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
async def test_every_operation_that_is_no_question_leaves_its_entry(world: World, role: str) -> None:
    token, _ = await world.token("acme", role), await world.token("acme")
    faults = []
    for number, operation in enumerate(WRITES, 1):
        path = filled(operation)
        answer = await world.call(operation.method, f"/api/v1/orgs/acme{path}", token, json={})
        found = await entries(world, limit=200)
        expected = (operation.method, path, answer.status_code, "api", 1, answer.headers.get("fettle-request-id"))
        entry = found[0] if found else {}
        said = tuple(entry.get(name) for name in ("method", "path", "status", "door", "times", "id"))
        who = (
            {"id": entry["actor"]["id"], "name": f"{role} of acme", "role": role, "made_by": "installation"}
            if entry
            else None
        )
        if len(found) != number or said != expected or entry["actor"] != who:
            faults.append((operation.name, expected, said))
    assert faults == []
    refusals = [one["outcome"] for one in await entries(world, limit=200) if one["status"] == 403]
    assert set(refusals) == ({"refused"} if role != "admin" else set())


@pytest.mark.rule("AC-128")
async def test_what_only_asks_or_reports_leaves_none(world: World) -> None:
    admin = await world.token("acme")
    left_out = [one for one in operations(document()) if one.name in NO_CHANGES]
    assert {one.name for one in left_out} == NO_CHANGES
    for operation in left_out:
        await world.call(operation.method, f"/api/v1/orgs/acme{filled(operation)}", admin, json={})
    await world.call("POST", "/api/v1/orgs/acme/silences?dry_run=true", admin, json={})
    await world.call("GET", "/api/v1/orgs/acme/tickets", admin)
    await world.call("POST", "/api/v1/orgs/acme/tickets", "ftl_nobodys", json={"title": "x"})
    assert await entries(world) == []


@pytest.mark.rule("AC-128", "AC-2")
async def test_orgs_are_made_and_deleted_on_record_and_no_other_org_hears_of_it(world: World) -> None:
    admin, other = await world.token("acme"), await world.token("zoo")
    assert (await world.call("DELETE", "/api/v1/orgs/acme", admin)).status_code == 409
    assert (await world.call("DELETE", "/api/v1/orgs/zoo", admin)).status_code == 404
    assert (await world.call("POST", "/api/v1/orgs", admin, json={"org": "mine"})).status_code == 403
    assert (
        await world.call("POST", "/api/v1/orgs/nobody/tokens", BOOTSTRAP, json={"role": "viewer"})
    ).status_code == 404
    assert (await world.call("DELETE", "/api/v1/orgs/acme?confirm=acme", admin)).status_code == 204
    rows = await in_the_database(world, "SELECT * FROM audit WHERE org = 'acme' ORDER BY id")
    assert [(row["actor_id"].split("/")[0], row["method"], row["path"], row["status"]) for row in rows] == [
        ("installation", "POST", "/", 201),
        ("installation", "POST", "/tokens", 201),
        ("token", "DELETE", "/", 409),
        ("token", "POST", "/", 403),
        ("token", "DELETE", "/", 204),
    ]
    theirs = await world.call("GET", "/api/v1/orgs/zoo/audit", other)
    assert {one["actor"]["id"] for one in theirs.json()["items"]} == {"installation"}
    assert await in_the_database(world, "SELECT * FROM audit WHERE org NOT IN ('acme', 'zoo')") == []


@pytest.mark.rule("AC-129", "AC-172")
async def test_the_entry_stands_there_before_the_service_hears_of_it(world: World) -> None:
    """Instead of the health monitor somebody who looks into the log, and then hangs up."""
    admin, seen = await world.token("acme"), asyncio.get_running_loop().create_future()

    async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        seen.set_result(await entries(world))
        writer.close()

    server = await asyncio.start_server(look, "127.0.0.1", world.settings.health_port)
    async with server:
        answer = await world.call("PUT", "/api/v1/orgs/acme/health-policy", admin, json={"enabled": True})
    [before], [after] = await seen, await entries(world)
    assert (before["outcome"], before["status"], before["path"]) == ("asked", None, "/health-policy")
    assert (after["id"], after["outcome"], after["status"]) == (before["id"], "asked", answer.status_code)


@asynccontextmanager
async def refusing(world: World, change: str) -> AsyncIterator[None]:
    """A database that refuses one kind of change of the audit log, as one does that is going down."""
    down = "BEGIN RAISE EXCEPTION 'going down' USING ERRCODE = '57P03'; END"
    await in_the_database(world, f"CREATE FUNCTION down() RETURNS trigger LANGUAGE plpgsql AS $$ {down} $$")
    await in_the_database(world, f"CREATE TRIGGER down BEFORE {change} ON audit FOR EACH ROW EXECUTE FUNCTION down()")
    yield
    await in_the_database(world, "DROP FUNCTION down() CASCADE")


@pytest.mark.rule("AC-129")
async def test_what_cannot_be_put_on_record_is_not_done(world: World) -> None:
    admin = await world.token("acme")
    await world.sign_in("acme", "admin")
    async with refusing(world, "INSERT"):
        asked = [
            await world.call("POST", "/api/v1/orgs/acme/tickets", admin, json={"title": "Lift"}),
            await world.call("POST", "/api/v1/orgs/acme/tokens", admin, json={"role": "admin"}),
            await world.post("/orgs/acme/tickets/new", title="Lift", command_id="1"),
        ]
    assert [answer.status_code for answer in asked] == [503] * 3
    assert world.tickets.tickets == {}
    tokens = await world.call("GET", "/api/v1/orgs/acme/tokens", admin)
    assert len(tokens.json()["items"]) == 1


@pytest.mark.rule("AC-129")
async def test_an_outcome_that_cannot_be_put_down_keeps_no_answer_back(world: World) -> None:
    admin = await world.token("acme")
    async with refusing(world, "UPDATE"):
        opened = await world.call("POST", "/api/v1/orgs/acme/tickets", admin, json={"title": "Lift"})
    assert opened.status_code == 201
    [entry] = await entries(world)
    assert (entry["outcome"], entry["status"]) == ("asked", None)


@pytest.mark.rule("AC-130")
async def test_a_repeat_under_its_key_is_the_same_entry_and_what_was_done_stays_done(world: World) -> None:
    operator, path = await world.token("acme", "operator"), "/api/v1/orgs/acme/tickets/1/comments"
    say = {"json": {"comment": "On it."}, "headers": {"idempotency-key": "say-1"}}
    assert (await world.call("POST", path, operator, **say)).status_code == 404
    world.tickets.open("acme", "Lift")
    assert (await world.call("POST", path, operator, **say)).status_code == 200
    world.tickets.forget()
    assert (await world.call("POST", path, operator, **say)).status_code == 404
    [entry] = await entries(world)
    assert (entry["key"], entry["times"], entry["outcome"], entry["status"]) == ("say-1", 3, "done", 200)
    for other in ({**say, "json": {"comment": "Not me."}}, {"json": say["json"]}, {"json": say["json"]}):
        await world.call("POST", path, operator, **other)
    assert [one["times"] for one in await entries(world)] == [1, 1, 1, 3]


@pytest.mark.rule("AC-130")
async def test_a_key_is_new_again_when_the_services_have_forgotten_it(world: World) -> None:
    admin = await world.token("acme")
    say = {"json": {}, "headers": {"idempotency-key": "once"}}
    await world.call("PUT", "/api/v1/orgs/acme/workflows/x", admin, **say)
    await aged(world, 31)
    await world.call("PUT", "/api/v1/orgs/acme/workflows/x", admin, **say)
    assert [(one["key"], one["times"]) for one in await entries(world)] == [("once", 1), ("once", 1)]


async def aged(world: World, days: int) -> None:
    """Makes every entry older."""
    for row in await in_the_database(world, "SELECT id FROM audit"):
        older = UUID(int=row["id"].int - (days * 86_400_000 << 80))
        await in_the_database(world, "UPDATE audit SET id = $1 WHERE id = $2", older, row["id"])


@pytest.mark.rule("AC-132")
async def test_entries_go_after_400_days_and_not_before(world: World) -> None:
    admin = await world.token("acme")
    for _ in range(12):
        await world.call("PUT", "/api/v1/orgs/acme/workflows/x", admin, json={})
    await aged(world, 399)
    await world.call("PUT", "/api/v1/orgs/acme/workflows/x", admin, json={})
    assert len(await entries(world)) == 13
    await aged(world, 2)
    for _ in range(2):
        await world.call("PUT", "/api/v1/orgs/acme/workflows/x", admin, json={})
    assert len(await entries(world)) == 3


@pytest.mark.rule("AC-132")
async def test_no_body_query_or_secret_is_kept(world: World) -> None:
    admin = await world.token("acme")
    key = {"idempotency-key": "put-1"}
    await world.call("PUT", "/api/v1/orgs/acme/secrets/slack?a=hunter3", admin, json={"value": "hunter2"}, headers=key)
    minted = await world.call("POST", "/api/v1/orgs/acme/tokens", admin, json={"role": "viewer"})
    await world.sign_in("acme", "operator")
    await world.post("/orgs/acme/tickets/new", title="hunter4", command_id="1")
    kept = json.dumps(await in_the_database(world, "SELECT * FROM audit"), default=str)
    assert "/secrets/slack" in kept
    for secret in ("hunter", admin, minted.json()["token"]):
        assert secret not in kept


@pytest.mark.rule("AC-124", "AC-174")
async def test_an_entry_about_many_tickets_says_what_was_asked_for_how_many(world: World) -> None:
    for title in ("Lift", "Door"):
        world.tickets.open("acme", title)
    admin, bulk = await world.token("acme"), {"action": "resolve", "numbers": [1, 2], "comment": "hunter2"}
    await world.call("POST", "/api/v1/orgs/acme/tickets/bulk", admin, json=bulk)
    await world.sign_in("acme", "admin")
    form = {"action": "start", "number": ["1", "2"], "command_id": "c1"}
    await world.http.post("/orgs/acme/tickets/bulk", data=form, headers={"origin": world.url})
    by_page, by_api = [one["about"] for one in await entries(world) if one["path"] == "/tickets/bulk"]
    assert (by_api, by_page) == (
        {"action": "resolve", "tickets": "2", "numbers": "1, 2"},
        {"action": "start", "tickets": "2", "numbers": "1, 2"},
    )
    page = await world.http.get("/orgs/acme/audit?thing=tickets/2")
    assert ("days of UTC" in page.text, page.text.count('title="POST /tickets/bulk')) == (True, 2)
    for thing, found in (("tickets/2", 2), ("tickets/12", 0), ("tickets/1", 2)):
        assert len(await entries(world, thing=thing)) == found, thing
    shown = (await world.http.get("/orgs/acme/audit")).text
    assert "action resolve, tickets 2<" in shown
    assert all(f'href="/orgs/acme/tickets/{number}">#{number}</a>' in shown for number in (1, 2))


@pytest.mark.rule("AC-124")
async def test_the_page_names_eight_of_many_tickets_and_the_others_in_its_details(world: World) -> None:
    admin = await world.token("acme")
    many = {"action": "start", "numbers": list(range(45, 0, -1))}
    await world.call("POST", "/api/v1/orgs/acme/tickets/bulk", admin, json=many)
    await world.sign_in("acme", "admin")
    before, _, behind = (await world.http.get("/orgs/acme/audit")).text.partition("and 37 more</summary>")
    assert (">#8</a>" in before, ">#9</a>" in before) == (True, False)
    assert (">#9</a>" in behind, ">#45</a>" in behind) == (True, True)


@pytest.mark.rule("AC-132", "AC-3")
async def test_only_the_orgs_admins_read_it_and_nobody_changes_it(world: World) -> None:
    for role, status in (("viewer", 403), ("operator", 403), ("ingest", 403), ("admin", 200)):
        assert (await world.call("GET", AUDIT, await world.token("acme", role))).status_code == status
    assert (await world.call("GET", AUDIT, BOOTSTRAP)).status_code == 403
    admin = await world.token("acme")
    kept = await in_the_database(world, "SELECT id FROM audit ORDER BY id")
    for path in (AUDIT, f"{AUDIT}/{kept[0]['id']}"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await world.call(method, path, admin, json={})).status_code in (404, 405)
    assert (await in_the_database(world, "SELECT id FROM audit ORDER BY id"))[: len(kept)] == kept


@pytest.mark.rule("AC-131")
async def test_entries_are_found_by_who_what_outcome_and_time_and_come_in_pages(world: World) -> None:
    admin, operator = await world.token("acme"), await world.token("acme", "operator")
    world.tickets.open("acme", "Lift")
    for number in (1, 11):
        await world.call("POST", f"/api/v1/orgs/acme/tickets/{number}/start", operator, json={})
    await world.call("PUT", "/api/v1/orgs/acme/health-policy", admin, json={})
    every = await entries(world)
    paths = ["/health-policy", "/tickets/11/start", "/tickets/1/start"]
    assert [one["path"] for one in every] == paths
    who = every[0]["actor"]["id"]
    for query, expected in (
        ({"actor": who}, paths[:1]),
        ({"thing": "tickets"}, paths[1:]),
        ({"thing": "/tickets/1/"}, paths[2:]),
        ({"thing": "tickets/1/start"}, paths[2:]),
        ({"thing": "ticket"}, []),
        ({"outcome": "done"}, paths[2:]),
        ({"outcome": "refused"}, paths[1:2]),
        ({"outcome": "failed"}, paths[:1]),
        ({"outcome": "asked"}, []),
        ({"since": every[1]["at"], "thing": "tickets/11"}, paths[1:2]),
        ({"until": every[2]["at"]}, []),
        ({"since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59.999Z"}, paths),
    ):
        assert [one["path"] for one in await entries(world, **query)] == expected, query
    cursor, paged = None, []
    while True:
        answer = await world.call("GET", AUDIT, admin, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        paged += [one["id"] for one in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
    whole = (await world.call("GET", AUDIT, admin)).json()["items"]
    assert paged == [one["id"] for one in whole]
    assert len(whole) == 7  # the org and its two tokens were made, too, and the org was asked for again


@pytest.mark.rule("AC-131")
async def test_whatever_a_path_looks_like_it_stands_there_as_it_is_meant(world: World) -> None:
    admin = await world.token("acme")
    for sent, kept in (
        ("/%74okens/x", "/tokens/x"),
        ("//heartbeats", "//heartbeats"),
        ("/subjects/device/a%2Fb%00", "/subjects/device/a/b%00"),
        ("/subjects/device/api/v1/orgs/zoo/x", "/subjects/device/api/v1/orgs/zoo/x"),
        (f"/workflows/{'x' * 3000}", f"/workflows/{'x' * 989}"),
    ):
        await world.call("PUT", f"/api/v1/orgs/acme{sent}", admin, json={})
        assert (await entries(world))[0]["path"] == kept
    await world.call("PUT", "/api%2Fv1/orgs/acme/tokens/y", admin, json={})
    assert (await entries(world))[0]["path"] == "/tokens/y"


@pytest.mark.rule("AC-131")
@pytest.mark.parametrize("query", ["outcome=well", "since=yesterday", "cursor=x", "thing=%00", "actor=%00", "limit=0"])
async def test_a_question_that_makes_no_sense_is_malformed(world: World, query: str) -> None:
    answer = await world.call("GET", f"{AUDIT}?{query}", await world.token("acme"))
    assert (answer.status_code, answer.json()["field"]) == (400, query.split("=")[0])


@pytest.mark.rule("AC-128")
async def test_forms_of_pages_leave_entries_and_so_do_those_that_were_not_allowed(world: World) -> None:
    world.tickets.open("acme", "Lift")
    await world.sign_in("acme", "operator")
    for _ in range(2):
        await world.post("/orgs/acme/tickets/1/update", action="start", comment="secret", command_id="c1")
    await world.http.get("/orgs/acme/tickets/1")
    await world.post("/orgs/acme/preview", text="*x*")
    [entry] = await entries(world)
    assert (entry["door"], entry["method"], entry["path"], entry["key"]) == ("page", "POST", "/tickets/1/start", "c1")
    assert (entry["times"], entry["outcome"], entry["actor"]["name"]) == (2, "done", "operator of acme")
    await world.sign_in("acme", "viewer")
    refused = await world.post("/orgs/acme/tickets/1/update", action="resolve", command_id="c2")
    await world.http.get("/orgs/acme/tickets/new")
    [entry, _] = await entries(world)
    assert (refused.status_code, entry["path"], entry["status"]) == (403, "/tickets/1/update", 403)
    assert (entry["actor"]["name"], entry["outcome"]) == ("viewer of acme", "refused")
