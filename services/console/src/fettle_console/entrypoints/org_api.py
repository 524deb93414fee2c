"""`/api/v1/orgs`: the installation's orgs."""

from typing import Annotated, Self

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field, model_validator

from fettle_chassis.answers import Answer
from fettle_chassis.http import IdempotencyKey, Problem
from fettle_chassis.tokens import Caller, Role
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_console.adapters.answers import Written
from fettle_console.adapters.orgs import NameTaken, PresentOrg
from fettle_console.console import Console, TheConsole
from fettle_console.domain.access import enter, found
from fettle_console.domain.zones import known_zone
from fettle_console.entrypoints.audited import enter_for, heard
from fettle_console.entrypoints.guards import Holder, administrator, admitted, no_such_org
from fettle_console.entrypoints.writes import LineOfText, once
from fettle_contracts.identity import OrgName, check_org
from fettle_contracts.message import Message
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import Instant

router = APIRouter(prefix="/api/v1/orgs", tags=["orgs"])


def _visible(name: str) -> str:
    if not name.strip():
        raise ValueError("must have a character that can be seen")
    return name


class NewOrg(Message):
    """An org to be. Without a name it goes by its id."""

    org: OrgName
    name: LineOfText = Field(default="", max_length=200)


class OrgChange(Message):
    """What changes of an org; what is left out stays as it is. `zone` is an IANA name such as `Europe/Oslo`, by whose
    clock its pages go; null: by that of each reader."""

    name: Annotated[LineOfText, Field(max_length=200), AfterValidator(_visible)] | None = None
    zone: Annotated[LineOfText, Field(max_length=64), AfterValidator(known_zone)] | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names neither name nor zone: nothing would change")
        if self.name is None and "name" in self.model_fields_set:
            raise ValueError("name cannot be null: an org has one")
        return self

    def words(self) -> dict[str, str]:
        """What the audit log says of it."""
        named = {"name": self.name.strip()} if self.name is not None else {}
        return {**named, **({"zone": self.zone or "each reader's own"} if "zone" in self.model_fields_set else {})}


class OrgView(Message):
    """An org of this installation."""

    org: OrgName
    name: str
    created_at: Instant
    zone: str | None

    @classmethod
    def of(cls, org: PresentOrg) -> "OrgView":
        return cls(org=org.org, name=org.name, created_at=org.created_at, zone=org.zone)


class OrgPage(Message):
    """A page of orgs, by name."""

    items: tuple[OrgView, ...]
    next_cursor: str | None


def _cursor(text: str) -> str:
    return check_org(text) if text else text


@router.post(
    "",
    status_code=201,
    response_model=OrgView,
    responses={200: {"model": OrgView}},
)
async def create_org(
    new: NewOrg, request: Request, holder: Holder, console: TheConsole, key: IdempotencyKey
) -> JSONResponse:
    """Create an org. Needs the installation's own token. Repeating it changes nothing."""
    actor = admitted(found(holder))
    await enter_for(new.org, request, console, holder)

    async def write(work: UnitOfWork) -> Written:
        try:
            org, is_new = await console.orgs.create(work, new.org, new.name.strip() or new.org, console.now())
        except NameTaken:
            message = "An org of this name was deleted; names are not used again."
            raise Problem(409, ProblemCode.CONFLICT, message, field="org") from None
        answer = Answer(201 if is_new else 200, OrgView.of(org).to_dict())
        return Written(answer, again=answer)

    return await once(console, "", key, f"org {actor} {new.model_dump_json()}", write)


@router.get("")
async def list_orgs(
    holder: Holder,
    console: TheConsole,
    cursor: Annotated[str, AfterValidator(_cursor)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> OrgPage:
    """The orgs that the caller may see: its own, or all for the installation's token."""
    if isinstance(holder, Caller):
        admitted(enter(holder, holder.org, Role.VIEWER))
        own = await console.orgs.get(holder.org)
        orgs = [own] if own else []
    else:
        orgs = await console.orgs.page(cursor, limit + 1)
    page = [OrgView.of(org) for org in orgs[:limit]]
    return OrgPage(items=tuple(page), next_cursor=page[-1].org if len(orgs) > limit else None)


@router.put("/{org}")
async def change_org(org: str, new: OrgChange, request: Request, holder: Holder, console: TheConsole) -> OrgView:
    """Give an org another name, or the time zone of its pages. Its admins may, and the installation's own token."""
    await administrator(org, holder, console)
    heard(request).about = new.words()
    return await changed(org, new, console)


async def changed(org: str, new: OrgChange, console: Console) -> OrgView:
    """The org as it is then. Raises `Problem` 404 when it was deleted meanwhile."""
    name = None if new.name is None else new.name.strip()
    found = await console.orgs.change(org, name, new.zone, console.now(), zoned="zone" in new.model_fields_set)
    if found is None:
        raise no_such_org()
    return OrgView.of(found)


@router.delete("/{org}", status_code=204)
async def delete_org(org: str, holder: Holder, console: TheConsole, confirm: str | None = None) -> None:
    """Delete an org for good: its tokens end at once, no ticket of it is opened any more, and those that there are go.
    `confirm` repeats its name; without it nothing happens, and the answer says where to export first."""
    await administrator(org, holder, console)
    if confirm != org:
        message = (
            f"This removes all tickets of {org} for good. Export them first, from "
            f"/api/v1/orgs/{org}/tickets/export?timeline=true, then delete with ?confirm={org}."
        )
        raise Problem(409, ProblemCode.CONFLICT, message, field="confirm")
    if not await console.orgs.delete(org, console.now()):
        raise no_such_org()
    console.tokens.forget(org)
