"""Hooks: who may knock, what a knock starts, and how secrets come and go."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from engine_api import Api, api_of, refusal
from sqlalchemy import text

from fettle_chassis.signing import SigningKey
from fettle_chassis.tokens import Role
from fettle_workflow_engine.adapters.hook_keys import HookKeys
from fettle_workflow_engine.domain.hooks import Genuine, Refusal, examine

ALARM = """\
workflow: alarm
enabled: true
nodes:
  called: {trigger: signal, type: 'alarm.*'}
  plain: {trigger: signal, type: hook, source: hook, where: 'event.data.level > 3'}
  noted: {after: [called, plain], action: ticket.comment, with: {ticket: 7, text: {template: "{{ event.data.text }}"}}}
"""
PATH = "/acme/workflows/alarm/hook"
DATA = {"level": 4, "text": "Hot."}


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with api_of(environment) as found:
        await found.world.save(ALARM)
        yield found


async def made(api: Api, **new: int) -> dict[str, Any]:
    answer = await api.call("POST", "/workflows/alarm/hook/secrets", new)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def signed(api: Api, secret: str, body: str, id: str = "msg_1", late_s: float = 0) -> dict[str, str]:
    """Headers after Standard Webhooks, made by its reference and not by our own code."""
    timestamp = str(int((api.world.now - timedelta(seconds=late_s)).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.new(key, f"{id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()).decode()
    return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{'x' * 44} v1,{mac}"}


def unauthorised(answer: httpx2.Response) -> str:
    return str(refusal(answer, 401, "token_invalid")["detail"])


@pytest.mark.rule("WF-60")
async def test_the_example_of_standard_webhooks() -> None:
    """The specification's own: id, timestamp, body, secret and signature."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = datetime.fromtimestamp(1614265330, UTC)
    secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    body = b'{"test": 2432232314}'
    assert examine(headers, body, secrets, at) == Genuine("msg_p5jXN8AQM9LWM0D4loKWxJek")
    assert examine({**headers, "webhook-signature": "v1,é"}, body, secrets, at) is Refusal.BAD_SIGNATURE
    assert examine(headers, body, [], at) is Refusal.BAD_SIGNATURE
    nobodys = {"fettle-hook-secret": "whsec_" + "A" * 43 + "="}
    assert examine(nobodys, body, [], at) is Refusal.BAD_SIGNATURE


