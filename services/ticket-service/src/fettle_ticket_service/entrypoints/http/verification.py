"""Verifying timelines by HTTP."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from msgspec.structs import asdict
from pydantic import Field, StrictInt

from fettle_chassis.http import Viewer
from fettle_contracts.message import Message
from fettle_ticket_service.adapters.verifying import Progress, hold_against, verify
from fettle_ticket_service.domain.verifying import Finding, Verification, Wrong
from fettle_ticket_service.domain.witnesses import Witnessed
from fettle_ticket_service.entrypoints.http.desk import Desk, InOrg, TheDesk, Verifying
from fettle_ticket_service.entrypoints.http.streamed import Streamed

SHOWN_MAX = 1_000
"""How many findings an answer shows; all are counted."""
WITNESSED_MAX = 2_000

_TELLS_EVERY_S = 1.0

router = APIRouter(prefix="/api/v1/orgs/{org}/tickets", tags=["tickets"], dependencies=[InOrg])


class WitnessedEntry(Message):
    """An entry as it was seen: in an event (`entry` and `chain`), or as a ticket's latest in an export."""

    ticket: UUID
    version: int = Field(ge=1, lt=2**31, strict=True)
    hash: str
    number: StrictInt | None = None
    place: StrictInt | None = None
    head: str | None = None


class WitnessBody(Message):
    """Entries that were seen elsewhere, at most two thousand."""

    seen: Annotated[tuple[WitnessedEntry, ...], Field(max_length=WITNESSED_MAX)]


@router.get("/verify", response_class=Streamed, dependencies=[Verifying])
async def verify_tickets(caller: Viewer, desk: TheDesk) -> Streamed:
    """Checks all timelines and tickets of the org against their hashes. The answer is JSON Lines: `{"done": 0.4}` each
    second, `{"finding": {…}}` for the first thousand, and at the end `{"verified": {…}}` with all counts."""
    return Streamed(_lines(desk, caller.org), media_type="application/x-ndjson")


@router.post("/verify")
async def compare_with_seen(caller: Viewer, desk: TheDesk, body: WitnessBody) -> dict[str, Any]:
    """Holds entries that were seen elsewhere against those that stand: what is missing without retention having
    removed it, and what has another hash by now."""
    seen = [Witnessed(**dict(each)) for each in body.seen]
    async with desk.database.reading() as connection:
        findings = await hold_against(connection, caller.org, seen)
    return {"compared": len(seen), "findings": [_shown(finding) for finding in findings]}


async def _lines(desk: Desk, org: str) -> AsyncIterator[bytes]:
    found: Counter[Wrong] = Counter()
    told_at = time.monotonic()
    async with aclosing(verify(desk.database, org, desk.keys)) as told:
        async for each in told:
            match each:
                case Finding():
                    found[each.wrong] += 1
                    if found.total() <= SHOWN_MAX:
                        yield _line({"finding": _shown(each)})
                case Progress() if time.monotonic() - told_at >= _TELLS_EVERY_S:
                    told_at = time.monotonic()
                    yield _line({"done": round(each.done, 3)})
                case Verification():
                    yield _line({"verified": {"sound": not found, **_counts(each), "findings": found}})


def _counts(verification: Verification) -> dict[str, int]:
    names = ("entries", "entries_before_chains", "tickets", "removed_tickets")
    counts = (verification.entries, verification.older, verification.tickets, verification.removed)
    return dict(zip(names, counts, strict=True))


def _shown(finding: Finding) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in asdict(finding).items()}


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
