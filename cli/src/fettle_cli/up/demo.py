"""The demo org: made once, with a token, a policy short enough to watch, and a workflow that comments on tickets."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx2

from fettle_cli.failures import CliError
from fettle_cli.installation import DEMO_ORG, DEMO_TOKEN
from fettle_cli.up.secrets import keep
from fettle_contracts.health_policy import HealthPolicy

FIRST_VERSION = 1
PATIENCE_S = 30.0
PAUSE_S = 0.2
TOKEN_LIFE_S = 365 * 86_400

POLICY: dict[str, Any] = {
    "enabled": True,
    "publish_tickets": True,
    "timeout_s": 8,
    "open_debounce_s": 4,
    "resolve_debounce_s": 4,
}
"""Silence becomes a ticket after 12 s, so that somebody who has just opened the page sees one come."""


class Demo:
    """Sets the demo up through the API, as anybody could. Everything in it may be repeated."""

    def __init__(self, url: str, home: Path, bootstrap_token: str) -> None:
        self._home = home
        self._bootstrap = bootstrap_token
        self._http = httpx2.AsyncClient(base_url=f"{url}/api/v1/", timeout=10.0)

    async def set_up(self) -> None:
        """Raises CliError when the services do not take part within half a minute."""
        async with self._http:
            await self._expect("POST", "orgs", self._bootstrap, {"org": DEMO_ORG, "name": "Demo"})
            token = await self._token()
            await self._policy(token)
            await self._workflow(token)

    async def _token(self) -> str:
        """The kept admin token if it still works, else a new one, kept in its place."""
        path = self._home / DEMO_TOKEN
        if path.exists():
            kept = path.read_text().strip()
            if (await self._call("GET", "orgs", kept)).status_code == 200:
                return kept
        body = {"role": "admin", "name": "Demo admin", "expires_in_s": TOKEN_LIFE_S}
        made = await self._expect("POST", f"orgs/{DEMO_ORG}/tokens", self._bootstrap, body)
        token = str(made["token"])
        keep(path, token)
        return token

    async def _policy(self, token: str) -> None:
        """Sets the short policy unless the org has decided something of its own."""
        path = f"orgs/{DEMO_ORG}/health-policy"
        shown = await self._expect("GET", path, token)
        untouched = HealthPolicy.kept(shown) == HealthPolicy()
        if untouched and int(shown.get("version") or 0) <= FIRST_VERSION:
            await self._expect("PUT", path, token, POLICY)

    async def _workflow(self, token: str) -> None:
        """Applies the demo's workflow unless there is one of its name, whatever people made of it."""
        text = files("fettle_workflow_engine").joinpath("documents", "demo.yaml").read_text()
        name = next(line for line in text.splitlines() if line.startswith("workflow:")).partition(":")[2].strip()

        async def there() -> httpx2.Response:
            return await self._call("GET", f"orgs/{DEMO_ORG}/workflows/{name}", token)

        if (await self._patiently(there, accepted=(200, 404), what="the workflow engine")).status_code == 200:
            return

        async def applied() -> httpx2.Response:
            return await self._call("POST", f"orgs/{DEMO_ORG}/workflows", token, text=text)

        await self._patiently(applied, accepted=(200, 201, 409), what="the workflow engine")

    async def _expect(self, method: str, path: str, token: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        async def call() -> httpx2.Response:
            return await self._call(method, path, token, body)

        answer = await self._patiently(call, accepted=(200, 201, 202), what=f"{method} {path}")
        found: dict[str, Any] = answer.json()
        return found

    async def _patiently(
        self, call: Callable[[], Awaitable[httpx2.Response]], *, accepted: tuple[int, ...], what: str
    ) -> httpx2.Response:
        """Calls until the answer is an accepted one: a service may not have heard of the org yet."""
        last = "no answer"
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        answer = await call()
                    except httpx2.HTTPError as error:
                        last = type(error).__name__
                    else:
                        if answer.status_code in accepted:
                            return answer
                        last = f"{answer.status_code} {answer.text[:200]}"
                    await asyncio.sleep(PAUSE_S)
        except TimeoutError:
            raise CliError(f"the demo could not be set up: {what}: {last}") from None

    async def _call(
        self, method: str, path: str, token: str, body: dict[str, Any] | None = None, text: str | None = None
    ) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}"}
        if text is not None:
            headers["content-type"] = "application/yaml"
            return await self._http.request(method, path, content=text.encode(), headers=headers)
        return await self._http.request(method, path, json=body, headers=headers)