@pytest.mark.rule("WF-60", "WF-61")
async def test_a_signed_request_starts_a_run_once(api: Api) -> None:
    secret, body = (await made(api))["secret"], json.dumps(DATA)
    answers = await asyncio.gather(*(api.knock("POST", PATH, body, **signed(api, secret, body)) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {202}
    (run,) = await api.world.runs()
    assert {answer.text for answer in answers} == {
        json.dumps({"run": run["id"], "reason": None}, separators=(",", ":"))
    }
    assert run["event"] == {
        "id": "msg_1",
        "type": "hook",
        "source": "hook",
        "subject": None,
        "time": "2026-11-23T10:15:30.250Z",
        "data": DATA,
    }
    assert run["trigger"] == "signal"
    api.world.now += timedelta(minutes=10)
    assert (await api.knock("POST", PATH, body, **signed(api, secret, body))).json()["run"] == run["id"]
    other = json.dumps({**DATA, "level": 5})
    reused = await api.knock("POST", PATH, other, **signed(api, secret, other))
    refusal(reused, 422, "idempotency_key_reused")
    assert (await api.knock("POST", PATH, other, **signed(api, secret, other, "msg_2"))).json()["run"] != run["id"]


@pytest.mark.rule("WF-60")
async def test_what_is_not_genuine_is_refused_alike(api: Api) -> None:
    secret, body = (await made(api))["secret"], json.dumps(DATA)
    right = signed(api, secret, body)
    wrong = [
        {},
        {"fettle-hook-secret": "whsec_nothing"},
        {"fettle-hook-secret": ""},
        {"x-hub-signature-256": "sha256=00"},
        {**right, "webhook-id": "msg_2"},
        {**right, "webhook-timestamp": "1"},
        {**right, "webhook-timestamp": "soon"},
        {**right, "webhook-signature": "v1,"},
        {**right, "webhook-signature": right["webhook-signature"].replace("v1,", "v1a,")},
        {**{name: right[name] for name in ("webhook-id", "webhook-signature")}},
        {**right, "webhook-signature": "", "fettle-hook-secret": secret},
    ]
    said = {unauthorised(await api.knock("POST", PATH, body, **headers)) for headers in wrong}
    said |= {unauthorised(await api.knock("POST", PATH, body + " ", **right))}
    for path in ("/acme/workflows/none/hook", "/nobody/workflows/alarm/hook", "/globex/workflows/alarm/hook"):
        said |= {
            unauthorised(await api.knock("POST", path, body, **headers)) for headers in (right, wrong[1], wrong[0])
        }
    assert len(said) == 1
    assert await api.world.runs() == []


@pytest.mark.rule("WF-60")
async def test_a_signature_holds_for_five_minutes(api: Api) -> None:
    secret, body = (await made(api))["secret"], json.dumps(DATA)
    for late_s, status in ((-301, 401), (-299, 202), (299, 202), (301, 401)):
        headers = signed(api, secret, body, f"msg{late_s}", late_s)
        answer = await api.knock("POST", PATH, body, **headers)
        assert answer.status_code == status, (late_s, answer.text)
        assert status == 202 or "five minutes" in unauthorised(answer)


@pytest.mark.rule("WF-60", "WF-61")
async def test_github_and_the_bare_secret_count_too(api: Api) -> None:
    secret, body = (await made(api))["secret"], json.dumps(DATA)
    mac = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    github = {"x-hub-signature-256": f"sha256={mac}", "x-github-delivery": "d1", "x-github-event": "alarm.fire"}
    first = await api.knock("POST", PATH, body, **github)
    assert (await api.knock("POST", PATH, body, **github)).json() == first.json()
    (run,) = await api.world.runs()
    assert (run["event"]["id"], run["event"]["type"]) == ("d1", "alarm.fire")
    bare = {"fettle-hook-secret": secret}
    one, two, three, four = [
        (await api.knock("POST", PATH, body, **bare, **key)).json()["run"]
        for key in ({}, {}, {"idempotency-key": "k"}, {"idempotency-key": "k"})
    ]
    assert one != two
    assert three == four
    assert len(await api.world.runs()) == 4


@pytest.mark.rule("WF-51", "WF-65")
async def test_a_cloud_event_is_taken_in_both_modes(api: Api) -> None:
    bare = {"fettle-hook-secret": (await made(api))["secret"]}
    attributes = {"specversion": "1.0", "id": "e1", "source": "//plc/7", "type": "alarm.heat", "subject": "oven 3"}
    binary = {f"ce-{name}": value.replace(" ", "%20") for name, value in attributes.items()}
    await api.knock("POST", PATH, DATA, **bare, **binary)
    structured = {**attributes, "id": "e2", "data": DATA, "time": "2026-11-23T09:00:00Z"}
    kind = {"content-type": "application/cloudevents+json; charset=utf-8"}
    await api.knock("POST", PATH, structured, **bare, **kind)
    second, first = sorted((await api.world.runs()), key=lambda run: run["event"]["id"], reverse=True)
    shared = {"source": "//plc/7", "type": "alarm.heat", "subject": "oven 3", "data": DATA}
    assert first["event"] == {**shared, "id": "e1", "time": "2026-11-23T10:15:30.250Z"}
    assert second["event"] == {**shared, "id": "e2", "time": "2026-11-23T09:00:00.000Z"}
    again = await api.knock("POST", PATH, DATA, **bare, **binary)
    assert again.json()["run"] == first["id"]


@pytest.mark.rule("WF-128")
async def test_what_means_to_be_a_cloud_event_is_not_taken_for_a_bare_object(api: Api) -> None:
    bare = {"fettle-hook-secret": (await made(api))["secret"], "idempotency-key": "delivery-1"}
    attributes = {"specversion": "1.0", "id": "e1", "source": "//plc/7", "type": "alarm.heat"}
    whole = {f"ce-{name}": value for name, value in attributes.items()}
    for missing in attributes:
        others = {name: value for name, value in whole.items() if name != f"ce-{missing}"}
        problem = refusal(await api.knock("POST", PATH, DATA, **bare, **others), 400, "malformed")
        assert missing in problem["detail"]
        alone = {f"ce-{missing}": attributes[missing]}
        refusal(await api.knock("POST", PATH, DATA, **bare, **alone), 400, "malformed")
    assert await api.world.runs() == []
    mended = await api.knock("POST", PATH, DATA, **bare, **whole)
    assert (await api.world.runs())[0]["id"] == mended.json()["run"]


@pytest.mark.rule("WF-51")
async def test_what_starts_nothing_is_said(api: Api) -> None:
    bare = {"fettle-hook-secret": (await made(api))["secret"]}

    async def reason(data: object) -> str:
        answer = await api.knock("POST", PATH, data, **bare)
        assert (answer.status_code, answer.json()["run"]) == (202, None)
        return str(answer.json()["reason"])

    assert await reason({"level": 3}) == "not_matched"
    assert await reason({}) == "not_matched"
    await api.world.save(ALARM.replace("enabled: true", "enabled: false"))
    assert await reason(DATA) == "disabled"
    await api.world.save(ALARM.replace("trigger: signal, type: 'alarm.*'", "trigger: manual").replace(
        "trigger: signal, type: hook, source: hook,", "trigger: manual,"))  # fmt: skip
    assert await reason(DATA) == "no_trigger"
    await api.call("PUT", "/workflow-policy", {"enabled": False})
    assert await reason(DATA) == "switched_off"


@pytest.mark.rule("WF-65")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": 1e999}', 400),
        (b'{"a": "\\ud800"}', 400),
        (b'{"\\u0000": 1}', 400),
        (b'{"a": ' + b"9" * 5_000 + b"}", 400),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", 400),
        (b"[" * 100_000, 400),
        (b'{"a": "%b"}' % (b"x" * (256 * 1024 - 8)), 413),
        (b'{"a": "%b"}' % (b"x" * (256 * 1024 - 9)), 202),
    ],
)
async def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes, status: int) -> None:
    bare = {"fettle-hook-secret": (await made(api))["secret"]}
    answer = await api.knock("POST", PATH, body, **bare)
    assert answer.status_code == status, answer.text


