"""The engine as it runs, several at once and killed at any moment: what reaches the outside, and what was held back."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from channel_world import KEY, ChannelWorld
from engine_outside import Outside, engine_process, outside_of
from engine_world import World, world_of
from sqlalchemy import text
from web_server import Asked, WebServer, answer, web_server

from fettle_chassis.unit_of_work import unit_of_work
from fettle_devstack.ports import free_port
from fettle_workflow_engine.domain.channels import Kind

TICKETS, CAP = 24, 8
chance = random.Random()
FLOW = """
workflow: tell
enabled: true
nodes:
  opened: {{trigger: ticket.opened}}
  asked: {{after: [opened], action: http.request,
          with: {{url: "http://127.0.0.1:{port}/ask", headers: {{authorization: {{template: "Bearer {{{{ secrets.token }}}}"}}}},
                 method: POST, body: {{number: {{ref: event.ticket.number}}}}}}}}
  told: {{after: [asked], action: notify, with: {{channel: ops, text: {{template: "Ticket {{{{ asked.body.number }}}}"}}}}}}
  noted: {{after: [told], action: ticket.comment, with: {{ticket: 1, text: {{template: "{{{{ told.outcome }}}}"}}}}}}
"""  # noqa: E501


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@pytest.fixture
async def outside(world: World) -> AsyncIterator[Outside]:
    async with outside_of(world.settings) as found:
        yield found


def said(asked: Asked) -> bytes:
    """`/ask` repeats the number; one of ten answers is that it is busy."""
    if asked.target == "/ask":
        return answer(200, json.loads(asked.body)) if chance.random() > 0.1 else answer(503, retry_after="0")
    return answer(200, b"ok")


@pytest.mark.rule("WF-90", "WF-103", "WF-104")
@pytest.mark.slow
async def test_every_ticket_is_told_of_whatever_is_killed_when(
    environment: dict[str, str], world: World, outside: Outside
) -> None:
    settings = {**environment, "FETTLE_WORKFLOW_ALLOW_HOSTS": "127.0.0.1"}
    other = {**settings, "FETTLE_WORKFLOWS_PORT": str(free_port())}
    seed = random.randrange(1_000_000)
    print("seed", seed)
    chance.seed(seed)
    sending = ChannelWorld(world)
    async with web_server(said) as server:
        await sending.secret("token", "s3cret-s3cret")
        await sending.secret("key", KEY)
        await sending.channel(Kind.WEBHOOK, cap=CAP, url=server.url("/in", "127.0.0.1"), key={"secret": "key"})
        await world.save(FLOW.format(port=server.port))
        async with engine_process(settings) as first, engine_process(other) as second:
            await outside.publish(range(1, TICKETS + 1))
            for engine in (first, second, first):
                await asyncio.sleep(chance.uniform(0.2, 1.5))
                await engine.kill()
                await engine.start()
            runs = await ended(world)
            assert [run["state"] for run in runs] == ["done"] * TICKETS
            check_calls(server, runs)
            async with unit_of_work(world.database) as work:
                await work.connection.execute(text("UPDATE channel_sent SET at = at - interval '2 hours'"))
            digest = await digest_of(server)
            await first.kill()
    held = {node["command_id"]: run for run in runs for node in run["nodes"] if outcome(node) == "held_back"}
    assert {one["id"] for one in digest["held"]} == held.keys()
    assert {one["run"] for one in digest["held"]} == {run["id"] for run in held.values()}
    assert len({one.headers["webhook-id"] for one in digests(server)}) == 1


def check_calls(server: WebServer, runs: list[dict[str, Any]]) -> None:
    asks = [asked for asked in server.asked if asked.target == "/ask"]
    numbers = {(asked.headers["idempotency-key"], json.loads(asked.body)["number"]) for asked in asks}
    assert sorted(number for _, number in numbers) == list(range(1, TICKETS + 1)), "one id for each ticket's request"
    assert {asked.headers["authorization"] for asked in asks} == {"Bearer s3cret-s3cret"}
    told = Counter(outcome(node) for run in runs for node in run["nodes"] if node["node"] == "told")
    assert told == {"sent": CAP, "held_back": TICKETS - CAP}
    sent = {node["command_id"] for run in runs for node in run["nodes"] if outcome(node) == "sent"}
    assert {asked.headers["webhook-id"] for asked in server.asked if asked.target == "/in"} == sent


def outcome(node: Mapping[str, Any]) -> str | None:
    found: str | None = (node["output"] or {}).get("outcome")
    return found if node["node"] == "told" else None


def digests(server: WebServer) -> list[Asked]:
    return [one for one in server.asked if one.target == "/in" and json.loads(one.body)["type"] == "fettle.digest"]


async def ended(world: World) -> list[dict[str, Any]]:
    async with asyncio.timeout(120):
        while True:
            runs = await world.runs()
            if len(runs) == TICKETS and all(run["ended_at"] for run in runs):
                return runs
            await asyncio.sleep(0.2)


async def digest_of(server: WebServer) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            if found := digests(server):
                data: dict[str, Any] = json.loads(found[0].body)["data"]
                return data
            await asyncio.sleep(0.1)
