"""Signing in with an API token, or as the demo's admin; signing out."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Caller, Role
from fettle_console import metrics
from fettle_console.adapters.sessions import Came
from fettle_console.console import Console, TheConsole
from fettle_console.domain.origins import local_path
from fettle_console.domain.sign_ins import ENDED, KEPT_OUT, LET_IN, sign_in_of
from fettle_console.entrypoints.guards import address_of, check_guesses, count_arrival, count_guess
from fettle_console.entrypoints.pages.rendering import page
from fettle_console.entrypoints.pages.visits import MaybeSession
from fettle_contracts.problems import ProblemCode

router = APIRouter()

log = structlog.get_logger(__name__)


@router.get("/")
async def front_door(session: MaybeSession) -> Response:
    """To the person's tickets, or to the sign-in page."""
    return RedirectResponse(home(session.caller.org) if session else "/sign-in", 303)


@router.get("/sign-in")
async def sign_in_page(console: TheConsole, session: MaybeSession, next: str = "") -> Response:
    if session:
        return RedirectResponse(local_path(next) or home(session.caller.org), 303)
    return doors(console, next)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    console: TheConsole,
    _: MaybeSession,
    token: Annotated[str, Form(max_length=500)],
    next: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Trades a token for a session that ends with it at the latest."""
    now, address = console.now(), address_of(request)
    if not console.bearers.counted(token.strip(), now):
        check_guesses(address, console.sign_in_limit)
    found = await console.bearers.token(token.strip(), now)
    if found is None:
        count_guess(address, console.sign_in_limit)
        metrics.SIGN_INS.labels("refused").inc()
        log.warning("sign_in.token_unknown", address=address)
        if ended := console.bearers.ended(token.strip()):
            async with console.audit.recorded(sign_in_of(ended), now) as heard:
                heard.status = ENDED
        return doors(console, next, "This token is unknown, has ended, or was revoked.", 401, wrong_token=True)
    count_arrival(request, console)
    caller = found.caller()
    async with console.audit.recorded(sign_in_of(caller), now) as heard:
        if found.role is Role.INGEST:
            heard.status = KEPT_OUT
            metrics.SIGN_INS.labels("ingest").inc()
            message = "This token may send heartbeats only. Ask for one with the role viewer."
            return doors(console, next, message, 403, wrong_token=True)
        life = min(found.expires_at - now, timedelta(seconds=console.settings.session_s))
        answer = await signed_in(request, console, caller, Came(token=found.id), life, next)
        heard.status = LET_IN
    metrics.SIGN_INS.labels("token").inc()
    return answer


@router.post("/sign-in/demo")
async def continue_as_demo(
    request: Request, console: TheConsole, _: MaybeSession, next: Annotated[str, Form(max_length=2000)] = ""
) -> Response:
    """A session as an admin of the demo org, for whoever asks, where the installation has one."""
    org = console.settings.demo_org
    if org is None:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such page.")
    if await console.orgs.get(org) is None:
        return doors(console, next, "The demo org does not exist yet. Try again in a moment.", 503)
    count_arrival(request, console)
    caller = Caller(org=org, role=Role.ADMIN, actor_id="demo", actor_name="Demo admin")
    life = timedelta(seconds=console.settings.session_s)
    async with console.audit.recorded(sign_in_of(caller), console.now()) as heard:
        answer = await signed_in(request, console, caller, Came(), life, next)
        heard.status = LET_IN
    metrics.SIGN_INS.labels("demo").inc()
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, console: TheConsole, _: MaybeSession) -> Response:
    """Ends the session, and leads whom the provider let in to where they are signed out there too."""
    cookie = request.cookies.get(console.settings.cookie_name)
    came = await console.sessions.end(cookie) if cookie else None
    answer: Response = RedirectResponse("/sign-in", 303)
    if console.provider is not None and came is not None and came.account is not None:
        way_out = await console.provider.exit(came.id_token)
        if way_out is not None:
            answer = page("signed_out.html", {"way_out": way_out, "provider": console.provider.host})
    answer.delete_cookie(console.settings.cookie_name, secure=console.settings.secure, httponly=True, samesite="lax")
    return answer


def doors(
    console: Console, next: str, error: str | None = None, status: int = 200, *, wrong_token: bool = False
) -> HTMLResponse:
    """The sign-in page: every way in that this installation has, and why the last try failed."""
    ways = {"demo": console.settings.demo_org, "provider": console.provider.host if console.provider else None}
    said = {"next": local_path(next), "error": error, "wrong_token": wrong_token}
    return page("sign_in.html", {**said, **ways}, status)


async def signed_in(
    request: Request, console: Console, caller: Caller, came: Came, life: timedelta, next: str
) -> Response:
    """Begins a session, whatever cookie the browser came with, and leads on."""
    name, now = console.settings.cookie_name, console.now()
    cookie = await console.sessions.begin(caller, came, now, now + life, request.cookies.get(name))
    answer = RedirectResponse(local_path(next) or home(caller.org), 303)
    keep(answer, console, name, cookie, life)
    return answer


def keep(answer: Response, console: Console, name: str, value: str, life: timedelta) -> None:
    """Has the browser keep a cookie that no script reads and no other site's form or picture sends."""
    answer.set_cookie(
        name,
        value,
        max_age=int(life.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=console.settings.secure,
    )


def sign_in_path(wanted: str) -> str:
    """The sign-in page that leads on to `wanted`."""
    return "/sign-in?" + urlencode({"next": wanted})


def home(org: str) -> str:
    return f"/orgs/{org}/tickets"
