"""Who looks at a page: the session behind the cookie, in the org that the address names."""

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Annotated, Any

from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Role
from fettle_client import AsyncFettle
from fettle_client.shapes.tickets import TicketState
from fettle_console.adapters.audit import Heard
from fettle_console.adapters.org_client import org_client, unless_away
from fettle_console.adapters.sessions import Session
from fettle_console.console import Console, TheConsole
from fettle_console.domain.audit import Asked
from fettle_console.domain.origins import SAFE_METHODS
from fettle_console.domain.zones import zone_of
from fettle_console.entrypoints.guards import check_pace
from fettle_console.entrypoints.pages.rendering import page
from fettle_console.entrypoints.shield import check_origin
from fettle_contracts.problems import ProblemCode


class NotSignedIn(Exception):
    """The page needs somebody; `path` is where they wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class NotAllowed(Problem):
    """The person's role does not cover what they want; the services would say it too."""

    def __init__(self, visit: "Visit", needed: Role) -> None:
        super().__init__(403, ProblemCode.FORBIDDEN, f"This needs the role {needed.value}; ask an admin of your org.")
        self.visit = visit


async def _session(request: Request, console: TheConsole) -> Session | None:
    check_origin(request.headers, request.method, console.settings)
    session = await session_of(request, console)
    if session is not None:
        check_pace(f"session/{session.id}", console)
    return session


async def session_of(request: Request, console: Console) -> Session | None:
    """The session behind the request's cookie as it is now, in the path's org where its person is in that."""
    cookie = request.cookies.get(console.settings.cookie_name)
    org = request.path_params.get("org", "").replace("\x00", "")  # no database can be asked for that one
    return await console.sessions.get(cookie, console.now(), org or None)


_ONLY_ASKS = frozenset({"/preview", "/workflow-check"})
"""Where a form only asks what something would look like."""

_COMMAND_ID = re.compile(r"[!-~]{1,100}")


def command_of(text: str) -> str:
    """The text, if it can go on as an `Idempotency-Key`, as those that stand on our pages can. Raises `Problem` 400."""
    if _COMMAND_ID.fullmatch(text) is None:
        message = (
            "This form is not as our page has it, and was not carried out. Load the page again, and send it from there."
        )
        raise Problem(400, ProblemCode.MALFORMED, message, field="command_id")
    return text


async def _command_id(command_id: Annotated[str, Form()] = "") -> str:
    return command_of(command_id)


CommandId = Annotated[str, Depends(_command_id)]
"""Drawn with the page that a form stands on, so that a form sent twice is one command. 400 for what no page has."""


async def texts_of(request: Request) -> dict[str, str]:
    """What a form says, its files left out; of fields with one name the last."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


MaybeSession = Annotated[Session | None, Depends(_session)]
"""The session, if anybody is signed in; a write from a foreign page is refused here."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A person in their org. `client` asks the services in their name, `place` is where the org's events stood before
    anything was read for the page."""

    console: Console
    session: Session
    client: AsyncFettle
    place: str

    @property
    def org(self) -> str:
        return self.session.caller.org

    @property
    def zone(self) -> tzinfo:
        """The org's; UTC where it has none."""
        return zone_of(self.session.zone or "UTC") or UTC

    def may(self, role: Role) -> bool:
        return self.session.caller.role.covers(role)

    def recorded(self, method: str, path: str, key: str | None = None) -> AbstractAsyncContextManager[Heard]:
        """Around what the console itself changes for this person: puts it into the audit log."""
        asked = Asked.on_page(self.session.caller, method, path, key)
        return self.console.audit.recorded(asked, self.console.now())

    async def note_refused(self, request: Request, status: int = 403) -> None:
        """Puts a form that the person was not allowed to send into the audit log."""
        path = request.url.path.removeprefix(f"/orgs/{self.org}")
        if request.method in SAFE_METHODS or path in _ONLY_ASKS:
            return
        async with self.recorded(request.method, path) as heard:
            heard.status = status

    async def names(self, *ids: str) -> Mapping[str, str]:
        """Under which name each of them is shown."""
        return await self.console.names.of(self.org, ids)

    async def page(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A page inside the frame that all pages of an org have."""
        counts = await self.counts()
        live = self.console.live
        frame = {
            "org": self.org,
            "org_name": self.session.org_name,
            "zone": self.session.zone,
            "other_orgs": self.session.orgs,
            "person": self.session.caller,
            "may_work": self.may(Role.OPERATOR),
            "may_decide": self.may(Role.ADMIN),
            "counts": counts,
            "as_of": live.as_of,
            "is_live": live.live,
            "place": self.place,
            "late_since": None,
        }
        return page(template, {**frame, **context}, status)

    async def counts(self) -> dict[TicketState, int]:
        """Tickets by state. Empty when the ticket service does not say: a page without numbers beats no page."""
        return await unless_away(self.client.count_tickets()) or {}


async def _visit(org: str, request: Request, console: TheConsole, session: MaybeSession) -> Visit:
    if session is None:
        await _note_ended(org, request, console)
        query = f"?{request.url.query}" if request.url.query else ""
        raise NotSignedIn(request.url.path + query)
    if session.caller.org != org:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such page, or it is not yours.")
    return _visit_of(session, console)


async def _note_ended(org: str, request: Request, console: Console) -> None:
    """Puts a form into the audit log that somebody sends from a page whose session is over."""
    if request.method in SAFE_METHODS:
        return
    cookie = request.cookies.get(console.settings.cookie_name)
    ended = await console.sessions.ended(cookie, console.now(), org.replace("\x00", ""))
    if ended is None or ended.caller.org != org:
        return
    check_pace(f"session/{ended.id}", console)
    await _visit_of(ended, console).note_refused(request, 401)


def _visit_of(session: Session, console: Console) -> Visit:
    client = org_client(console.services, console.audit, session.caller)
    return Visit(console, session, client, console.live.place(session.caller.org))


TheVisit = Annotated[Visit, Depends(_visit)]
"""A signed-in person in the path's org; others are sent to the sign-in page, or see that there is nothing."""


def _of_role(role: Role) -> Any:
    """A dependency: the visit of somebody whose role covers `role`. Raises NotAllowed, before anything is said of what
    stands in the form."""

    async def check(visit: TheVisit) -> Visit:
        if not visit.may(role):
            raise NotAllowed(visit, role)
        return visit

    return Depends(check)


TheOperator = Annotated[Visit, _of_role(Role.OPERATOR)]
TheAdmin = Annotated[Visit, _of_role(Role.ADMIN)]
