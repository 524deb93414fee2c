"""Who calls the API: `Authorization: Bearer <token>` and nothing else; cookies do not count here."""

import math
import time
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Caller, Role
from fettle_console import metrics
from fettle_console.console import Console, TheConsole
from fettle_console.domain.access import Admitted, Answer, Forbidden, administer, enter
from fettle_console.domain.addresses import holder_of
from fettle_console.domain.credentials import Bearer
from fettle_console.domain.request_limit import RequestLimit
from fettle_console.entrypoints import audited
from fettle_contracts.problems import ProblemCode

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_SCHEME = HTTPBearer(auto_error=False, scheme_name="token", description="An API token of the org.")


async def _holder(request: Request, console: TheConsole, _: Annotated[Any, Depends(_SCHEME)]) -> Bearer:
    text = _token_of(request)
    if text is None:
        metrics.REFUSED_BEARERS.labels("missing").inc()
        raise Problem(
            401, ProblemCode.TOKEN_MISSING, "Send an API token: Authorization: Bearer <token>.", headers=_CHALLENGE
        )
    if not console.bearers.counted(text, console.now()):
        check_guesses(address_of(request), console.guess_limit)
    found = await console.bearers.holder(text, console.now())
    if found is None:
        count_guess(address_of(request), console.guess_limit)
        metrics.REFUSED_BEARERS.labels("invalid").inc()
        if ended := console.bearers.ended(text):
            await audited.enter(request, console, ended)
        raise Problem(
            401, ProblemCode.TOKEN_INVALID, "The token is unknown, has ended, or was revoked.", headers=_CHALLENGE
        )
    check_pace(found.actor_id, console)
    await audited.enter(request, console, found)
    return found


def _token_of(request: Request) -> str | None:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() or None if scheme.lower() == "bearer" else None


async def still_admitted(request: Request, console: Console, org: str, role: Role) -> bool:
    """Whether a request that was let in would be so now; it counts as no other request."""
    text = _token_of(request)
    holder = None if text is None else await console.bearers.holder(text, console.now())
    return holder is not None and isinstance(enter(holder, org, role), Admitted)


def address_of(request: Request) -> str:
    """Whom limits of addresses count a request against."""
    return holder_of(request.client.host if request.client else None)


def check_guesses(address: str, limit: RequestLimit) -> None:
    """Counts nothing. Raises `Problem` 429 when too many credentials from the address did not count."""
    wait_s = limit.closed_s(address, time.monotonic())
    if wait_s:
        raise _too_many("Too many credentials from this address did not count.", wait_s)


def count_guess(address: str, limit: RequestLimit) -> None:
    """Counts credentials that do not count against their address."""
    limit.wait_s(address, time.monotonic())


def count_arrival(request: Request, console: Console) -> None:
    """Counts a sign-in against its address. Raises `Problem` 429 when too many come from there."""
    wait_s = console.arrival_limit.wait_s(address_of(request), time.monotonic())
    if wait_s:
        metrics.SIGN_INS.labels("limited").inc()
        raise _too_many("Very many people have signed in from your address within a short time.", wait_s)


def check_pace(who: str, console: Console) -> None:
    """Counts a request of `who`. Raises `Problem` 429 when they come too fast."""
    wait_s = console.request_limit.wait_s(who, time.monotonic())
    if wait_s:
        raise _too_many("The requests come too fast; each token, session or hook is limited on its own.", wait_s)


def _too_many(why: str, wait_s: float) -> Problem:
    metrics.LIMITED.inc()
    seconds = math.ceil(wait_s)
    headers = {"Retry-After": str(seconds)}
    return Problem(429, ProblemCode.TOO_MANY, f"{why} Try again in {seconds} s.", headers=headers)


Holder = Annotated[Bearer, Depends(_holder)]
"""Whoever holds the request's token. 401 without one that counts, 429 when its requests come too fast. What it asks to
change is in the audit log from here on, also what a token asks that has ended."""


def admitted(answer: Answer) -> str:
    """Who acts. Raises `Problem`: 404 for what must look like nothing, 403 for what is not theirs to do."""
    match answer:
        case Admitted(actor_id):
            return actor_id
        case Forbidden(message):
            raise Problem(403, ProblemCode.FORBIDDEN, message)
    raise no_such_org()


def no_such_org() -> Problem:
    """The one answer for an org that does not exist and for one that is not the caller's."""
    return Problem(404, ProblemCode.NOT_FOUND, "There is no such org, or it is not yours.")


def needs(role: Role) -> Any:
    """A dependency: 404 unless the token is of the path's org, 403 unless its role covers `role`."""

    async def check(org: str, holder: Holder) -> None:
        admitted(enter(holder, org, role))

    return Depends(check)


async def administrator(org: str, holder: Bearer, console: Console) -> str:
    """Who acts. Raises `Problem` 404 for an org that does not exist, to the installation's own token too."""
    actor = admitted(administer(holder, org))
    if await console.orgs.get(org) is None:
        raise no_such_org()
    return actor


async def _member(org: str, holder: Holder) -> Caller:
    if isinstance(holder, Caller) and holder.org == org:
        return holder
    admitted(enter(holder, org, Role.VIEWER))
    raise no_such_org()


Member = Annotated[Caller, Depends(_member)]
"""A holder of any token of the path's org; what its role allows is for the owning service to check."""
