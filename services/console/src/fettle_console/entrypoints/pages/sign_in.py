"""Signing in with an API token, or as the demo's admin; signing out."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Caller, Role
from fettle_console import metrics
from fettle_console.console import Console, TheConsole
from fettle_console.domain.origins import local_path
from fettle_console.entrypoints.pages.rendering import page
from fettle_console.entrypoints.pages.visits import MaybeSession
from fettle_contracts.problems import ProblemCode

router = APIRouter()


@router.get("/")
async def front_door(session: MaybeSession) -> Response:
    """To the person's tickets, or to the sign-in page."""
    return RedirectResponse(_home(session.caller.org) if session else "/sign-in", 303)


@router.get("/sign-in")
async def sign_in_page(console: TheConsole, session: MaybeSession, next: str = "") -> Response:
    if session:
        return RedirectResponse(local_path(next) or _home(session.caller.org), 303)
    return await _page(console, next)


@router.post("/sign-in")
async def sign_in(
    console: TheConsole,
    _: MaybeSession,
    token: Annotated[str, Form(max_length=500)],
    next: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Trades a token for a session that ends with it at the latest."""
    now = console.now()
    found = await console.bearers.token(token.strip(), now)
    if found is None:
        metrics.SIGN_INS.labels("refused").inc()
        return await _page(console, next, "This token is unknown, has ended, or was revoked.", 401)
    if found.role is Role.INGEST:
        metrics.SIGN_INS.labels("ingest").inc()
        return await _page(console, next, "This token may send heartbeats only. Ask for one with the role viewer.", 403)
    ends = min(found.expires_at, now + timedelta(seconds=console.settings.session_s))
    secret = await console.sessions.begin(found.caller(), found.id, now, ends)
    metrics.SIGN_INS.labels("token").inc()
    return _signed_in(console, secret, local_path(next) or _home(found.org))


@router.post("/sign-in/demo")
async def continue_as_demo(
    console: TheConsole, _: MaybeSession, next: Annotated[str, Form(max_length=2000)] = ""
) -> Response:
    """A session as an admin of the demo org, for whoever asks, where the installation has one."""
    org = console.settings.demo_org
    if org is None:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such page.")
    if await console.orgs.get(org) is None:
        return await _page(console, next, "The demo org does not exist yet. Try again in a moment.", 503)
    now = console.now()
    caller = Caller(org=org, role=Role.ADMIN, actor_id="demo", actor_name="Demo admin")
    ends = now + timedelta(seconds=console.settings.session_s)
    secret = await console.sessions.begin(caller, None, now, ends)
    metrics.SIGN_INS.labels("demo").inc()
    return _signed_in(console, secret, local_path(next) or _home(org))


@router.post("/sign-out")
async def sign_out(request: Request, console: TheConsole, _: MaybeSession) -> Response:
    secret = request.cookies.get(console.settings.cookie_name)
    if secret:
        await console.sessions.end(secret)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(console.settings.cookie_name)
    return answer


async def _page(console: Console, next: str, error: str | None = None, status: int = 200) -> HTMLResponse:
    demo = console.settings.demo_org
    return page("sign_in.html", {"next": local_path(next), "error": error, "demo": demo}, status)


def _signed_in(console: Console, secret: str, path: str) -> Response:
    answer = RedirectResponse(path, 303)
    answer.set_cookie(
        console.settings.cookie_name,
        secret,
        max_age=console.settings.session_s,
        httponly=True,
        samesite="lax",
        secure=console.settings.secure,
    )
    return answer


def sign_in_path(wanted: str) -> str:
    """The sign-in page that leads on to `wanted`."""
    return "/sign-in?" + urlencode({"next": wanted})


def _home(org: str) -> str:
    return f"/orgs/{org}/tickets"
