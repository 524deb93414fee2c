"""What services say of themselves (OpenAPI, the schema of workflows), read over HTTP and remembered for a while."""

import asyncio
from typing import Any

from fettle_chassis.http import Problem
from fettle_console.adapters.services import Services
from fettle_console.domain.routing import Owner
from fettle_contracts.problems import ProblemCode

REMEMBERED_S = 60.0
OPENAPI = "/openapi.json"


class Documents:
    """Read again after a minute; the last good one stands while a service is away."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept: dict[tuple[Owner, str], tuple[float, dict[str, Any]]] = {}

    async def of(self, owner: Owner, path: str = OPENAPI) -> dict[str, Any]:
        """Raises `Problem` 503 when the service is away and was never heard: half a document would mislead."""
        kept, now = self._kept.get((owner, path)), asyncio.get_running_loop().time()
        if kept and now - kept[0] < REMEMBERED_S:
            return kept[1]
        try:
            document = await self._read(owner, path)
        except Problem:
            if kept is None:
                raise
            document = kept[1]
        self._kept[owner, path] = (now, document)
        return document

    async def _read(self, owner: Owner, path: str) -> dict[str, Any]:
        async with self._services.call(owner, None, "GET", path) as answer:
            if answer.status_code != 200:
                raise Problem(502, ProblemCode.UNAVAILABLE, f"The {owner.value} service has no document to show.")
            await answer.aread()
            document: dict[str, Any] = answer.json()
            return document
