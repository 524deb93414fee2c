"""Who is in an org: what admins say through the API, and what the provider says at each sign-in."""

import asyncio
from typing import Any

import asyncpg
import httpx2
import pytest
from console_world import BOOTSTRAP, World
from test_console_provider_sign_in import come_in, found, page
from tests.provider import ANN, Provider

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = "/api/v1/orgs/acme/members"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
"""Of this database: the server has those of other tests as well."""


async def put(world: World, person: str, role: str | None, org: str = "acme", **more: Any) -> httpx2.Response:
    path = f"/api/v1/orgs/{org}/members"
    return await world.call("PUT", path, await world.token(org), json={"person": person, "role": role}, **more)


async def members(world: World, org: str = "acme", **query: Any) -> Any:
    answer = await world.call("GET", f"/api/v1/orgs/{org}/members", await world.token(org), params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def roles(world: World, org: str = "acme") -> dict[str, str]:
    return {member["person"]: member["role"] for member in (await members(world, org))["items"]}


@pytest.mark.rule("AC-114")
async def test_who_was_given_a_role_signs_in_with_it_whatever_the_claims_say(people: World, provider: Provider) -> None:
    given = await put(people, "ANN@acme.test", "viewer")
    assert given.status_code == 200, given.text
    assert (given.json()["person"], given.json()["signed_in_at"]) == ("ann@acme.test", None)
    provider.person = {**ANN, "groups": ["acme:admin"]}
    assert (await come_in(people)).status_code == 303
    assert "viewer in acme" in (await people.http.get("/orgs/acme/tickets")).text
    [ann] = (await members(people))["items"]
    assert (ann["role"], ann["given_by"], ann["name"]) == ("viewer", "org", "Ann")
    assert ann["signed_in_at"]


@pytest.mark.rule("AC-114")
async def test_a_change_holds_from_the_next_request_on(people: World, provider: Provider) -> None:
    await put(people, "ann@acme.test", "operator")
    await come_in(people)
    people.tickets.open("acme", "Lift")
    form = {"command_id": "1", "action": "start"}
    assert (await people.post("/orgs/acme/tickets/1/update", **form)).status_code == 303
    await put(people, "ann@acme.test", "viewer")
    assert (await people.post("/orgs/acme/tickets/1/update", **form)).status_code == 403
    assert (await put(people, "ann@acme.test", None)).json()["role"] is None
    assert await page(people, "/orgs/acme/tickets") == 303
    assert (await put(people, "ann@acme.test", None)).status_code == 404


@pytest.mark.rule("AC-114")
async def test_whom_the_provider_lets_in_is_a_member_and_goes_with_its_word(people: World, provider: Provider) -> None:
    await found(people, "acme")
    await come_in(people)
    [ann] = (await members(people))["items"]
    assert (ann["role"], ann["given_by"], ann["added_by"]) == ("operator", "provider", "sign-in")
    await put(people, "ann@acme.test", None)
    assert await page(people, "/orgs/acme/tickets") == 303
    await come_in(people)
    assert await roles(people) == {"ann@acme.test": "operator"}
    provider.person = {**ANN, "groups": []}
    assert (await come_in(people)).status_code == 403
    assert await roles(people) == {}


@pytest.mark.rule("AC-112")
async def test_who_gets_the_address_of_somebody_who_left_does_not_get_their_role(
    people: World, provider: Provider
) -> None:
    await put(people, "ann@acme.test", "admin")
    provider.person = {**ANN, "groups": []}
    await come_in(people)
    before = dict(people.http.cookies)
    people.http.cookies.clear()
    provider.person = {**ANN, "sub": "another", "groups": []}
    answer = await come_in(people)
    assert answer.status_code == 403
    assert "Another account was ann@acme.test here before" in answer.text
    assert await page(people, "/orgs/acme/tickets") == 303
    await put(people, "bob@acme.test", "admin")
    await put(people, "ann@acme.test", None)
    await put(people, "ann@acme.test", "viewer")
    assert (await come_in(people)).status_code == 303
    assert "viewer in acme" in (await people.http.get("/orgs/acme/tickets")).text
    people.http.cookies.clear()
    people.http.cookies.update(before)
    assert await page(people, "/orgs/acme/tickets") == 303, "the session of who left is nobody's"


@pytest.mark.rule("AC-115")
async def test_the_last_admin_stays_also_when_two_leave_at_once(people: World) -> None:
    for person in ("ann@acme.test", "bob@acme.test"):
        assert (await put(people, person, "admin")).status_code == 200
    left = await asyncio.gather(*(put(people, person, "viewer") for person in ("ann@acme.test", "bob@acme.test")))
    assert sorted(answer.status_code for answer in left) == [200, 409]
    [refused] = [answer for answer in left if answer.status_code == 409]
    assert refused.json()["field"] == "role"
    [admin] = [person for person, role in (await roles(people)).items() if role == "admin"]
    assert (await put(people, admin, None)).status_code == 409
    assert (await put(people, admin, "admin")).status_code == 200


@pytest.mark.rule("AC-114")
async def test_only_admins_of_the_org_see_and_change_its_members(people: World) -> None:
    await put(people, "ann@acme.test", "admin")
    body = {"person": "eve@evil.example", "role": "admin"}
    for role in ("viewer", "operator", "ingest"):
        token = await people.token("acme", role)
        assert (await people.call("GET", PATH, token)).status_code == 403
        assert (await people.call("PUT", PATH, token, json=body)).status_code == 403
    for method in ("GET", "PUT"):
        told = body if method == "PUT" else None
        assert (await people.call(method, PATH, await people.token("globex"), json=told)).status_code == 404
        assert (await people.call(method, PATH, BOOTSTRAP, json=told)).status_code == 403
        assert (await people.call(method, PATH, json=told)).status_code == 401
    assert await roles(people) == {"ann@acme.test": "admin"}


@pytest.mark.rule("AC-114")
async def test_members_come_by_person_page_by_page_and_only_of_the_org(people: World) -> None:
    for person in ("c@acme.test", "a@acme.test", "b@acme.test"):
        await put(people, person, "viewer")
    await put(people, "aa@globex.test", "viewer", org="globex")
    first = await members(people, limit=2)
    rest = await members(people, limit=2, cursor=first["next_cursor"])
    named = [[member["person"] for member in part["items"]] for part in (first, rest)]
    assert named == [["a@acme.test", "b@acme.test"], ["c@acme.test"]]
    assert rest["next_cursor"] is None


@pytest.mark.rule("AC-114")
@pytest.mark.parametrize(
    ("person", "role"),
    [("", "viewer"), ("a\nb", "viewer"), ("demo", "admin"), ("a@b.test", "ingest"), ("a@b.test", "x")],
)
async def test_what_is_no_person_or_no_role_is_refused(people: World, person: str, role: str) -> None:
    assert (await put(people, person, role)).status_code == 400


@pytest.mark.rule("AC-114")
async def test_a_repeat_with_the_same_key_does_nothing(people: World) -> None:
    await put(people, "a@acme.test", "viewer", headers={"idempotency-key": "k"})
    await put(people, "a@acme.test", "operator")
    assert (await put(people, "a@acme.test", "viewer", headers={"idempotency-key": "k"})).json()["role"] == "viewer"
    assert await roles(people) == {"a@acme.test": "operator"}
    assert (await put(people, "a@acme.test", "admin", headers={"idempotency-key": "k"})).status_code == 422


@pytest.mark.rule("AC-114")
async def test_what_a_sign_in_writes_meanwhile_is_not_written_over(people: World) -> None:
    await put(people, "ann@acme.test", "viewer")
    connection = await asyncpg.connect(people.settings.database_dsn("console"))
    try:
        async with connection.transaction():
            await connection.execute("UPDATE member SET account = 'hers'")
            changing = asyncio.create_task(put(people, "ann@acme.test", "operator"))
            while not await connection.fetchval(WAITING):
                assert not changing.done(), "it did not wait"
                await asyncio.sleep(0.01)
        assert (await changing).status_code == 200
        [row] = await connection.fetch("SELECT role, account FROM member")
        assert tuple(row) == ("operator", "hers")
    finally:
        await connection.close()


@pytest.mark.rule("AC-114")
async def test_what_an_admin_says_of_a_newcomer_during_their_sign_in_stands(people: World, provider: Provider) -> None:
    await found(people, "acme")
    connection = await asyncpg.connect(people.settings.database_dsn("console"))
    try:
        async with connection.transaction():
            await connection.execute("SELECT org FROM org WHERE org = 'acme' FOR NO KEY UPDATE")
            await connection.execute("""
                INSERT INTO member (org, person, role, given_by, added_at, added_by)
                VALUES ('acme', 'ann@acme.test', 'viewer', 'org', now(), 'token/1')
            """)
            coming = asyncio.create_task(come_in(people))
            while not await connection.fetchval(WAITING):
                assert not coming.done(), "it did not wait"
                await asyncio.sleep(0.01)
        assert (await coming).status_code == 303
        [row] = await connection.fetch("SELECT role, given_by FROM member")
        assert tuple(row) == ("viewer", "org")
    finally:
        await connection.close()


@pytest.mark.rule("AC-114", "AC-9")
async def test_a_deleted_org_has_no_members(people: World, provider: Provider) -> None:
    await put(people, "ann@acme.test", "admin")
    await come_in(people)
    assert await page(people, "/orgs/acme/tickets") == 200
    gone = await people.call("DELETE", "/api/v1/orgs/acme?confirm=acme", await people.token("acme"))
    assert gone.status_code == 204
    assert await page(people, "/orgs/acme/tickets") == 303
    answer = await come_in(people)
    assert answer.status_code == 403
    assert "in no org here" in answer.text
