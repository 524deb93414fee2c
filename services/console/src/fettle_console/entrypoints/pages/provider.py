"""Signing in with the OpenID provider: out to it, and back with a code."""

import hmac
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from fettle_chassis.http import Problem
from fettle_console import metrics
from fettle_console.adapters.provider import CALLBACK, CodeRefused, NotSignedIn, Provider
from fettle_console.adapters.provider_documents import ProviderAway
from fettle_console.adapters.sessions import Came
from fettle_console.console import Console, TheConsole
from fettle_console.domain.flow import LASTS, Flow
from fettle_console.domain.members import Arrival, Member
from fettle_console.domain.origins import local_path
from fettle_console.domain.people import Person, Unusable, person_of
from fettle_console.domain.sign_ins import caller_of
from fettle_console.entrypoints.guards import address_of, check_guesses, count_arrival, count_guess
from fettle_console.entrypoints.pages.sign_in import doors, keep, signed_in
from fettle_contracts.problems import ProblemCode

router = APIRouter()

LONGEST = timedelta(hours=12)
"""How long a person stays signed in before the provider is asked again whether they still may."""

log = structlog.get_logger(__name__)


@router.get("/sign-in/provider")
async def go_out(console: TheConsole, next: str = "") -> Response:
    """To the provider. What comes back must fit what this browser keeps."""
    provider = _provider(console)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    flow = Flow(state, nonce, verifier, local_path(next), int(console.now().timestamp()))
    try:
        answer = RedirectResponse(await provider.entrance(flow), 303)
    except ProviderAway as away:
        return _away(console, provider, flow.next, away)
    keep(answer, console, _cookie(console), console.flows.sign(flow.text()), LASTS)
    return answer


@router.get(CALLBACK)
async def come_back(
    request: Request, console: TheConsole, state: str = "", code: str = "", error: str = "", iss: str | None = None
) -> Response:
    """A session for whom the provider says it is; anything that does not fit begins anew. Whoever makes up codes has to
    wait: the provider counts each against us."""
    provider, guessing = _provider(console), f"code/{address_of(request)}"
    check_guesses(guessing, console.sign_in_limit)
    kept = console.flows.text_of(request.cookies.get(_cookie(console), ""))
    flow = Flow.of(kept) if kept else None
    if flow is None or flow.has_ended(console.now()) or not hmac.compare_digest(flow.state.encode(), state.encode()):
        metrics.SIGN_INS.labels("not_begun_here").inc()
        return doors(console, "", "This sign-in was not begun here, or took too long. Begin again.", 400)
    count_arrival(request, console)
    try:
        answer = await _come_back(request, console, provider, flow, code, error, iss)
    except CodeRefused as refused:
        count_guess(guessing, console.sign_in_limit)
        answer = _unverified(console, provider, flow, str(refused))
    answer.delete_cookie(_cookie(console), secure=console.settings.secure, httponly=True, samesite="lax")
    return answer


async def _come_back(
    request: Request, console: Console, provider: Provider, flow: Flow, code: str, error: str, iss: str | None
) -> Response:
    if error or not code:
        metrics.SIGN_INS.labels("refused_there").inc()
        log.info("sign_in.refused_there", error=error[:100])
        return doors(console, flow.next, f"{provider.host} did not let you in.", 403)
    if iss not in (None, console.settings.oidc_issuer):  # RFC 9207
        return _unverified(console, provider, flow, "this answer is another provider's")
    try:
        claims, id_token = await provider.claims(flow, code)
    except CodeRefused:
        raise
    except NotSignedIn as refused:
        return _unverified(console, provider, flow, str(refused))
    except ProviderAway as away:
        return _away(console, provider, flow.next, away)
    person = person_of(claims, console.settings.claim_rules)
    if isinstance(person, Unusable):
        return _unverified(console, provider, flow, person.message)
    arrived = await console.members.arrive(person, provider.host, console.now())
    member = _goes_to(arrived, flow.next)
    if member is None:
        metrics.SIGN_INS.labels("no_member").inc()
        log.warning("sign_in.no_member", person=person.person, account=person.account, taken=arrived.taken)
        return doors(console, "", _in_no_org(person, arrived), 403)
    caller = caller_of(member, person)
    life = min(LONGEST, timedelta(seconds=console.settings.session_s))
    metrics.SIGN_INS.labels("provider").inc()
    return await signed_in(request, console, caller, Came(account=person.account, id_token=id_token), life, flow.next)


def _goes_to(arrived: Arrival, path: str) -> Member | None:
    """The membership of the org that the wanted page is of, else the first."""
    wanted = urlsplit(path).path.split("/")[2:3]
    fitting = [member for member in arrived.present if [member.org] == wanted]
    return next(iter([*fitting, *arrived.present]), None)


def _in_no_org(person: Person, arrived: Arrival) -> str:
    if arrived.taken:
        return f"Another account was {person.person} here before. An admin of your org lets you in by adding you anew."
    return f"You are {person.person}, and in no org here. An admin of your org adds you, or your provider does."


def _unverified(console: Console, provider: Provider, flow: Flow, why: str) -> Response:
    metrics.SIGN_INS.labels("unverified").inc()
    return doors(console, flow.next, f"{provider.host} did not convince us: {why}. Begin again.", 403)


def _away(console: Console, provider: Provider, next: str, away: ProviderAway) -> Response:
    metrics.SIGN_INS.labels("provider_away").inc()
    log.warning("sign_in.provider_away", provider=provider.host, error=str(away))
    return doors(console, next, f"{provider.host} does not answer as it should. Try again in a moment.", 503)


def _provider(console: Console) -> Provider:
    if console.provider is None:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such page.")
    return console.provider


def _cookie(console: Console) -> str:
    return f"{console.settings.cookie_name}_flow"
