"""Making a silence: of one subject or of all that a filter selects, after what it will cover has been shown."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from fettle_client.shapes.silences import Selected
from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.entrypoints.pages.visits import TheOperator, Visit, command_of, texts_of
from fettle_console.views.health_query import TYPES
from fettle_console.views.silence_form import RULES, UNITS, SilenceForm, Unclear
from fettle_console.views.silence_list import Cover
from fettle_console.views.silences import LENGTHS

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of asking what a form would cover; None and None when it does not say whom yet."""

    cover: Cover | None = None
    refused: str | None = None
    status: int = 200


@router.get("/orgs/{org}/new-silence")
async def new_silence(request: Request, visit: TheOperator) -> Response:
    """The form, filled in as the address says."""
    form = SilenceForm.read(request.query_params, visit.session.zone or "UTC")
    return await _page(visit, form, await _covered(visit, form))


@router.post("/orgs/{org}/new-silence")
async def make_silence(request: Request, visit: TheOperator) -> Response:
    """Makes what was shown before; what was typed since is shown first."""
    said = await texts_of(request)
    form = SilenceForm.read(said, visit.session.zone or "UTC")
    if said.get("shown") != form.digest or said.get("action") != "make":
        return await _page(visit, form, await _covered(visit, form))
    try:
        await _make(visit, form.body(), command_of(said.get("command_id", "")))
    except Unclear as unclear:
        return await _page(visit, form, Tried(refused=str(unclear), status=400))
    except ServiceRefused as refused:
        return await _page(visit, form, Tried(refused=refused.message, status=refused.status))
    coming = bool(form.start) and form.body().get("starts_at", "") > visit.console.now().isoformat()
    return RedirectResponse(f"/orgs/{visit.org}/health/silences{'?state=upcoming' if coming else ''}", 303)


async def _covered(visit: Visit, form: SilenceForm) -> Tried:
    if not form.says_whom:
        return Tried()
    try:
        selected = await _selected(visit, form.body())
    except Unclear as unclear:
        return Tried(refused=str(unclear), status=400)
    except ServiceRefused as refused:
        return Tried(refused=refused.message, status=refused.status)
    return Tried(cover=Cover.of(selected, visit.console.now()))


async def _make(visit: Visit, said: dict[str, Any], key: str) -> None:
    if "subject" in said:
        await visit.client.silence_subject(**said, key=key)
    else:
        await visit.client.silence_selection(**said.pop("filter"), **said, key=key)


async def _selected(visit: Visit, said: dict[str, Any]) -> Selected:
    if "subject" in said:
        return await visit.client.try_silence(**said)
    return await visit.client.silence_selection(**said.pop("filter"), **said, dry_run=True)


async def _page(visit: Visit, form: SilenceForm, tried: Tried) -> Response:
    return await visit.page(
        "new_silence.html",
        status=tried.status,
        form=form,
        tried=tried,
        lengths=LENGTHS,
        units=UNITS,
        rules=RULES,
        types=TYPES,
        command_id=str(uuid4()),
    )
