"""`GET /api/openapi.json`: the whole public API as one document. No token is needed to read it."""

import asyncio
from typing import Any

from fastapi import APIRouter, FastAPI, Request

from fettle_console.console import TheConsole
from fettle_console.domain.openapi import merged
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.documented import REFUSED_BY_THE_FRONT, UNHEARD_BY_THE_FRONT

router = APIRouter(include_in_schema=False)

_INFO = {
    "title": "Fettle",
    "version": "1",
    "description": "Errors are problem details (RFC 9457) with a stable `code`. Lists page by `cursor` and `limit`. "
    "A write may carry `Idempotency-Key`. An org that the token does not belong to is 404.",
}


@router.get("/api/openapi.json")
async def openapi(request: Request, console: TheConsole) -> dict[str, Any]:
    """The console's own paths and those of the services, merged."""
    app: FastAPI = request.app
    parts = await asyncio.gather(*(console.documents.of(owner) for owner in Owner))
    documents = {"console": app.openapi(), **dict(zip(Owner, parts, strict=True))}
    return merged(_INFO, documents, REFUSED_BY_THE_FRONT, UNHEARD_BY_THE_FRONT)
