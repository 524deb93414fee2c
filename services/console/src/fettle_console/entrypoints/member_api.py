"""`/api/v1/orgs/{org}/members`: the people who sign in to the org, and with which role."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator

from fettle_chassis.answers import Answer
from fettle_chassis.http import IdempotencyKey, Problem, keepable
from fettle_chassis.tokens import Role
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_console.adapters.answers import Written
from fettle_console.adapters.audit import Heard
from fettle_console.adapters.members import LastAdmin
from fettle_console.console import Console, TheConsole
from fettle_console.domain.access import enter
from fettle_console.domain.audit import words_of_change
from fettle_console.domain.members import GivenBy, Member
from fettle_console.domain.people import known_as
from fettle_console.entrypoints.audited import heard
from fettle_console.entrypoints.guards import Holder, admitted
from fettle_console.entrypoints.writes import first_answer
from fettle_contracts.message import Message
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import Instant

router = APIRouter(prefix="/api/v1/orgs/{org}/members", tags=["members"])

PersonsRole = Literal[Role.VIEWER, Role.OPERATOR, Role.ADMIN]


class NewRole(Message):
    """A person's role in the org; null takes them out of it. `person` is what the provider knows them by, mostly their
    e-mail address."""

    person: Annotated[str, AfterValidator(known_as)]
    role: PersonsRole | None


class MemberView(Message):
    """A person in the org. `given_by`: whose word the role is; `role` is null of somebody who was just taken out."""

    person: str
    role: PersonsRole | None
    given_by: GivenBy
    name: str | None
    added_at: Instant
    added_by: str
    signed_in_at: Instant | None


class MemberPage(Message):
    """A page of members, by person."""

    items: tuple[MemberView, ...]
    next_cursor: str | None


@router.get("")
async def list_members(
    org: str,
    holder: Holder,
    console: TheConsole,
    cursor: Annotated[str, AfterValidator(keepable)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> MemberPage:
    """Who is in the org with which role: those who were given one, and those whom the provider let in."""
    admitted(enter(holder, org, Role.ADMIN))
    members = await console.members.page(org, cursor, limit + 1)
    page = [_shown(member, member.role) for member in members[:limit]]
    return MemberPage(items=tuple(page), next_cursor=page[-1].person if len(members) > limit else None)


@router.put("", response_model=MemberView)
async def put_member(
    org: str, new: NewRole, request: Request, holder: Holder, console: TheConsole, key: IdempotencyKey
) -> JSONResponse:
    """Give one person a role in the org, also before they have ever signed in, or take them out of it.

    It holds from the person's next request on, and stands against what the provider says. Who is taken out and is
    still let in by the provider's own claims comes back when they next sign in. An org that has an admin keeps one.
    """
    actor = admitted(enter(holder, org, Role.ADMIN))
    answer = await given(org, new, actor, console, key, heard(request))
    return JSONResponse(answer.body, answer.status)


async def given(org: str, new: NewRole, actor: str, console: Console, key: str | None, heard: Heard) -> Answer:
    """The member as they are then; the audit log hears what changed. Raises `Problem` 404 for somebody to be taken out
    who is not in, 409 for the last admin, 422 for a key that came with something else."""

    async def write(work: UnitOfWork) -> Written:
        try:
            before, now_is = await console.members.put(work, org, new.person, new.role, actor, console.now())
        except LastAdmin:
            message = f"{new.person} is the org's last admin among its members: make somebody else one first."
            raise Problem(409, ProblemCode.CONFLICT, message, field="role") from None
        shown = now_is or before
        if shown is None:
            raise Problem(404, ProblemCode.NOT_FOUND, "The org has no such member.", field="person")
        heard.about = words_of_change(before.role if before else None, new.role)
        answer = Answer(200, _shown(shown, new.role).to_dict())
        return Written(answer, again=answer)

    return await first_answer(console, org, key, f"member {actor} {new.model_dump_json()}", write)


def _shown(member: Member, role: Role | None) -> MemberView:
    return MemberView(
        person=member.person,
        role=role,
        given_by=member.given_by,
        name=member.name,
        added_at=member.added_at,
        added_by=member.added_by,
        signed_in_at=member.signed_in_at,
    )
