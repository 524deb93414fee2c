"""What the audit log says of people who come in, of tokens that are gone, and of who is refused all the time."""

from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import pytest
from console_world import BOOTSTRAP, World
from test_console_audit import aged, in_the_database
from test_console_provider_sign_in import come_in, found
from tests.provider import ANN, Provider

from fettle_console.domain.audit import REFUSALS_EACH_MINUTE

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIELDS = ("method", "path", "status", "about")


async def log_of(world: World, org: str, **query: Any) -> list[dict[str, Any]]:
    """The org's entries, newest first, without those of the installation's own token."""
    answer = await world.call(
        "GET", f"/api/v1/orgs/{org}/audit", await world.token(org), params={"limit": 200, **query}
    )
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["items"]
    return [one for one in entries if one["actor"]["id"] != "installation"]


def said(entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(entry[name] for name in FIELDS)


@pytest.mark.rule("AC-139")
async def test_what_a_sign_in_changes_of_roles_is_in_the_log_of_each_org(people: World, provider: Provider) -> None:
    await found(people, "acme", "globex")
    host = urlsplit(provider.url).netloc
    member = "/members/ann%40acme.test"
    for groups in (["acme:viewer"], ["acme:viewer"], ["acme:admin", "globex:viewer"], []):
        provider.person = {**ANN, "groups": groups}
        await come_in(people)
    changes = [one for one in await log_of(people, "acme") if one["method"] == "PUT"]
    assert [said(one) for one in reversed(changes)] == [
        ("PUT", f"{member}/viewer", 200, {"from": "none", "to": "viewer", "provider": host}),
        ("PUT", f"{member}/admin", 200, {"from": "viewer", "to": "admin", "provider": host}),
        ("PUT", f"{member}/none", 200, {"from": "admin", "to": "none", "provider": host}),
    ]
    assert {tuple(one["actor"].values()) for one in changes} == {("sign-in", host, None, None)}
    others = [one["path"] for one in await log_of(people, "globex") if one["method"] == "PUT"]
    assert others == [f"{member}/none", f"{member}/viewer"]


@pytest.mark.rule("AC-139")
async def test_sign_ins_and_who_was_kept_out_are_in_the_log_of_the_orgs_that_they_open(
    people: World, provider: Provider
) -> None:
    await found(people, "acme", "globex")
    provider.person = {**ANN, "groups": ["acme:viewer", "globex:viewer"]}
    await come_in(people)
    account = f"{provider.url}#{ANN['sub']}"
    about = {"provider": urlsplit(provider.url).netloc, "account": account}
    for org in ("acme", "globex"):
        [entry] = await log_of(people, org, thing="sign-in")
        assert said(entry) == ("POST", "/sign-in", 303, about)
        assert entry["actor"] == {"id": "ann@acme.test", "name": "Ann", "role": "viewer", "made_by": None}

    answer = await people.call(
        "PUT",
        "/api/v1/orgs/acme/members",
        await people.token("acme"),
        json={"person": "ann@acme.test", "role": "operator"},
    )
    assert answer.status_code == 200
    provider.person = {**ANN, "sub": "somebody-else"}
    await come_in(people)
    entry = (await log_of(people, "acme", thing="sign-in"))[0]
    assert (entry["outcome"], entry["actor"]["id"], entry["actor"]["role"]) == ("refused", "ann@acme.test", None)
    assert entry["about"]["account"] == f"{provider.url}#somebody-else"


@pytest.mark.rule("AC-139")
async def test_signing_in_with_a_token_is_an_entry_and_one_that_nobody_has_is_none(world: World) -> None:
    await world.sign_in("acme", "operator")
    assert (await world.post("/sign-in", token=await world.token("acme", "ingest"))).status_code == 403
    assert (await world.post("/sign-in", token="ftl_nobodys")).status_code == 401
    refused, let_in = await log_of(world, "acme")
    assert (let_in["path"], let_in["status"], let_in["actor"]["name"]) == ("/sign-in", 303, "operator of acme")
    assert (refused["path"], refused["status"], refused["actor"]["role"]) == ("/sign-in", 403, "ingest")


@pytest.mark.rule("AC-139", "AC-129")
async def test_who_cannot_be_put_on_record_is_not_signed_in(world: World) -> None:
    await world.token("acme", "viewer")
    await in_the_database(world, "ALTER TABLE audit ADD CONSTRAINT none CHECK (path <> '/sign-in')")
    try:
        answer = await world.post("/sign-in", token=await world.token("acme", "viewer"))
    finally:
        await in_the_database(world, "ALTER TABLE audit DROP CONSTRAINT none")
    assert answer.status_code == 500
    assert await in_the_database(world, "SELECT * FROM session") == []


@pytest.mark.rule("AC-139")
async def test_an_admins_word_about_a_role_is_entered_with_the_role_before(world: World) -> None:
    admin = await world.token("acme")
    for role in ("viewer", "admin"):
        told = {"person": "bob@acme.test", "role": role}
        await world.call("PUT", "/api/v1/orgs/acme/members", admin, json=told)
    last, first = [one["about"] for one in await log_of(world, "acme")]
    assert (first, last) == ({"from": "none", "to": "viewer"}, {"from": "viewer", "to": "admin"})


@pytest.mark.rule("AC-151", "AC-163")
async def test_a_token_that_is_gone_can_still_be_told_from_the_log(world: World) -> None:
    admin = await world.token("acme")
    me = (await world.call("GET", "/api/v1/orgs/acme/tokens", admin)).json()["items"][0]["id"]
    new = {"role": "operator", "name": "Night job"}
    minted = (await world.call("POST", "/api/v1/orgs/acme/tokens", admin, json=new)).json()
    await world.call("POST", "/api/v1/orgs/acme/tickets", minted["token"], json={"title": "Lift"})
    assert (await world.call("DELETE", f"/api/v1/orgs/acme/tokens/{minted['id']}", admin)).status_code == 204
    await world.sign_in("acme", "admin")
    page = await world.post("/orgs/acme/tokens", role="viewer", days="1", name="By page", command_id="1")
    assert page.status_code == 200
    by_page, _, revoked, used, made = await log_of(world, "acme")
    maker = f"token/{me}"
    assert made["about"] == {"token": minted["id"], "name": "Night job", "role": "operator"}
    assert used["actor"] == {"id": f"token/{minted['id']}", "name": "Night job", "role": "operator", "made_by": maker}
    assert revoked["about"] == {"name": "Night job", "role": "operator", "made by": maker}
    assert by_page["about"]["name"] == "By page"
    assert minted["token"] not in str(await in_the_database(world, "SELECT * FROM audit"))
    shown = (await world.http.get("/orgs/acme/audit")).text
    assert f"name Night job, role operator, token {minted['id']}" in shown
    mine = "admin of acme"
    assert f"Night job, an API token with the role operator, made by {mine}, id {minted['id']}: show" in shown
    assert f"name Night job, role operator, made by {mine}" in shown
    assert "token/" not in shown.partition("<main")[2]


@pytest.mark.rule("AC-155")
async def test_what_a_token_asks_that_has_ended_is_on_record_and_a_flood_of_it_a_sum(world: World) -> None:
    operator, path = await world.token("acme", "operator"), "/api/v1/orgs/acme/tickets"
    other = await world.token("zoo", "operator")
    await in_the_database(world, "UPDATE token SET expires_at = created_at WHERE name LIKE 'operator of%'")
    asked = REFUSALS_EACH_MINUTE + 20
    answers = [await world.call("POST", path, operator, json={"title": "x"}) for _ in range(asked)]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "token_invalid")}
    assert (await world.post("/sign-in", token=operator)).status_code == 401
    for method, to, token in (("GET", path, operator), ("POST", path, other), ("POST", path, "ftl_nobodys")):
        assert (await world.call(method, to, token)).status_code == 401
    entries = await log_of(world, "acme")
    lines = [one for one in entries if one["method"] != "*"]
    sums = [one for one in entries if one["method"] == "*"]
    assert {(one["status"], one["outcome"], one["actor"]["name"]) for one in entries} == {
        (401, "refused", "operator of acme")
    }
    assert answers[0].headers["fettle-request-id"] == lines[-1]["id"]
    # By a sign-in and by requests together, whichever minutes they fall into.
    assert len(lines) + sum(one["times"] for one in sums) == asked + 1
    assert (len(sums) >= 1, {one["path"] for one in lines} <= {"/tickets", "/sign-in"}) == (True, True)
    assert await log_of(world, "zoo") == []


