"""Hooks at the front: no token passes, the signature does, and nobody learns which orgs there are."""

import pytest
from console_world import World, console_world

SHARED = pytest.mark.asyncio(loop_scope="session")
HOOK = "/api/v1/orgs/acme/workflows/alarm/hook"
SIGNED = {
    "fettle-hook-secret": "whsec_x",
    "webhook-id": "m1",
    "webhook-timestamp": "1",
    "webhook-signature": "v1,x",
    "x-hub-signature-256": "sha256=x",
    "x-github-event": "push",
    "x-github-delivery": "d1",
    "ce-id": "e1",
    "ce-type": "a.b",
    "idempotency-key": "k1",
    "content-type": "application/json",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "fettle-causation-depth": "3",
}


@pytest.mark.rule("WF-60", "WF-147", "AC-1")
@SHARED
async def test_a_hook_hears_the_signature_and_no_token(world: World) -> None:
    token = await world.token("acme")
    headers = {**SIGNED, "cookie": "a=b", "x-forwarded-for": "1.2.3.4"}
    answer = await world.call("POST", HOOK, token, content=b'{"a": 1}', headers=headers)
    assert answer.status_code == 202, answer.text
    heard = answer.json()
    assert heard["body"] == '{"a": 1}'
    assert {name: heard["headers"].get(name) for name in SIGNED} == SIGNED
    assert not {"authorization", "cookie", "x-forwarded-for"} & heard["headers"].keys()


@pytest.mark.rule("WF-60")
@SHARED
async def test_an_org_that_is_not_there_refuses_as_a_hook_does(world: World) -> None:
    await world.token("acme")
    refused = [
        await world.call("POST", path, content=b"{}", headers=headers)
        for path, headers in (
            (HOOK, {}),
            (HOOK.replace("acme", "nobody"), {}),
            (HOOK.replace("acme", "nobody"), SIGNED),
            (HOOK.replace("acme", "%00"), SIGNED),
            (HOOK.replace("alarm", "%2e%2e"), SIGNED),
        )
    ]
    assert {(answer.status_code, answer.text) for answer in refused} == {(401, refused[0].text)}
    assert refused[0].json()["code"] == "token_invalid"


@pytest.mark.rule("WF-65")
@SHARED
async def test_a_hook_takes_256_kib(world: World) -> None:
    await world.token("acme")
    sizes = {256 * 1024: 202, 256 * 1024 + 1: 413}
    for size, status in sizes.items():
        assert (await world.call("POST", HOOK, content=b"x" * size, headers=SIGNED)).status_code == status


@pytest.mark.rule("WF-60", "AC-72")
async def test_one_caller_of_one_hook_is_limited(environment: dict[str, str]) -> None:
    async with console_world(environment, REQUESTS_PER_S="0.001", REQUESTS_BURST="3") as world:
        await world.token("acme")
        statuses = [(await world.call("POST", HOOK, content=b"{}", headers=SIGNED)).status_code for _ in range(5)]
        assert statuses == [202] * 3 + [429] * 2
        other = await world.call("POST", HOOK.replace("alarm", "other"), content=b"{}", headers=SIGNED)
        assert other.status_code == 202
