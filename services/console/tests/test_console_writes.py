"""Writes of the console's own API: done once for each Idempotency-Key, and names that can be kept."""

import asyncio
import json

import asyncpg
import pytest
from console_world import BOOTSTRAP, World

SHARED = pytest.mark.asyncio(loop_scope="session")
TOKENS = "/api/v1/orgs/acme/tokens"


@pytest.mark.rule("AC-71", "AC-1")
@SHARED
async def test_a_repeated_key_mints_no_second_token_and_shows_no_text_again(world: World) -> None:
    admin = await world.token("acme")
    key, body = {"idempotency-key": "mint-1"}, {"role": "viewer", "name": "Wall"}
    first = await world.call("POST", TOKENS, admin, json=body, headers=key)
    again = [await world.call("POST", TOKENS, admin, json=body, headers=key) for _ in range(2)]
    assert first.status_code == 201
    text = first.json()["token"]
    assert (await world.call("GET", "/api/v1/orgs/acme/tickets", text)).status_code == 200
    for answer in again:
        assert (answer.status_code, {**answer.json(), "token": text}) == (200, first.json())
        assert "token" not in answer.json()
    listed = (await world.call("GET", TOKENS, admin)).json()["items"]
    assert [token["name"] for token in listed] == ["admin of acme", "Wall"]
    connection = await asyncpg.connect(world.settings.database_dsn("console"))
    kept = json.dumps([str(dict(row)) for row in await connection.fetch("SELECT * FROM answer")])
    await connection.close()
    assert first.json()["id"] in kept
    assert text not in kept


@pytest.mark.rule("AC-71")
@SHARED
async def test_a_key_that_comes_with_something_else_is_refused(world: World) -> None:
    admin, other = await world.token("acme"), await world.token("zoo")
    key = {"idempotency-key": "mint-2"}
    assert (await world.call("POST", TOKENS, admin, json={"role": "viewer"}, headers=key)).status_code == 201
    for token, body in ((admin, {"role": "admin"}), (BOOTSTRAP, {"role": "viewer"})):
        reused = await world.call("POST", TOKENS, token, json=body, headers=key)
        assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    theirs = await world.call("POST", "/api/v1/orgs/zoo/tokens", other, json={"role": "viewer"}, headers=key)
    assert theirs.status_code == 201, "keys are each org's own"
    too_long = await world.call("POST", TOKENS, admin, json={"role": "viewer"}, headers={"idempotency-key": "k" * 257})
    assert (too_long.status_code, too_long.json()["field"]) == (400, "Idempotency-Key")


@pytest.mark.rule("AC-71")
@SHARED
async def test_many_at_once_with_one_key_mint_one_token(world: World) -> None:
    admin = await world.token("acme")
    call = {"json": {"role": "viewer"}, "headers": {"idempotency-key": "mint-3"}}
    answers = await asyncio.gather(*(world.call("POST", TOKENS, admin, **call) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.rule("AC-71")
@SHARED
async def test_what_was_refused_leaves_its_key_free(world: World) -> None:
    admin = await world.token("acme")
    key = {"idempotency-key": "mint-4"}
    assert (await world.call("POST", TOKENS, admin, json={"role": "king"}, headers=key)).status_code == 400
    assert (await world.call("POST", TOKENS, admin, json={"role": "viewer"}, headers=key)).status_code == 201


@pytest.mark.rule("AC-71")
@SHARED
async def test_an_org_made_with_a_key_is_answered_as_at_first(world: World) -> None:
    key = {"idempotency-key": "org-1"}
    call = {"json": {"org": "acme", "name": "Acme"}, "headers": key}
    answers = [await world.call("POST", "/api/v1/orgs", BOOTSTRAP, **call) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    reused = await world.call("POST", "/api/v1/orgs", BOOTSTRAP, json={"org": "zoo"}, headers=key)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await world.call("POST", "/api/v1/orgs", BOOTSTRAP, json={"org": "zoo"})).status_code == 201


@pytest.mark.rule("AC-71")
@SHARED
async def test_keys_are_forgotten_after_30_days(world: World) -> None:
    admin = await world.token("acme")
    call = {"json": {"role": "viewer"}, "headers": {"idempotency-key": "mint-5"}}
    first = await world.call("POST", TOKENS, admin, **call)
    connection = await asyncpg.connect(world.settings.database_dsn("console"))
    await connection.execute("UPDATE answer SET at = at - interval '31 days'")
    await connection.close()
    second = await world.call("POST", TOKENS, admin, **call)
    assert (second.status_code, second.json()["id"] == first.json()["id"]) == (201, False)


@pytest.mark.rule("AC-8")
@SHARED
async def test_text_that_cannot_be_kept_is_refused_by_field_and_rule(world: World) -> None:
    admin = await world.token("acme")
    for token, path, body, field in (
        (admin, TOKENS, rb'{"role":"viewer","name":"a\u0000b"}', "name"),
        (admin, TOKENS, rb'{"role":"viewer","name":"a\ud800"}', "name"),
        (admin, TOKENS, rb'{"role":"viewer","name":"a\nb"}', "name"),
        (BOOTSTRAP, "/api/v1/orgs", rb'{"org":"new","name":"a\u0000b"}', "name"),
        (BOOTSTRAP, "/api/v1/orgs", rb'{"org":"new\u0000"}', "org"),
    ):
        answer = await world.call("POST", path, token, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "malformed", field), body
        assert answer.json()["detail"].startswith(f"{field}: ")


@pytest.mark.rule("AC-8")
@pytest.mark.parametrize("cursor", ["%00", "a%00b", "No%20Org", "%C3%A5", "a" * 64])
@SHARED
async def test_a_cursor_that_was_never_given_out_is_malformed(world: World, cursor: str) -> None:
    for token in (BOOTSTRAP, await world.token("acme")):
        for path in ("/api/v1/orgs", TOKENS):
            answer = await world.call("GET", f"{path}?cursor={cursor}", token)
            assert (answer.status_code, answer.json()["field"]) == (400, "cursor"), path


@pytest.mark.rule("AC-8")
@pytest.mark.parametrize("org", ["a%00b", "%ED%A0%80", "No%20Org", "a" * 300])
@SHARED
async def test_an_org_that_cannot_be_is_not_found(world: World, org: str) -> None:
    id = "0198c2a4-0000-7000-8000-000000000000"
    for method, path in (("GET", "tokens"), ("POST", "tokens"), ("DELETE", f"tokens/{id}")):
        answer = await world.call(method, f"/api/v1/orgs/{org}/{path}", BOOTSTRAP, json={"role": "viewer"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


@pytest.mark.rule("AC-165")
@pytest.mark.parametrize("id", ["", "x" * 101, "é", "a\r\nx-forged: 1", "a b", "\x00", "\u2028"])
@SHARED
async def test_a_form_under_an_id_that_no_page_has_is_answered_in_words(world: World, id: str) -> None:
    await world.sign_in("acme", "admin")
    for path, fields in (
        ("/orgs/acme/tickets/1/update", {"comment": "x"}),
        ("/orgs/acme/tokens", {"role": "viewer", "days": "1", "name": "x"}),
        ("/orgs/acme/channels/ops/test", {}),
    ):
        answer = await world.post(path, **fields, command_id=id)
        assert answer.status_code == 400, path
        assert "This form is not as our page has it, and was not carried out." in answer.text, path