@pytest.mark.rule("WF-62", "AC-196")
async def test_a_secret_is_shown_once_and_another_takes_over(api: Api) -> None:
    first = await made(api)
    assert first["secret"].startswith("whsec_")
    assert len(base64.b64decode(first["secret"].removeprefix("whsec_"))) == 32
    hook = await api.get("/workflows/alarm/hook", role=Role.ADMIN)
    view = {name: value for name, value in first.items() if name != "secret"}
    assert hook == {"path": f"/api/v1/orgs{PATH}", "secrets": [view]}
    assert (view["ends_at"], view["usable"], view["made_by"]) == (None, True, "ann@acme.test")
    second = await made(api, old_holds_s=60)

    async def works(secret: dict[str, Any]) -> bool:
        answer = await api.knock("POST", PATH, DATA, **{"fettle-hook-secret": secret["secret"]})
        return answer.status_code == 202

    assert [await works(one) for one in (first, second)] == [True, True]
    api.world.now += timedelta(seconds=61)
    assert [await works(one) for one in (first, second)] == [False, True]
    third, fourth = await made(api), await made(api)
    assert [await works(one) for one in (second, third, fourth)] == [False, True, True]
    end = f"/workflows/alarm/hook/secrets/{fourth['id']}"
    assert (await api.call("DELETE", end, idempotency_key="k1")).status_code == 204
    assert [await works(one) for one in (third, fourth)] == [True, False]
    assert (await api.call("DELETE", end, idempotency_key="k1")).status_code == 204
    other = end.replace(fourth["id"], third["id"])
    refusal(await api.call("DELETE", other, idempotency_key="k1"), 422, "idempotency_key_reused")
    assert await works(third)
    await made(api, old_holds_s=0)
    assert not await works(third)


