"""`GET /api/v1/orgs/{org}/audit`: who asked to change what, and what became of it. No operation changes it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from fettle_chassis.http import keepable
from fettle_chassis.tokens import Role
from fettle_console.console import TheConsole
from fettle_console.domain.audit import AuditOutcome, Door, Entry, Wanted, named
from fettle_console.entrypoints.guards import needs
from fettle_contracts.message import Message
from fettle_contracts.times import Instant

router = APIRouter(prefix="/api/v1/orgs/{org}/audit", tags=["audit"])

Text = Annotated[str | None, Query(max_length=1_000), AfterValidator(lambda text: text and keepable(text))]


class AuditActor(Message):
    """Who asked, as what; of a token who made it. The installation's own token has no name and no role in an org. A
    provider that gives or takes a role as somebody signs in is `sign-in`, under its own name."""

    id: str
    name: str | None
    role: Role | None
    made_by: str | None


class AuditEntry(Message):
    """One request to change something. `path` comes after the org (`/` is the org itself). `key` is its
    Idempotency-Key, under which it came `times`. `outcome` and `status` are those of its answer; what was done stays
    `done`, whatever a repeat is answered; `asked`: no answer was heard (of its service: 504). `about` is what is known
    beyond that: which token was made or revoked, a member's role `from` and `to`, the `action` on how many `tickets`
    of which `numbers`. With the method `*` it stands for `times` further refusals of one actor in one minute, which
    have no entry of their own."""

    id: str
    at: Instant
    actor: AuditActor
    door: Door
    method: str
    path: str
    key: str | None
    times: int
    outcome: AuditOutcome
    status: int | None
    about: dict[str, str]


class AuditPage(Message):
    """A page of the audit log, newest first."""

    items: tuple[AuditEntry, ...]
    next_cursor: str | None


@router.get("", dependencies=[needs(Role.ADMIN)])
async def list_audit(
    org: str,
    console: TheConsole,
    actor: Text = None,
    thing: Text = None,
    outcome: AuditOutcome | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> AuditPage:
    """Who asked to change what of the org, through the API or the pages, newest first: what was refused, too; and who
    signed in. Kept for 400 days. Reports of devices are no changes, nor is what only shows or tries."""
    wanted = Wanted(actor, thing and named(f"/{thing.strip('/')}"), outcome, since, until)
    entries = await console.audit.page(org, wanted, cursor, limit + 1)
    page = [_shown(entry) for entry in entries[:limit]]
    return AuditPage(items=tuple(page), next_cursor=page[-1].id if len(entries) > limit else None)


def _shown(entry: Entry) -> AuditEntry:
    asked, who = entry.asked, entry.asked.who
    return AuditEntry(
        id=str(entry.id),
        at=entry.at,
        actor=AuditActor(id=who.id, name=who.name, role=Role(who.role) if who.role else None, made_by=who.made_by),
        door=asked.door,
        method=asked.method,
        path=asked.path,
        key=asked.key,
        times=entry.times,
        outcome=entry.outcome,
        status=entry.status,
        about=dict(entry.about),
    )
