"""The API front on real servers: who gets in, what passes to the services, and what comes back."""

import asyncio
import json
import re
from datetime import UTC, datetime

import pytest
from console_world import BOOTSTRAP, World, console_world

from fettle_chassis.kafka import build_consumer
from fettle_chassis.signing import Verified, Verifier
from fettle_contracts.cloudevents import from_record
from fettle_contracts.orgs import ORG, Org
from fettle_contracts.topics import ORGS
from fettle_devstack.ports import free_port

SHARED = pytest.mark.asyncio(loop_scope="session")

ORG_PATHS = (
    "/tickets", "/tickets/1", "/ticket-policy", "/subjects", "/subjects/device/a%2Fb", "/transitions", "/health-policy",
    "/workflows", "/workflows/x", "/runs", "/tokens", "/events", "/silences", "/nothing", "/tickets/%2e%2e/x",
)  # fmt: skip


@pytest.mark.rule("AC-2")
@SHARED
async def test_another_orgs_paths_answer_exactly_like_an_org_that_does_not_exist(world: World) -> None:
    token = await world.token("acme")
    await world.token("zoo")
    world.tickets.open("zoo", "Secret")
    for path in ORG_PATHS:
        theirs, nobodys = [await world.call("GET", f"/api/v1/orgs/{org}{path}", token) for org in ("zoo", "nobody")]
        assert (theirs.status_code, theirs.text) == (404, nobodys.text), path
        assert theirs.json()["code"] == "not_found"
        assert dict(theirs.headers) | {"date": ""} == dict(nobodys.headers) | {"date": ""}
    posted = await world.call("POST", "/api/v1/orgs/zoo/heartbeats", token, content=b'{"type":"device","id":"x"}')
    assert (posted.status_code, posted.json()["code"]) == (404, "not_found")
    orgs = await world.call("GET", "/api/v1/orgs", token)
    assert [org["org"] for org in orgs.json()["items"]] == ["acme"]


@pytest.mark.rule("AC-1", "AC-8")
@SHARED
async def test_who_has_no_token_that_counts_is_told_so(world: World) -> None:
    await world.token("acme")
    for token, code in ((None, "token_missing"), ("ftl_made-up", "token_invalid")):
        answer = await world.call("GET", "/api/v1/orgs/acme/tickets", token)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
    basic = await world.call("GET", "/api/v1/orgs/acme/tickets", headers={"authorization": "Basic YTpi"})
    assert basic.status_code == 401


@pytest.mark.rule("AC-1")
@SHARED
async def test_a_token_ends_when_its_time_is_over_or_it_is_revoked(world: World) -> None:
    admin = await world.token("acme")
    brief = await world.token("acme", "viewer", expires_in_s=1)
    listed = (await world.call("GET", "/api/v1/orgs/acme/tokens", admin)).json()["items"]
    assert "ftl_" not in json.dumps(listed)
    ends = max(datetime.fromisoformat(token["expires_at"]) for token in listed if token["role"] == "viewer")
    await asyncio.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()))
    assert (await world.call("GET", "/api/v1/orgs/acme/tickets", brief)).status_code == 401

    lasting = (await world.call("POST", "/api/v1/orgs/acme/tokens", admin, json={"role": "viewer"})).json()
    assert (await world.call("GET", "/api/v1/orgs/acme/tickets", lasting["token"])).status_code == 200
    assert (await world.call("DELETE", f"/api/v1/orgs/acme/tokens/{lasting['id']}", admin)).status_code == 204
    assert (await world.call("GET", "/api/v1/orgs/acme/tickets", lasting["token"])).status_code == 401
    assert (await world.call("DELETE", f"/api/v1/orgs/acme/tokens/{lasting['id']}", admin)).status_code == 404


@pytest.mark.rule("AC-2")
@SHARED
async def test_another_orgs_token_cannot_be_revoked(world: World) -> None:
    theirs = await world.token("zoo")
    [token] = (await world.call("GET", "/api/v1/orgs/zoo/tokens", theirs)).json()["items"]
    ours = await world.token("acme")
    assert (await world.call("DELETE", f"/api/v1/orgs/acme/tokens/{token['id']}", ours)).status_code == 404
    assert (await world.call("GET", "/api/v1/orgs/zoo/tickets", theirs)).status_code == 200