@pytest.mark.rule("WF-62")
async def test_no_secret_stands_anywhere(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    made_first = await api.call("POST", "/workflows/alarm/hook/secrets", {}, idempotency_key="k1")
    secret = made_first.json()["secret"]
    again = await api.call("POST", "/workflows/alarm/hook/secrets", {}, idempotency_key="k1")
    assert (again.status_code, again.json()["id"], "secret" in again.json()) == (200, made_first.json()["id"], False)
    await api.knock("POST", PATH, DATA, **{"fettle-hook-secret": secret})
    await api.knock("POST", PATH, DATA, **signed(api, secret, json.dumps(DATA)))
    core = secret.removeprefix("whsec_")
    forms = (core, base64.b64decode(core).hex(), core.rstrip("=").replace("+", "-").replace("/", "_"))
    logged = capsys.readouterr()
    for table in ("hook_secret", "answer", "inbox", "run", "step", "outbox", "workflow"):
        async with api.world.database.reading() as connection:
            found = str((await connection.execute(text(f"SELECT CAST(t AS text) FROM {table} t"))).all())
        assert not any(form in found for form in forms), table
    assert not any(form in logged.out + logged.err for form in forms)


@pytest.mark.rule("WF-62")
async def test_secrets_end_with_their_workflow_and_their_key(api: Api) -> None:
    secret = (await made(api))["secret"]
    await api.call("DELETE", "/workflows/alarm")
    await api.world.save(ALARM)
    unauthorised(await api.knock("POST", PATH, DATA, **{"fettle-hook-secret": secret}))
    old, new = SigningKey("a", b"a" * 32), SigningKey("b", b"b" * 32)
    origin, text_of_it = HookKeys([old]).make("acme", "alarm", b"salt")
    assert HookKeys([new, old]).secret("acme", "alarm", origin) == text_of_it
    assert HookKeys([new]).secret("acme", "alarm", origin) is None
    different = {
        HookKeys([key]).make(org, workflow, salt)[1]
        for key in (old, new)
        for org, workflow in (("acme", "alarm"), ("acme", "other"), ("globex", "alarm"))
        for salt in (b"salt", b"other")
    }
    assert len(different) == 12


@pytest.mark.rule("WF-62")
async def test_a_key_that_made_nothing_is_free(api: Api) -> None:
    for name, status in (("late", 404), ("late", 201), ("late", 200)):
        made_it = await api.call("POST", f"/workflows/{name}/hook/secrets", {}, idempotency_key="k1")
        assert made_it.status_code == status, made_it.text
        await api.world.save(ALARM.replace("workflow: alarm", "workflow: late"))


@pytest.mark.rule("WF-62")
async def test_only_admins_see_and_make_secrets(api: Api) -> None:
    for method, path in (
        ("GET", ""),
        ("POST", "/secrets"),
        ("DELETE", "/secrets/00000000-0000-0000-0000-000000000000"),
    ):
        refused = await api.call(method, f"/workflows/alarm/hook{path}", role=Role.OPERATOR)
        refusal(refused, 403, "forbidden")
        assert (await api.call(method, f"/workflows/none/hook{path}")).status_code == 404
