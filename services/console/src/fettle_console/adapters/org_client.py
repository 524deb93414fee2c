"""What the pages ask of the services: by the same client that everybody has, and into the same audit log."""

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

import httpx2

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Caller
from fettle_client import AsyncFettle
from fettle_client.errors import refusal
from fettle_console.adapters.audit import Audit
from fettle_console.adapters.services import Services
from fettle_console.domain.audit import Asked, is_change
from fettle_console.domain.routing import REQUEST_HEADERS, owner_of, passing
from fettle_contracts.problems import ProblemCode

Found = TypeVar("Found")


class ServiceRefused(Problem):
    """A service said no, as it put it; `body` is all that it said."""

    def __init__(self, answer: httpx2.Response) -> None:
        refused = refusal(answer.status_code, answer.reason_phrase, str(answer.url), answer.headers, answer.content)
        self.body = refused.problem
        message = str(self.body.get("detail") or "It was refused without a reason.")
        super().__init__(refused.status, refused.code or "unexpected", message)


def org_client(services: Services, audit: Audit, caller: Caller) -> AsyncFettle:
    """One person's view of one org's services. What does not end well is a `Problem`: ServiceRefused when a service
    said no, any other when it is away. Nothing is tried again, as only the person knows whether that is right, and
    nothing has to be closed: the connections are the console's."""
    return AsyncFettle("http://fettle", "", caller.org, patience_s=0, transport=_ByServices(services, audit, caller))


async def unless_refused(asked: Awaitable[Found]) -> Found | None:
    """What is answered; None when the service says no, and then only."""
    try:
        return await asked
    except ServiceRefused:
        return None


async def unless_away(asked: Awaitable[Found]) -> Found | None:
    """What is answered; None when the service says no or is away: a page without that beats no page."""
    try:
        return await asked
    except Problem:
        return None


class _ByServices(httpx2.AsyncBaseTransport):
    """Carries requests to who owns their paths, each under a token of its own for the person. What would change
    something is in the audit log before it is sent."""

    def __init__(self, services: Services, audit: Audit, caller: Caller) -> None:
        self._services, self._audit, self._caller = services, audit, caller
        self._org = f"/api/v1/orgs/{quote(caller.org, safe='')}"

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        place, body = path.removeprefix(self._org), await request.aread()
        if not is_change(request.method, place, query):
            return await self._sent(request, place)
        asked = Asked.on_page(self._caller, request.method, place, request.headers.get("idempotency-key"))
        async with self._audit.recorded(asked, datetime.now(UTC), query, body) as heard:
            answer = await self._sent(request, place)
            heard.status = answer.status_code
        return answer

    async def _sent(self, request: httpx2.Request, place: str) -> httpx2.Response:
        owner = owner_of(place.removeprefix("/"))
        if owner is None:
            raise Problem(404, ProblemCode.NOT_FOUND, "There is no such page.")
        async with self._services.call(
            owner,
            self._caller,
            request.method,
            request.url.raw_path.decode("ascii"),
            headers=passing(request.headers.items(), REQUEST_HEADERS),
            body=request.content or None,
        ) as answer:
            content = await answer.aread()
        if answer.is_error:
            raise ServiceRefused(answer)
        if not answer.is_success or (content and "json" not in answer.headers.get("content-type", "")):
            message = f"What answers as the {owner.value} service is something else: look at its address."
            raise Problem(502, ProblemCode.UNAVAILABLE, message)
        return httpx2.Response(answer.status_code, content=content)
