"""The HTTP door as somebody calls it."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx2

from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.problems import PROBLEM_TYPE
from fettle_ticket_service.settings import TicketSettings

REPORT = {"title": "Lift 3 makes a noise", "subject": {"type": "other", "id": "lift-3", "name": "Lift 3"}}


class Api:
    """The API of `acme` as somebody calls it; by default an operator."""

    def __init__(self, client: httpx2.AsyncClient, settings: TicketSettings) -> None:
        self._client, self._settings = client, settings

    async def verified(self) -> list[dict[str, Any]]:
        """The lines of a verification."""
        answer = await self.call("GET", "/tickets/verify", role=Role.VIEWER)
        return [json.loads(line) for line in answer.text.splitlines()]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role = Role.OPERATOR,
        org: str = "acme",
        person: str = "ann@acme.test",
        name: str = "Ann",
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> httpx2.Response:
        caller = Caller(org, role, person, name)
        token = issue(self._settings.signing_keys, caller, datetime.now(UTC))
        return await self._client.request(
            method,
            f"/api/v1/orgs/acme{path}",
            content=None if body is None else json.dumps(body).encode(),
            params=query,
            headers={
                "authorization": f"Bearer {token}",
                **({} if body is None else {"content-type": "application/json"}),
                **(headers or {}),
            },
        )

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        return await self.call("POST", path, body, **more)

    async def put(self, path: str, body: Any, seen: str | None = None, **more: Any) -> httpx2.Response:
        return await self.call("PUT", path, body, headers={"if-match": seen} if seen else {}, **more)

    async def numbers(self, **query: Any) -> list[int]:
        """Over all pages, three tickets each."""
        found: list[int] = []
        while True:
            page = await self.get("/tickets", limit=3, **query)
            found += [item["number"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]


def refused(answer: httpx2.Response, status: int, code: str, field: str | None = None) -> Any:
    assert (answer.status_code, answer.json()["code"], answer.json().get("field")) == (status, code, field)
    assert answer.headers["content-type"] == PROBLEM_TYPE
    return answer.json()
