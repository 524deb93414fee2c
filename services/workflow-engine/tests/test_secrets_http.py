"""Secrets by HTTP: values go in, and nothing but names comes out."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from engine_api import Api, engine_api, refusal
from engine_world import world_of

from fettle_chassis.tokens import Role
from fettle_workflow_engine.adapters.secret_box import SecretBox
from fettle_workflow_engine.adapters.vault import Vault

VALUE = "tangerine-tangerine"


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with world_of(environment) as world, engine_api(world) as api:
        yield api


async def opened(api: Api, *names: str, org: str = "acme") -> Any:
    return await Vault(api.world.database, SecretBox(api.world.settings.secret_keys)).open(org, names)


@pytest.mark.rule("WF-96")
async def test_a_secret_goes_in_and_does_not_come_out(api: Api) -> None:
    made = await api.call("PUT", "/secrets/token", {"value": VALUE})
    kept = {"name": "token", "key_id": "test", "saved_at": "2026-11-23T10:15:30.250Z", "saved_by": "ann@acme.test"}
    assert (made.status_code, made.json()) == (201, kept)
    changed = await api.call("PUT", "/secrets/token", {"value": "another-value"})
    assert (changed.status_code, changed.json()) == (200, kept)
    assert await api.get("/secrets", role=Role.ADMIN) == {"items": [kept], "next_cursor": None}
    assert await opened(api, "token") == {"token": "another-value"}
    for method in ("GET", "POST"):
        refusal(await api.call(method, "/secrets/token"), 405, "method_not_allowed")
    assert (await api.call("DELETE", "/secrets/token")).status_code == 204
    refusal(await api.call("DELETE", "/secrets/token"), 404, "not_found")
    assert (await api.get("/secrets", role=Role.ADMIN))["items"] == []


@pytest.mark.rule("WF-96")
async def test_only_admins_of_the_org_have_to_do_with_secrets(api: Api) -> None:
    await api.call("PUT", "/secrets/token", {"value": VALUE})
    for role in (Role.VIEWER, Role.OPERATOR, Role.INGEST):
        for method, body in (("GET", None), ("PUT", {"value": VALUE}), ("DELETE", None)):
            path = "/secrets" if method == "GET" else "/secrets/token"
            refusal(await api.call(method, path, body, role=role), 403, "forbidden")
    assert await api.get("/secrets", role=Role.ADMIN, org="globex") == {"items": [], "next_cursor": None}
    refusal(await api.call("DELETE", "/secrets/token", org="globex"), 404, "not_found")
    refusal(await api.call("GET", "/secrets", org="globex", of="acme"), 404, "not_found")


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("to-ken", {"value": VALUE}, 422, "invalid"),
        ("1token", {"value": VALUE}, 422, "invalid"),
        ("t" * 51, {"value": VALUE}, 422, "invalid"),
        ("token", {"value": "tangeri"}, 400, "malformed"),
        ("token", {"value": "tangerine" * 1_000}, 400, "malformed"),
        ("token", {"value": f"{VALUE}\x00"}, 400, "malformed"),
        ("token", {"value": [VALUE]}, 400, "malformed"),
        ("token", {"valeu": VALUE}, 400, "malformed"),
        ("token", {"value": VALUE, "note": VALUE}, 400, "malformed"),
        ("token", None, 400, "malformed"),
    ],
)
async def test_what_is_refused_is_not_repeated(api: Api, name: str, body: Any, status: int, code: str) -> None:
    said = refusal(await api.call("PUT", f"/secrets/{name}", body), status, code)
    assert "tangeri" not in json.dumps(said)


@pytest.mark.rule("WF-23", "WF-96")
async def test_a_repeated_write_is_known_without_keeping_the_value(api: Api) -> None:
    first = await api.call("PUT", "/secrets/token", {"value": VALUE}, idempotency_key="k1")
    await api.call("PUT", "/secrets/token", {"value": "another-value"})
    again = await api.call("PUT", "/secrets/token", {"value": VALUE}, idempotency_key="k1")
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert await opened(api, "token") == {"token": "another-value"}
    other = await api.call("PUT", "/secrets/token", {"value": "another-value"}, idempotency_key="k1")
    refusal(other, 422, "idempotency_key_reused")


async def test_secrets_are_listed_in_pages(api: Api) -> None:
    for number in range(3):
        await api.call("PUT", f"/secrets/s{number}", {"value": VALUE})
    page = await api.get("/secrets?limit=2", role=Role.ADMIN)
    assert [one["name"] for one in page["items"]] == ["s0", "s1"]
    rest = await api.get(f"/secrets?limit=2&cursor={page['next_cursor']}", role=Role.ADMIN)
    assert ([one["name"] for one in rest["items"]], rest["next_cursor"]) == (["s2"], None)


@pytest.mark.rule("WF-96")
async def test_without_a_key_nothing_is_kept(environment: dict[str, str]) -> None:
    async with world_of(environment) as world:
        keyless = replace(world, settings=world.settings.model_copy(update={"secret_keys": ()}))
        async with engine_api(keyless) as api:
            said = refusal(await api.call("PUT", "/secrets/token", {"value": VALUE}), 409, "conflict")
            assert "FETTLE_SECRET_KEYS" in said["detail"]