@pytest.mark.rule("AC-3")
@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("viewer", {"read", "events"}),
        ("operator", {"read", "work", "events"}),
        ("admin", {"read", "work", "events", "tokens", "heartbeats"}),
        ("ingest", {"heartbeats"}),
    ],
)
@SHARED
async def test_a_role_allows_what_it_is_for(world: World, role: str, allowed: set[str]) -> None:
    token = await world.token("acme", role)
    world.tickets.open("acme", "Lift")
    path = "/api/v1/orgs/acme"
    answers = {
        "read": await world.call("GET", f"{path}/tickets", token),
        "work": await world.call("POST", f"{path}/tickets/1/start", token, json={}),
        "tokens": await world.call("POST", f"{path}/tokens", token, json={"role": "viewer"}),
        "heartbeats": await world.call("POST", f"{path}/heartbeats", token, content=b'{"type":"device","id":"x"}'),
    }
    async with world.http.stream("GET", f"{path}/events", headers={"authorization": f"Bearer {token}"}) as stream:
        statuses = {deed: answer.status_code for deed, answer in answers.items()} | {"events": stream.status_code}
    assert {deed for deed, status in statuses.items() if status < 400} == allowed
    assert {status for deed, status in statuses.items() if deed not in allowed} <= {403}


async def last_told(world: World, org: str) -> Org:
    """The latest that was said of the org, once it is that it was deleted."""
    consumer = build_consumer(world.settings, world.settings.topic(ORGS), client_id="test")
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            while True:
                record = await consumer.getone()
                told = Org.from_json(from_record(record.headers, record.key, record.value).data)
                if told.org == org and told.deleted:
                    return told
    finally:
        await consumer.stop()


