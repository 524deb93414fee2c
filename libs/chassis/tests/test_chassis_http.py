"""Every answer that is not a success is a problem detail; who calls is checked before anything else."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from chassis_echo.app import PACKAGE
from chassis_echo.workbench import database_of
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.failures import StartRefused, TransientError
from fettle_chassis.http import Admin, HttpServer, IdempotencyKey, Operator, Problem, comes_first, http_app, listen
from fettle_chassis.service import Part, Service
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.tokens import Caller, Role, issue
from fettle_chassis.unit_of_work import unit_of_work

SETTINGS = ServiceSettings.load({"FETTLE_KAFKA_BOOTSTRAP_SERVERS": "x:1", "FETTLE_SIGNING_KEYS": "a:" + "A" * 44})
PATH = "/api/v1/orgs/acme/things"


class Thing(BaseModel):
    size: int
    links: list[str] = []


class Moody(Part):
    name = "moody"
    reason: str | None = None

    def not_ready(self) -> str | None:
        return self.reason

    def not_live(self) -> str | None:
        return self.reason


def bearer(org: str = "acme", role: Role = Role.OPERATOR, ttl_s: int = 60, *, person: str = "ann") -> dict[str, str]:
    token = issue(SETTINGS.signing_keys, Caller(org, role, person), datetime.now(UTC), ttl_s=ttl_s)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def moody() -> Moody:
    return Moody()


@pytest.fixture
async def client(moody: Moody) -> AsyncIterator[httpx2.AsyncClient]:
    service = Service("things")
    app = http_app(service, SETTINGS, title="Things", body_limit=1_000)

    @app.post("/api/v1/orgs/{org}/things")
    async def make(org: str, caller: Operator, thing: Thing) -> dict[str, Any]:
        match thing.size:
            case 1:
                raise Problem(409, "too_small", "It is too small.", field="size", least=2)
            case 2:
                raise TransientError("database away")
        return {"org": org, "by": caller.actor_id}

    @app.delete("/api/v1/orgs/{org}/things")
    async def drop(org: str, caller: Admin) -> None:
        return

    server = HttpServer(app, "127.0.0.1", 0)
    service.add(moody, server)
    async with (
        service.running(),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60.0) as client,
    ):
        yield client


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.rule("OP-41")
async def test_who_calls(client: httpx2.AsyncClient) -> None:
    good = await client.post(PATH, json={"size": 9}, headers=bearer())
    assert good.json() == {"org": "acme", "by": "ann"}
    missing = await client.post(PATH, json={"size": 9})
    problem(missing, 401, "token_missing")
    assert missing.headers["www-authenticate"] == "Bearer"
    problem(await client.post(PATH, json={"size": 9}, headers=bearer(ttl_s=-60)), 401, "token_invalid")
    problem(await client.post(PATH, json={"size": 9}, headers={"Authorization": "Bearer x"}), 401, "token_invalid")
    problem(await client.post(PATH, json={"size": 9}, headers=bearer(org="other")), 404, "not_found")
    for role in (Role.VIEWER, Role.INGEST):
        problem(await client.post(PATH, json={"size": 9}, headers=bearer(role=role)), 403, "forbidden")
    problem(await client.delete(PATH, headers=bearer()), 403, "forbidden")
    assert (await client.delete(PATH, headers=bearer(role=Role.ADMIN))).status_code == 200


@pytest.mark.rule("OP-42")
async def test_what_a_request_gets_wrong_is_named(client: httpx2.AsyncClient) -> None:
    wrong = problem(await client.post(PATH, json={"size": "x", "links": [1]}, headers=bearer()), 400, "malformed")
    assert wrong["field"] == "size"
    assert [fault["field"] for fault in wrong["faults"]] == ["size", "links.0"]
    assert all(fault["rule"] for fault in wrong["faults"])
    no_json = await client.post(PATH, content=b"{", headers=bearer() | {"content-type": "application/json"})
    assert "not JSON" in problem(no_json, 400, "malformed")["detail"]
    own = problem(await client.post(PATH, json={"size": 1}, headers=bearer()), 409, "too_small")
    assert (own["field"], own["least"]) == ("size", 2)
    problem(await client.get("/nowhere"), 404, "not_found")
    for too_much in ("/", "%2F"):
        problem(await client.post(PATH + too_much, json={"size": 9}, headers=bearer()), 404, "not_found")
    other = await client.put(PATH)
    problem(other, 405, "method_not_allowed")
    assert other.headers["allow"] == "DELETE, POST"


@pytest.mark.rule("OP-42")
async def test_a_body_that_is_too_large_is_refused_declared_or_not(client: httpx2.AsyncClient) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100

    problem(await client.post(PATH, content=b" " * 1_001, headers=bearer()), 413, "too_large")
    problem(await client.post(PATH, content=trickle(), headers=bearer()), 413, "too_large")
    largest = b'{"size": 9, "links": ["%s"]}' % (b"x" * 974)
    assert len(largest) == 1_000
    json = bearer() | {"content-type": "application/json"}
    assert (await client.post(PATH, content=largest, headers=json)).status_code == 200


@pytest.mark.rule("OP-42")
async def test_what_passes_is_answered_with_try_again(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, json={"size": 2}, headers=bearer())
    assert "database" not in problem(answer, 503, "unavailable")["detail"]
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.rule("OP-43")
async def test_health_names_the_parts_and_their_reasons(client: httpx2.AsyncClient, moody: Moody) -> None:
    for path in ("/livez", "/readyz"):
        moody.reason = None
        assert (await client.get(path)).json() == {"status": "ok", "parts": {}}
        moody.reason = "in a mood"
        answer = await client.get(path)
        assert answer.status_code == 503
        assert answer.json()["parts"] == {"moody": "in a mood"}
    metrics = await client.get("/metrics")
    assert "# HELP fettle_consumer_records_total" in metrics.text


@pytest.mark.rule("OP-44")
async def test_a_port_that_is_taken_refuses_the_start() -> None:
    first, second = Service("first"), Service("second")
    server = HttpServer(http_app(first, SETTINGS, title="First"), "127.0.0.1", 0)
    first.add(server)
    async with first.running():
        second.add(HttpServer(http_app(second, SETTINGS, title="Second"), "127.0.0.1", server.port))
        with pytest.raises(StartRefused, match=f"127.0.0.1:{server.port}"):
            async with second.running():
                pass


@pytest.mark.rule("TS-94")
def test_what_a_server_has_to_say_leaves_at_once() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    async with database_of(ServiceSettings.load(environment)) as database:
        await database.ensure_exists()
        await database.migrate(PACKAGE)
        yield database


@pytest.fixture
async def keeper(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """Things that are kept in a database; one of size 1 is refused after it was entered."""
    app = http_app(Service("things"), SETTINGS, title="Things")
    statements = {
        "text": text("SELECT CAST(:value AS text)"),
        "json": text("SELECT CAST(json_build_object('a', CAST(:value AS text)) AS text)"),
    }

    @app.get("/kept/{way}")
    async def kept(way: str, value: str) -> None:
        value = value.replace("half", "\ud800")
        async with database.engine.begin() as connection:
            if way == "copy":
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                await driver.copy_records_to_table("heard", records=[(value, 0)], columns=["id", "partition"])
            elif way == "jsonb":
                await connection.execute(text("SELECT CAST(:value AS jsonb)"), {"value": f'"{value}"'})
            else:
                await connection.execute(statements[way], {"value": value})

    _put_things(app, database)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://things.test") as client:
        yield client


def _put_things(app: FastAPI, database: Database) -> None:
    @app.put("/api/v1/orgs/{org}/things/{name}")
    async def put(org: str, name: str, caller: Operator, thing: Thing, key: IdempotencyKey) -> dict[str, bool]:
        async with unit_of_work(database) as work:
            first = await comes_first(work, caller, key, name, thing.model_dump())
            if thing.size == 1:
                raise Problem(409, "too_small", "It is too small.")
        return {"first": first}


@pytest.mark.rule("OP-47")
@pytest.mark.parametrize("way", ["text", "json", "copy"])
@pytest.mark.parametrize("value", ["a\x00b", "half"])
async def test_text_that_no_column_can_hold_is_malformed(keeper: httpx2.AsyncClient, way: str, value: str) -> None:
    assert (await keeper.get(f"/kept/{way}", params={"value": "fine"})).status_code == 200
    problem(await keeper.get(f"/kept/{way}", params={"value": value}), 400, "malformed")


@pytest.mark.rule("OP-47")
async def test_an_escaped_nul_in_json_is_malformed(keeper: httpx2.AsyncClient) -> None:
    problem(await keeper.get("/kept/jsonb", params={"value": "a\\u0000"}), 400, "malformed")


@pytest.mark.rule("HM-89", "TS-36")
async def test_a_key_belongs_to_one_request_of_one_caller(keeper: httpx2.AsyncClient) -> None:
    async def put(
        key: str | None, size: int = 9, *, name: str = "a", org: str = "acme", person: str = "ann"
    ) -> httpx2.Response:
        headers = bearer(org, person=person) | ({} if key is None else {"idempotency-key": key})
        return await keeper.put(f"/api/v1/orgs/{org}/things/{name}", json={"size": size}, headers=headers)

    assert [(await put("k1")).json() for _ in range(3)] == [{"first": True}, {"first": False}, {"first": False}]
    assert [(await put(None)).json() for _ in range(2)] == [{"first": True}] * 2
    for other in (put("k1", 8), put("k1", name="b"), put("k1", person="bob")):
        problem(await other, 422, "idempotency_key_reused")
    assert (await put("k1")).json() == {"first": False}, "what was refused changed nothing"
    assert (await put("k1", org="globex")).json() == {"first": True}, "keys are an org's own"
    problem(await put("k2", 1), 409, "too_small")
    assert (await put("k2", 2)).json() == {"first": True}, "what was refused leaves the key free"
    at_once = await asyncio.gather(*(put("k3") for _ in range(4)))
    assert sorted(answer.json()["first"] for answer in at_once) == [False, False, False, True]
    for wrong in ("", "k" * 257):
        assert problem(await put(wrong), 400, "malformed")["field"] == "Idempotency-Key"