@pytest.mark.rule("AC-152")
async def test_of_who_is_refused_all_the_time_most_becomes_a_sum_and_what_was_done_stays(world: World) -> None:
    viewer, operator = await world.token("acme", "viewer"), await world.token("acme", "operator")
    path = "/api/v1/orgs/acme/tickets"
    asked = REFUSALS_EACH_MINUTE * 2 + 3
    ids = [
        (await world.call("POST", path, viewer, json={"title": "x"})).headers["fettle-request-id"] for _ in range(asked)
    ]
    for _ in range(3):
        assert (await world.call("POST", path, operator, json={"title": "x"})).status_code == 201
    for number in range(2):
        key = {"idempotency-key": f"k{number}"}
        await world.call("POST", path, viewer, json={"title": "x"}, headers=key)
    entries = await log_of(world, "acme")
    refused = [one for one in entries if one["outcome"] == "refused"]
    sums = [one for one in refused if one["method"] == "*"]
    own = Counter(one["at"][: len("2026-01-01T00:00")] for one in refused if one["method"] != "*")
    assert sum(one["times"] for one in refused) == asked + 2, "each is counted once"
    assert max(own.values()) <= REFUSALS_EACH_MINUTE
    assert sums
    assert {one["status"] for one in sums} == {403}
    assert len([one for one in entries if one["outcome"] == "done"]) == 3
    kept = {one["id"] for one in entries}
    assert set(ids) <= kept, "each caller was told an entry that there is"

    await aged(world, 1)
    await world.call("POST", path, viewer, json={"title": "x"})
    assert (await log_of(world, "acme"))[0]["method"] == "POST", "another minute begins anew"
    await world.sign_in("acme", "admin")
    assert "More that was refused within this minute" in (await world.http.get("/orgs/acme/audit")).text


