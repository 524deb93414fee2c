"""Channels by HTTP: made, changed, tried and taken away."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from channel_world import ChannelWorld, Receiver
from engine_api import Api, engine_api, refusal
from engine_world import world_of
from mail_server import MailServer, mail_server
from web_server import answer, web_server

from fettle_chassis.tokens import Role
from fettle_workflow_engine.domain.channels import Kind

MAIL = {"host": "mail.acme.test", "from": "fettle@ACME.test", "to": ["ops@acme.test"]}
BODY = {"kind": "email", "settings": MAIL}


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with world_of(environment) as world, engine_api(world) as api:
        api.app.state.notify = ChannelWorld(world).notify
        yield api


@pytest.mark.rule("WF-99")
async def test_a_channel_is_made_changed_shown_and_deleted(api: Api) -> None:
    made = await api.call("POST", "/channels", {"name": "ops", **BODY})
    shown = {
        "name": "ops",
        "kind": "email",
        "settings": {
            "host": "mail.acme.test", "port": 587, "security": "starttls", "username": None, "password": None,
            "from": "fettle@acme.test", "to": ["ops@acme.test"], "allowed_domains": [],
        },
        "hourly_cap": 60,
        "saved_at": "2026-11-23T10:15:30.250Z",
        "saved_by": "ann@acme.test",
        "sent_last_hour": 0,
        "held_back": 0,
        "digest_error": None,
    }  # fmt: skip
    assert (made.status_code, made.json()) == (201, shown)
    refusal(await api.call("POST", "/channels", {"name": "ops", **BODY}), 409, "conflict")
    assert await api.get("/channels/ops", role=Role.VIEWER) == shown
    assert await api.get("/channels", role=Role.VIEWER) == {"items": [shown], "next_cursor": None}
    again = {name: shown[name] for name in ("kind", "settings", "hourly_cap")}
    changed = await api.call("PUT", "/channels/ops", {**again, "hourly_cap": 5})
    assert (changed.status_code, changed.json()) == (200, {**shown, "hourly_cap": 5})
    assert (await api.call("PUT", "/channels/other", BODY)).status_code == 201
    page = await api.get("/channels?limit=1")
    rest = await api.get(f"/channels?limit=1&cursor={page['next_cursor']}")
    assert [one["name"] for one in (*page["items"], *rest["items"])] == ["ops", "other"]
    assert (await api.call("DELETE", "/channels/ops")).status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test")):
        refusal(await api.call(method, f"/channels/ops{path}"), 404, "not_found")


@pytest.mark.rule("WF-99")
async def test_viewers_read_channels_and_admins_write_them(api: Api) -> None:
    await api.call("PUT", "/channels/ops", BODY)
    for role in (Role.VIEWER, Role.OPERATOR):
        for method, path, body in (
            ("POST", "/channels", {"name": "b", **BODY}), ("PUT", "/channels/ops", BODY),
            ("DELETE", "/channels/ops", None), ("POST", "/channels/ops/test", None),
        ):  # fmt: skip
            refusal(await api.call(method, path, body, role=role), 403, "forbidden")
    assert await api.get("/channels", org="globex") == {"items": [], "next_cursor": None}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test")):
        refusal(await api.call(method, f"/channels/ops{path}", org="globex"), 404, "not_found")


@pytest.mark.rule("WF-99")
@pytest.mark.parametrize(
    ("name", "changes", "status", "field"),
    [
        ("Ops", {}, 422, "name"),
        ("o" * 51, {}, 422, "name"),
        ("ops", {"kind": "fax"}, 400, "kind"),
        ("ops", {"hourly_cap": 0}, 400, "hourly_cap"),
        ("ops", {"hourly_cap": 61}, 400, "hourly_cap"),
        ("ops", {"cap": 5}, 400, "cap"),
        ("ops", {"settings": {**MAIL, "port": "x"}}, 422, "settings.port"),
        ("ops", {"kind": "slack", "settings": {"url": "https://a.test/tangerine"}}, 422, "settings.url"),
        ("ops", {"kind": "slack", "settings": {"url": {"secret": "gone"}}}, 422, "settings.url.secret"),
    ],
)
async def test_channels_that_cannot_work_are_refused(
    api: Api, name: str, changes: dict[str, Any], status: int, field: str
) -> None:
    said = refusal(await api.call("PUT", f"/channels/{name}", {**BODY, **changes}), status, _code(status))
    assert said["field"] == field
    assert "tangerine" not in said["detail"]
    assert (await api.get("/channels"))["items"] == []


def _code(status: int) -> str:
    return "malformed" if status == 400 else "invalid"


@pytest.mark.rule("WF-96", "WF-99")
async def test_a_secret_stays_while_a_channel_names_it(api: Api) -> None:
    await api.call("PUT", "/secrets/hook", {"value": "https://hooks.test/tangerine"})
    slack = {"kind": "slack", "settings": {"url": {"secret": "hook"}}}
    made = await api.call("PUT", "/channels/ops", slack)
    assert made.json()["settings"] == {"url": {"secret": "hook"}}
    said = refusal(await api.call("DELETE", "/secrets/hook"), 409, "conflict")
    assert said["detail"] == "The channel ops names this secret."
    await api.call("DELETE", "/channels/ops")
    assert (await api.call("DELETE", "/secrets/hook")).status_code == 204


@pytest.mark.rule("WF-23")
async def test_a_repeated_write_gets_its_first_answer(api: Api) -> None:
    body = {"name": "ops", **BODY}
    first, second = [await api.call("POST", "/channels", body, idempotency_key="k1") for _ in range(2)]
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    other = await api.call("POST", "/channels", {**body, "hourly_cap": 1}, idempotency_key="k1")
    refusal(other, 422, "idempotency_key_reused")


@pytest.mark.rule("WF-105")
async def test_a_channel_is_tried_by_a_real_message(api: Api) -> None:
    async with mail_server(MailServer(says={"RCPT bob@acme.test": "550 Nobody"})) as server:
        settings = {**MAIL, "host": "mail.example", "port": server.port, "security": "none"}
        body = {"kind": "email", "settings": {**settings, "allowed_domains": ["acme.test"]}, "hourly_cap": 3}
        await api.call("PUT", "/channels/ops", body)
        tried = await api.call("POST", "/channels/ops/test")
        assert (tried.status_code, tried.json()) == (200, {"outcome": "sent", "error": None, "refused": []})
        to = {"to": ["ann@acme.test", "bob@acme.test"]}
        tried = await api.call("POST", "/channels/ops/test", to)
        assert tried.json() == {"outcome": "sent", "error": None, "refused": ["bob@acme.test"]}
        tried = await api.call("POST", "/channels/ops/test", {"to": ["eve@evil.test"]})
        assert (tried.json()["outcome"], tried.json()["error"]["code"]) == ("failed", "address_not_allowed")
        full = await api.call("POST", "/channels/ops/test")
        refusal(full, 429, "too_many")
        assert full.headers["retry-after"] == "60"
        refusal(await api.call("POST", "/channels/ops/test", {"to": ["eve"]}), 422, "invalid")
    shown = await api.get("/channels/ops")
    assert (shown["sent_last_hour"], shown["held_back"]) == (3, 0)
    assert [one.rcpt_tos for one in server.took] == [["ops@acme.test"], ["ann@acme.test"]]
    assert "by ann@acme.test" in str(server.mails[0].get_payload())


@pytest.mark.rule("WF-105")
async def test_a_trial_says_why_it_failed(api: Api) -> None:
    sending = ChannelWorld(api.world)
    async with web_server(Receiver(says=[answer(404, b"no_service")])) as server:
        await sending.slack(server.url("/tangerine-tangerine"))
        tried = await api.call("POST", "/channels/ops/test", idempotency_key="k1")
        error = {"code": "status_unexpected", "message": "The answer was 404: no_service."}
        assert (tried.status_code, tried.json()) == (200, {"outcome": "failed", "error": error, "refused": []})
        again = await api.call("POST", "/channels/ops/test", idempotency_key="k1")
        assert again.json()["outcome"] == "sent"
    assert len({one.headers["idempotency-key"] for one in server.asked}) == 1
    assert (await api.get("/channels/ops"))["sent_last_hour"] == 1
    await sending.channel(Kind.SLACK, url={"secret": "gone"})
    tried = await api.call("POST", "/channels/ops/test")
    assert tried.json()["error"]["code"] == "secret_missing"


@pytest.mark.rule("WF-103", "WF-105")
async def test_a_channel_shows_what_it_holds_back(api: Api) -> None:
    sending = ChannelWorld(api.world)
    async with web_server(Receiver()) as server:
        await sending.slack(server.url(), cap=2)
        for number in range(5):
            await sending.tell(number)
    shown = await api.get("/channels/ops")
    assert (shown["sent_last_hour"], shown["held_back"], shown["digest_error"]) == (2, 3, None)
    assert (await api.get("/channels"))["items"] == [shown]
