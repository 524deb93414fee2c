"""`/api/v1/orgs`: the installation's orgs."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from fettle_chassis.tokens import Caller
from fettle_console.console import TheConsole
from fettle_console.domain.access import found
from fettle_console.entrypoints.guards import Holder, admitted
from fettle_contracts.identity import OrgName
from fettle_contracts.message import Message
from fettle_contracts.times import Instant

router = APIRouter(prefix="/api/v1/orgs", tags=["orgs"])


class NewOrg(Message):
    """An org to be. Without a name it goes by its id."""

    org: OrgName
    name: str = Field(default="", max_length=200)


class OrgView(Message):
    """An org of this installation."""

    org: OrgName
    name: str
    created_at: Instant


class OrgPage(Message):
    items: tuple[OrgView, ...]
    next_cursor: str | None


@router.post("", status_code=201, responses={200: {"description": "The org exists already and stays as it is."}})
async def create_org(new: NewOrg, holder: Holder, console: TheConsole, response: Response) -> OrgView:
    """Create an org. Needs the installation's own token. Repeating it changes nothing."""
    admitted(found(holder))
    org, is_new = await console.orgs.create(new.org, new.name.strip() or new.org, console.now())
    response.status_code = 201 if is_new else 200
    return OrgView(org=org.org, name=org.name, created_at=org.created_at)


@router.get("")
async def list_orgs(
    holder: Holder, console: TheConsole, cursor: str = "", limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> OrgPage:
    """The orgs that the caller may see: its own, or all for the installation's token."""
    if isinstance(holder, Caller):
        own = await console.orgs.get(holder.org)
        orgs = [own] if own else []
    else:
        orgs = await console.orgs.page(cursor, limit + 1)
    page = [OrgView(org=org.org, name=org.name, created_at=org.created_at) for org in orgs[:limit]]
    return OrgPage(items=tuple(page), next_cursor=page[-1].org if len(orgs) > limit else None)
