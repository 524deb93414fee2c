"""What the pages ask of the services: the same HTTP API that everybody has, and into the same audit log."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Caller
from fettle_console.adapters.audit import Audit
from fettle_console.adapters.services import Services
from fettle_console.domain.audit import Asked, Door, Who, is_change, kept_key, named
from fettle_console.domain.routing import Owner


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer. `body` is an object, also for an error: its problem details."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def refusal(self) -> str:
        """Why it was refused, as the service put it."""
        return str(self.body.get("detail") or "It was refused without a reason.")

    def accepted(self) -> Mapping[str, Any]:
        """The body. Raises `Problem` for an error, as the service put it."""
        if not self.ok:
            raise Problem(self.status, str(self.body.get("code", "unexpected")), self.refusal)
        return self.body


class OrgClient:
    """One person's view of one org's services."""

    def __init__(self, services: Services, audit: Audit, caller: Caller) -> None:
        self._services, self._audit, self._caller = services, audit, caller

    @staticmethod
    def query(**said: str) -> str:
        """A query string, with its `?`, of what is said; nothing when that is nothing."""
        given = {name: value for name, value in said.items() if value}
        return f"?{urlencode(given)}" if given else ""

    async def get(self, owner: Owner, path: str) -> Mapping[str, Any]:
        """The answer's body. Raises `Problem` for an error, as the service put it."""
        return (await self.send(owner, "GET", path)).accepted()

    async def send(
        self,
        owner: Owner,
        method: str,
        path: str,
        body: Mapping[str, Any] | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`path` begins after the org and is encoded already; a text is a document in YAML. Raises `Problem` when the
        service is away. What would change something is in the audit log before it is sent."""
        sent, types = _encoded(body)
        said = dict(headers or {})
        sending = partial(self._send, owner, method, path, sent, [*types, *said.items()])
        place, _, query = path.partition("?")
        if not is_change(method, place, query):
            return await sending()
        asked = self.asked(method, place, said.get("idempotency-key"))
        async with self._audit.recorded(asked, datetime.now(UTC), query, sent or b"") as heard:
            answer = await sending()
            heard.status = answer.status
        return answer

    def asked(self, method: str, path: str, key: str | None = None) -> Asked:
        """What this person asks, for the audit log."""
        return Asked(self._caller.org, Who.of(self._caller), Door.PAGE, method, named(path), kept_key(key))

    async def _send(
        self, owner: Owner, method: str, path: str, sent: bytes | None, headers: Sequence[tuple[str, str]]
    ) -> Answer:
        async with self._services.call(
            owner,
            self._caller,
            method,
            f"/api/v1/orgs/{quote(self._caller.org)}{path}",
            headers=headers,
            body=sent,
        ) as answer:
            content = await answer.aread()
        found = json.loads(content) if content else {}
        return Answer(answer.status_code, found if isinstance(found, dict) else {})


def _encoded(body: Mapping[str, Any] | str | None) -> tuple[bytes | None, list[tuple[str, str]]]:
    if body is None:
        return None, []
    if isinstance(body, str):
        return body.encode(), [("content-type", "application/yaml")]
    return json.dumps(body).encode(), [("content-type", "application/json")]
