"""The audit log: who asked to change what, and what became of it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fettle_chassis.http import Problem
from fettle_console.console import Console
from fettle_console.domain.audit import AuditOutcome, Wanted, named
from fettle_console.domain.deeds import Deeds
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import TheAdmin
from fettle_console.views.audit import OUTCOMES, Line, makers_of

router = APIRouter()

_PAGE = 50
_SAID = ("actor", "thing", "outcome", "since", "until")
_DAY = timedelta(days=1)


@router.get("/orgs/{org}/audit")
async def audit_page(request: Request, visit: TheAdmin, cursor: UUID | None = None) -> Response:
    """One page of it, the newest first, narrowed as the address says. Days are those of the org's zone, or of UTC."""
    said = {name: request.query_params.get(name, "").strip().replace("\x00", "")[:1_000] for name in _SAID}
    since = _midnight(said["since"], timedelta(), visit.zone)
    until = _midnight(said["until"], _DAY, visit.zone)
    wanted = Wanted(
        actor=said["actor"] or None,
        thing=named(f"/{said['thing'].strip('/')}") if said["thing"].strip("/") else None,
        outcome=AuditOutcome(said["outcome"]) if said["outcome"] in set(AuditOutcome) else None,
        since=since,
        until=until,
    )
    entries, deeds = await asyncio.gather(
        visit.console.audit.page(visit.org, wanted, cursor, _PAGE + 1),
        _deeds(visit.console, request.app.state.api_document()),
    )
    names = await visit.names(*makers_of(entries))
    lines = [Line.of(entry, deeds, names) for entry in entries[:_PAGE]]
    kept = {name: value for name, value in said.items() if value}
    return await visit.page(
        "audit.html",
        lines=lines,
        outcomes=[(outcome.value, stand.word) for outcome, stand in OUTCOMES.items()],
        said=said,
        narrowed=bool(kept),
        actor_name=next((line.who for line in lines), said["actor"]) if said["actor"] else "",
        without_actor=urlencode({name: value for name, value in kept.items() if name != "actor"}),
        kept=kept,
        next_page=urlencode({**kept, "cursor": lines[-1].id}) if len(entries) > _PAGE else "",
        later=cursor is not None,
    )


async def _deeds(console: Console, own: Mapping[str, Any]) -> Deeds:
    """What operations are called; those of a service that was never heard have no names."""
    parts = await asyncio.gather(*(_document(console, owner) for owner in Owner))
    return Deeds([own, *parts])


async def _document(console: Console, owner: Owner) -> Mapping[str, Any]:
    try:
        return await console.documents.of(owner)
    except Problem:
        return {}


def _midnight(day: str, later: timedelta, zone: tzinfo) -> datetime | None:
    try:
        found = date.fromisoformat(day)
    except ValueError:
        return None
    possible = min(max(found, date.min + _DAY), date.max - 2 * _DAY)
    return datetime.combine(possible + later, time(), zone).astimezone(UTC)
