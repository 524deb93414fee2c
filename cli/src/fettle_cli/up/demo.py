"""The demo org: made once, with a token, a policy short enough to watch, and a workflow that comments on tickets."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from fettle_cli.failures import CliError
from fettle_cli.installation import DEMO_ORG, DEMO_TOKEN
from fettle_cli.up.secrets import keep
from fettle_client import AsyncFettle, FettleError, Refused
from fettle_client.shapes import health
from fettle_contracts.health_policy import HealthPolicy

FIRST_VERSION = 1
PATIENCE_S = 30.0
PAUSE_S = 0.2
TOKEN_LIFE_S = 365 * 86_400
ENDED, NOT_THERE, THERE_ALREADY = 401, 404, 409

T = TypeVar("T")

POLICY: health.HealthPolicy = {
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
        self._url, self._home, self._bootstrap = url, home, bootstrap_token

    async def set_up(self) -> None:
        """Raises CliError when the services do not take part within half a minute."""
        async with self._as(self._bootstrap) as installer:
            await _patiently("the console", lambda: installer.create_org(DEMO_ORG, name="Demo"))
            token = await self._token(installer)
        async with self._as(token) as admin:
            await self._policy(admin)
            await self._workflow(admin)

    async def _token(self, installer: AsyncFettle) -> str:
        """The kept admin token if it still works, else a new one, kept in its place."""
        path = self._home / DEMO_TOKEN
        if path.exists():
            kept = path.read_text().strip()
            async with self._as(kept) as admin:
                if await _patiently("the console", _but(ENDED, lambda: admin.list_orgs().page())):
                    return kept
        made = await _patiently(
            "the console", lambda: installer.create_token("admin", name="Demo admin", expires_in_s=TOKEN_LIFE_S)
        )
        keep(path, made["token"])
        return made["token"]

    async def _policy(self, admin: AsyncFettle) -> None:
        """Sets the short policy unless the org has decided something of its own."""
        shown = await _patiently("the health monitor", admin.get_health_policy)
        untouched = HealthPolicy.kept(shown) == HealthPolicy()
        if untouched and shown["version"] <= FIRST_VERSION:
            await _patiently("the health monitor", lambda: admin.put_health_policy(POLICY))

    async def _workflow(self, admin: AsyncFettle) -> None:
        """Applies the demo's workflow unless there is one of its name, whatever people made of it."""
        text = files("fettle_workflow_engine").joinpath("documents", "demo.yaml").read_text()
        name = next(line for line in text.splitlines() if line.startswith("workflow:")).partition(":")[2].strip()

        there = _but(NOT_THERE, lambda: admin.get_workflow(name))
        if not await _patiently("the workflow engine", there):
            await _patiently("the workflow engine", _but(THERE_ALREADY, lambda: admin.create_workflow(text)))

    def _as(self, token: str) -> AsyncFettle:
        return AsyncFettle(self._url, token, DEMO_ORG, patience_s=0)


async def _patiently(who: str, call: Callable[[], Awaitable[T]]) -> T:
    """Calls until it ends well: a service may not have heard of the org yet. Raises CliError when that takes long."""
    last = "no answer"
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await call()
                except FettleError as error:
                    last = str(error)
                await asyncio.sleep(PAUSE_S)
    except TimeoutError:
        raise CliError(f"the demo could not be set up: {who}: {last}") from None


def _but(status: int, call: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[bool]]:
    """Whether the call ends well; False for a refusal of this status, any other is raised."""

    async def ends_well() -> bool:
        try:
            await call()
        except Refused as refused:
            if refused.status != status:
                raise
            return False
        return True

    return ends_well