@pytest.mark.rule("AC-152")
async def test_one_who_is_refused_does_not_hide_another(world: World) -> None:
    viewer, admin = await world.token("acme", "viewer"), await world.token("acme")
    path = "/api/v1/orgs/acme/tickets"
    for _ in range(REFUSALS_EACH_MINUTE + 5):
        await world.call("POST", path, viewer, json={"title": "x"})
    assert (await world.call("POST", f"{path}/7/start", admin, json={})).status_code == 404
    assert (await world.call("POST", f"{path}/7/start", BOOTSTRAP, json={})).status_code in (403, 404)
    assert (await log_of(world, "acme"))[0]["path"] == "/tickets/7/start"


@pytest.mark.rule("AC-164")
async def test_what_is_sent_from_a_page_whose_session_is_over_is_on_record(world: World) -> None:
    await world.sign_in("acme", "operator")
    [cookie] = world.http.cookies.values()
    await in_the_database(world, "UPDATE session SET expires_at = now() - interval '6 days'")
    world.http.cookies.clear()
    await world.sign_in("zoo", "operator")
    world.http.cookies.clear()
    world.http.cookies.set(world.settings.cookie_name, cookie)
    form = {"action": "comment", "comment": "Late", "command_id": "1"}
    assert (await world.post("/orgs/acme/tickets/1/update", **form)).status_code == 401
    assert (await world.post("/orgs/acme/preview", text="x")).status_code == 401
    assert (await world.post("/orgs/zoo/tickets/1/update", **form)).status_code == 401
    assert (await world.http.get("/orgs/acme/tickets")).status_code == 303
    late, came = await log_of(world, "acme")
    assert (late["method"], late["path"], late["status"], late["outcome"]) == (
        "POST",
        "/tickets/1/update",
        401,
        "refused",
    )
    assert late["actor"] == came["actor"]
    assert len(await log_of(world, "zoo")) == 1  # the sign-in

    await in_the_database(world, "UPDATE session SET expires_at = now() - interval '8 days' WHERE org = 'acme'")
    world.http.cookies.clear()
    await world.sign_in("zoo", "operator")
    world.http.cookies.clear()
    world.http.cookies.set(world.settings.cookie_name, cookie)
    assert (await world.post("/orgs/acme/tickets/1/update", **form)).status_code == 401
    assert len(await log_of(world, "acme")) == 2
