"""A workflow that calls its own hook: no search at save sees it, and the chain ends all the same."""

import asyncio
from collections.abc import AsyncIterator

import httpcore2
import pytest
from channel_world import ChannelWorld
from engine_api import Api, api_of
from made_calls import calling
from web_server import Asked, WebServer, answer, here, web_server

from fettle_workflow_engine.adapters.callers import Callers
from fettle_workflow_engine.adapters.http_calls import HttpCalls
from fettle_workflow_engine.domain.channels import Kind

LOOP = """\
workflow: loop
enabled: true
nodes:
  called: {{trigger: signal, type: hook}}
  again: {{after: [called], action: {action}}}
"""
REQUEST = (
    'http.request, with: {{url: "{url}", method: POST, headers: {{fettle-hook-secret: "{secret}"}}, body: {{a: 1}}}}'
)
NOTIFY = "notify, with: {{channel: ops, text: Again}}"
PATH = "/acme/workflows/loop/hook"


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with api_of(environment) as found:
        yield found


@pytest.mark.rule("WF-14", "WF-147")
@pytest.mark.parametrize("action", [REQUEST, NOTIFY])
async def test_a_chain_by_way_of_a_hook_ends(api: Api, action: str) -> None:
    """By a request, and by a message of a webhook's channel: as the call leaves, so it comes in at the hook."""
    sending = ChannelWorld(api.world)
    tls = httpcore2.default_ssl_context()
    async with web_server(lambda _: answer(202, b"{}")) as server:
        await api.world.save(LOOP.format(action="fail, with: {message: none}"))
        secret = (await api.call("POST", "/workflows/loop/hook/secrets", {})).json()["secret"]
        await sending.secret("key", secret)
        await sending.channel(Kind.WEBHOOK, url=server.url("/in"), key={"secret": "key"})
        await api.world.save(LOOP.format(action=action.format(url=server.url("/in"), secret=secret)))
        http = HttpCalls(here(), lambda: api.world.now, tls)
        async with calling(api.world, Callers({"http.request": http, "notify": sending.notify})):
            await api.knock("POST", PATH, "{}", **{"fettle-hook-secret": secret})
            for place in range(8):
                await knock_as_called(api, await asked_at(server, place))
            runs = await api.world.runs()
        assert len(server.asked) == 8
    assert sorted(run["depth"] for run in runs) == [*range(1, 10)]
    assert [run["error"]["code"] for run in runs if run["state"] == "refused"] == ["too_deep"]


async def asked_at(server: WebServer, place: int) -> Asked:
    async with asyncio.timeout(60):
        while len(server.asked) <= place:  # noqa: ASYNC110 - another task's
            await asyncio.sleep(0.01)
    return server.asked[place]


async def knock_as_called(api: Api, asked: Asked) -> None:
    hop = {"host", "content-length", "accept-encoding"}
    headers = {name: value for name, value in asked.headers.items() if name not in hop}
    said = await api.knock("POST", PATH, asked.body, **headers)
    assert said.status_code == 202, said.text
    assert said.json()["run"] is not None, said.text
