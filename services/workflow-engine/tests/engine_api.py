"""The engine's API, called as somebody of an org."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
from engine_world import World, world_of
from fastapi import FastAPI

from fettle_chassis.service import Service
from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.problems import PROBLEM_TYPE
from fettle_workflow_engine.app import build_api
from fettle_workflow_engine.entrypoints.http.desk import Desk

NOTE = """\
workflow: note
title: Note
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  noted: {after: [opened], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Seen.}}
"""


class Api:
    """The API as somebody of `acme` calls it; by default an admin."""

    def __init__(self, client: httpx2.AsyncClient, world: World, app: FastAPI) -> None:
        self._client = client
        self.world = world
        self.app = app

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role = Role.ADMIN,
        org: str = "acme",
        of: str | None = None,
        **headers: str,
    ) -> httpx2.Response:
        """Text and bytes are sent as a YAML document, everything else as JSON."""
        token = issue(self.world.settings.signing_keys, Caller(org, role, "ann@acme.test", "Ann"), datetime.now(UTC))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        is_document = body is None or isinstance(body, str | bytes)
        return await self._client.request(
            method,
            f"/api/v1/orgs/{of or org}{path}",
            content=body if is_document else json.dumps(body),
            headers={
                "authorization": f"Bearer {token}",
                "content-type": "application/yaml" if is_document else "application/json",
                **named,
            },
        )

    async def knock(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """One request without a token, of JSON; the path begins with the org. Text and bytes are sent as they are."""
        content = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        return await self._client.request(
            method, f"/api/v1/orgs{path}", content=content, headers={"content-type": "application/json", **headers}
        )

    async def get(self, path: str, **how: Any) -> Any:
        answer = await self.call("GET", path, **{"role": Role.VIEWER, **how})
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def api_of(environment: dict[str, str]) -> AsyncIterator[Api]:
    """An engine's API on a database of its own."""
    async with world_of(environment) as world, engine_api(world) as api:
        yield api


@asynccontextmanager
async def engine_api(world: World) -> AsyncIterator[Api]:
    desk = Desk(world.database, world.library, world.interventions, lambda: world.now, world.engine)
    app = build_api(Service("workflow-engine"), world.settings, desk)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://engine") as client:
        yield Api(client, world, app)


def refusal(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == PROBLEM_TYPE
    return body