@pytest.mark.rule("AC-6")
async def test_a_new_org_is_told_to_the_services_signed_and_again_when_repeated(new_world: World) -> None:
    body = {"org": "acme", "name": "Acme Corp"}
    first = await new_world.call("POST", "/api/v1/orgs", BOOTSTRAP, json=body)
    again = await new_world.call("POST", "/api/v1/orgs", BOOTSTRAP, json={**body, "name": "Other"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()

    consumer = build_consumer(new_world.settings, new_world.settings.topic(ORGS), client_id="test")
    await consumer.start()
    try:
        records = [await consumer.getone(), await consumer.getone()]
    finally:
        await consumer.stop()
    events = [from_record(record.headers, record.key, record.value) for record in records]
    assert [(event.key, event.type, event.source) for event in events] == [("acme", ORG, "fettle/console")] * 2
    assert all(Org.from_json(event.data).name == "Acme Corp" for event in events)
    verifier = Verifier(new_world.settings.signing_keys)
    assert all(isinstance(verifier.verify_event(event, datetime.now(UTC)), Verified) for event in events)


@pytest.mark.rule("AC-9")
async def test_an_org_is_deleted_for_good_and_only_when_its_name_is_repeated(new_world: World) -> None:
    admin, operator = await new_world.token("acme"), await new_world.token("acme", "operator")
    other = await new_world.token("globex")
    path = "/api/v1/orgs/acme"
    assert (await new_world.call("DELETE", path, operator, params={"confirm": "acme"})).status_code == 403
    assert (await new_world.call("DELETE", path, other, params={"confirm": "acme"})).status_code == 404
    for query in ({}, {"confirm": "globex"}):
        asked = await new_world.call("DELETE", path, admin, params=query)
        assert (asked.status_code, asked.json()["field"]) == (409, "confirm")
        assert f"{path}/tickets/export?timeline=true" in asked.json()["detail"]
    assert (await new_world.call("GET", f"{path}/tickets", admin)).status_code == 200
    await new_world.sign_in("acme")
    assert (await new_world.call("DELETE", path, admin, params={"confirm": "acme"})).status_code == 204
    for token in (admin, operator):
        assert (await new_world.call("GET", f"{path}/tickets", token)).status_code == 401
    assert (await new_world.http.get("/orgs/acme/tickets")).status_code in (303, 401)
    again = await new_world.call("DELETE", path, BOOTSTRAP, params={"confirm": "acme"})
    mint = await new_world.call("POST", f"{path}/tokens", BOOTSTRAP, json={"role": "admin"})
    anew = await new_world.call("POST", "/api/v1/orgs", BOOTSTRAP, json={"org": "acme"})
    assert [answer.status_code for answer in (again, mint, anew)] == [404, 404, 409]
    orgs = await new_world.call("GET", "/api/v1/orgs", BOOTSTRAP)
    assert [org["org"] for org in orgs.json()["items"]] == ["globex"]
    told = await last_told(new_world, "acme")
    assert (told.deleted, told.name) == (True, "Acme")


@pytest.mark.rule("AC-7")
@SHARED
async def test_the_installations_token_cannot_read_or_work_in_an_org(world: World) -> None:
    await world.token("acme")
    for path in ("/tickets", "/events", "/workflows/x"):
        answer = await world.call("GET", f"/api/v1/orgs/acme{path}", BOOTSTRAP)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    unknown = await world.call("POST", "/api/v1/orgs/nobody/tokens", BOOTSTRAP, json={"role": "viewer"})
    assert unknown.status_code == 404
    assert (await world.call("POST", "/api/v1/orgs", await world.token("acme"), json={"org": "x"})).status_code == 403


@pytest.mark.rule("AC-3", "AC-4")
@SHARED
async def test_a_request_arrives_as_it_was_sent_and_speaks_for_its_sender(world: World) -> None:
    token = await world.token("acme", "operator")
    answer = await world.call(
        "PUT",
        "/api/v1/orgs/acme/workflows/a%2Fb%20c?q=%C3%A5&q=2",
        token,
        content=b"workflow: x\n",
        headers={"content-type": "application/yaml", "if-match": '"3"', "idempotency-key": "k", "cookie": "a=b"},
    )
    heard = answer.json()
    assert (heard["method"], heard["path"]) == ("PUT", "/api/v1/orgs/acme/workflows/a%2Fb%20c")
    assert (heard["query"], heard["body"]) == ("q=%C3%A5&q=2", "workflow: x\n")
    headers = heard["headers"]
    assert (headers["content-type"], headers["if-match"], headers["idempotency-key"]) == (
        "application/yaml",
        '"3"',
        "k",
    )
    assert "cookie" not in headers
    assert heard["caller"][:2] == ["acme", "operator"]
    assert heard["caller"][2].startswith("token/")
    assert heard["caller"][3] == "operator of acme"


@pytest.mark.rule("AC-4")
@pytest.mark.parametrize("status", [200, 202, 404, 409, 412, 422, 429, 500])
@SHARED
async def test_an_answer_comes_back_with_its_status(world: World, status: int) -> None:
    token = await world.token("acme")
    answer = await world.call("GET", f"/api/v1/orgs/acme/workflows/x?status={status}", token)
    assert answer.status_code == status
    assert answer.headers["etag"] == '"7"'
    assert answer.json()["method"] == "GET"


@pytest.mark.rule("AC-4")
@SHARED
async def test_a_long_answer_is_passed_on_as_it_comes_without_the_hops_headers(world: World) -> None:
    token = await world.token("acme")
    answer = await world.call("GET", "/api/v1/orgs/acme/workflows/stream", token)
    assert answer.text == "0\n1\n2\n"
    assert answer.headers["content-type"].startswith("text/plain")
    assert "set-cookie" not in answer.headers
    assert answer.headers.get("connection") != "close"
    next_one = await world.call("GET", "/api/v1/orgs/acme/workflows/next", token)
    assert "cookie" not in next_one.json()["headers"], "what a service set for one caller came back with another's"


@pytest.mark.rule("AC-5")
@SHARED
async def test_while_a_service_is_away_its_paths_say_so_and_others_work(world: World) -> None:
    token = await world.token("acme")
    away = await world.call("GET", "/api/v1/orgs/acme/subjects", token)
    assert (away.status_code, away.json()["code"]) == (503, "unavailable")
    assert int(away.headers["retry-after"]) > 0
    assert (await world.call("GET", "/api/v1/orgs/acme/tickets", token)).status_code == 200


@pytest.mark.rule("AC-5")
async def test_a_console_that_starts_without_kafka_serves_what_needs_none(environment: dict[str, str]) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with console_world(environment, with_kafka=False, KAFKA_BOOTSTRAP_SERVERS=nowhere) as world:
        token = await world.token("acme")
        assert (await world.call("GET", "/api/v1/orgs/acme/tickets", token)).status_code == 200
        assert (await world.http.get("/sign-in")).status_code == 200
        path, line = "/api/v1/orgs/acme/heartbeats", b'{"type":"device","id":"x"}'
        assert (await world.call("POST", path, token, content=line)).status_code == 503
        assert (await world.call("GET", "/readyz")).json()["parts"] == {"live": "has not caught up with Kafka"}


@pytest.mark.rule("AC-8")
@SHARED
async def test_what_is_wrong_with_a_request_is_named(world: World) -> None:
    token = await world.token("acme")
    path = "/api/v1/orgs/acme"
    for method, where, more, status, code in (
        ("POST", f"{path}/tokens", {"content": b"{"}, 400, "malformed"),
        ("POST", f"{path}/tokens", {"json": {"role": "king"}}, 400, "malformed"),
        ("POST", f"{path}/tokens", {"json": {"role": "viewer", "expires_in_s": 0}}, 400, "malformed"),
        ("GET", f"{path}/nothing", {}, 404, "not_found"),
        ("GET", "/api/v2/orgs", {}, 404, "not_found"),
        ("GET", f"{path}/tokens/x/y", {}, 404, "not_found"),
        ("PATCH", f"{path}/tokens", {"json": {}}, 405, "method_not_allowed"),
        ("POST", f"{path}/workflows/x", {"content": b"x" * 1_048_577}, 413, "too_large"),
        ("POST", f"{path}/heartbeats", {"content": b"\n \n"}, 400, "malformed"),
    ):
        answer = await world.call(method, where, token, **more)
        assert (answer.status_code, answer.json()["code"]) == (status, code), where
        assert answer.headers["content-type"] == "application/problem+json"
    for method, where, allowed in (
        ("PATCH", f"{path}/tokens", "GET, POST"),
        ("TRACE", f"{path}/tokens/x", "DELETE"),
        ("PUT", "/api/v1/orgs", "GET, POST"),
        ("GET", path, "DELETE, PUT"),
        ("POST", f"{path}/tickets/wrong-method", "GET"),
    ):
        answer = await world.call(method, where, token)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), where
    for where in ("/api/v1/orgs", f"{path}/tokens", f"{path}/tickets"):
        brewed = await world.call("BREW", where, token)
        assert (brewed.status_code, brewed.json()["code"]) == (405, "method_not_allowed"), where
    bad_org = await world.call("POST", "/api/v1/orgs", BOOTSTRAP, json={"org": "No Such"})
    assert (bad_org.status_code, bad_org.json()["field"]) == (400, "org")


async def raw(world: World, target: bytes, *headers: bytes) -> bytes:
    """The answer to a request that no decent client sends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.settings.http_port)
    token = (await world.token("acme")).encode()
    lines = [b"GET " + target + b" HTTP/1.1", b"host: x", b"connection: close", b"authorization: Bearer " + token]
    writer.write(b"\r\n".join([*lines, *headers, b"", b""]))
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.rule("AC-8")
@SHARED
async def test_an_address_that_cannot_be_passed_on_is_malformed(world: World) -> None:
    for target in (b"/api/v1/orgs/acme/workflows/x#y", b"/api/v1/orgs/acme/workflows/x?y#z"):
        answer = await raw(world, target)
        assert answer.startswith(b"HTTP/1.1 400 "), target
        assert b'"code":"malformed"' in answer


@pytest.mark.rule("AC-4")
@SHARED
async def test_a_header_arrives_as_it_was_sent_also_when_it_is_not_ascii(world: World) -> None:
    answer = await raw(world, b"/api/v1/orgs/acme/workflows/x", b"idempotency-key: \xe5\xff")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert rb'"idempotency-key": "\u00e5\u00ff"' in answer


@pytest.mark.rule("AC-40")
@SHARED
async def test_half_of_the_api_is_not_described(world: World) -> None:
    half = await world.call("GET", "/api/openapi.json")
    assert (half.status_code, half.json()["code"]) == (503, "unavailable")


@pytest.mark.rule("AC-40")
async def test_the_whole_api_is_described_to_anybody(environment: dict[str, str]) -> None:
    stand_in = f"http://127.0.0.1:{environment['FETTLE_WORKFLOWS_PORT']}"
    async with console_world(environment, HEALTH_URL=stand_in) as world:
        document = (await world.call("GET", "/api/openapi.json")).json()
    org = "/api/v1/orgs/{org}"
    assert {"/api/v1/orgs", f"{org}/tokens", f"{org}/heartbeats", f"{org}/events"} <= set(document["paths"])
    assert {f"{org}/tickets", f"{org}/workflows/stream"} <= set(document["paths"])
    assert all(path.startswith("/api/v1/") for path in document["paths"])
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    described = json.dumps(document)
    names = set(re.findall(r"#/components/schemas/([^\"]+)", described))
    assert names <= set(document["components"]["schemas"])


@pytest.mark.rule("WF-40")
@SHARED
async def test_the_form_of_workflows_is_shown_to_anybody(world: World) -> None:
    answer = await world.call("GET", "/api/workflow.schema.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/schema+json")
    assert answer.json() == {"authorization": None}
