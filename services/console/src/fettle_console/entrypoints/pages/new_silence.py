"""Making a silence: of one subject or of all that a filter selects, after what it will cover has been shown."""

from dataclasses import dataclass
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from fettle_console.domain.routing import Owner
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
        body = form.body()
    except Unclear as unclear:
        return await _page(visit, form, Tried(refused=str(unclear), status=400))
    key = {"idempotency-key": command_of(said.get("command_id", ""))}
    answer = await visit.client.send(Owner.HEALTH, "POST", "/silences", body, key)
    if not answer.ok:
        return await _page(visit, form, Tried(refused=answer.refusal, status=answer.status))
    coming = bool(form.start) and form.body().get("starts_at", "") > visit.console.now().isoformat()
    return RedirectResponse(f"/orgs/{visit.org}/health/silences{'?state=upcoming' if coming else ''}", 303)


async def _covered(visit: Visit, form: SilenceForm) -> Tried:
    if not form.says_whom:
        return Tried()
    try:
        answer = await visit.client.send(Owner.HEALTH, "POST", "/silences?dry_run=true", form.body())
    except Unclear as unclear:
        return Tried(refused=str(unclear), status=400)
    if not answer.ok:
        return Tried(refused=answer.refusal, status=answer.status)
    return Tried(cover=Cover.of(answer.body, visit.console.now()))


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
