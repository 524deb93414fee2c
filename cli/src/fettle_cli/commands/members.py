"""`fettle members`: who is in the org with which role."""

from enum import StrEnum
from typing import Annotated

import typer

from fettle_cli.api import calling
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Org, group
from fettle_cli.output import say, show_json, show_page
from fettle_client.shapes.orgs import Member

app = group("members", "See who is in the org, and give people roles. For admins.")

Person = Annotated[str, typer.Argument(help="What the provider knows them by, mostly their e-mail address.")]


class PersonsRole(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@app.command("list")
def list_members(limit: Limit = 50, cursor: Cursor = None, org: Org = None, as_json: Json = False) -> None:
    """List the org's members by person: with which role, by whose word, and when each last signed in."""
    with calling(Installation.here(), org) as fettle:
        page = fettle.list_members(limit=limit, cursor=cursor).page()
    columns = ("PERSON", "ROLE", "GIVEN BY", "ADDED", "BY", "SIGNED IN", "NAME")
    show_page(page, columns, _row, empty="Nobody yet: fettle members set PERSON ROLE.", as_json=as_json)


@app.command("set")
def set_member(
    person: Person,
    role: Annotated[PersonsRole, typer.Argument(case_sensitive=False)],
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Give a person a role in the org, also before they first sign in. It stands against what the provider says."""
    with calling(Installation.here(), org) as fettle:
        member = fettle.put_member(person, role.value)
    if as_json:
        show_json(member)
    else:
        say(f"{member['person']} is {member['role']}.")


@app.command("remove")
def remove_member(person: Person, org: Org = None, as_json: Json = False) -> None:
    """Take a person out of the org at once. Whom the provider still lets in comes back when they next sign in."""
    with calling(Installation.here(), org) as fettle:
        member = fettle.put_member(person, None)
    if as_json:
        show_json(member)
    else:
        say(f"{member['person']} is out of the org.")


def _row(member: Member) -> tuple[object, ...]:
    return (
        member["person"],
        member["role"],
        member["given_by"],
        member["added_at"],
        member["added_by"],
        member["signed_in_at"],
        member["name"],
    )
