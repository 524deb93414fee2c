"""`fettle org` and `fettle token`: who may do what."""

from typing import Annotated

import typer

from fettle_cli.api import calling_as
from fettle_cli.installation import Installation
from fettle_cli.options import Json, group
from fettle_cli.output import say, show_json, warn
from fettle_client.shapes.orgs import Role

orgs = group("org", "Make orgs.")
tokens = group("token", "Make API tokens.")


@orgs.callback()
def _orgs() -> None:
    """Make orgs."""


@tokens.callback()
def _tokens() -> None:
    """Make API tokens."""


@orgs.command("create")
def create_org(
    org: Annotated[str, typer.Argument(help="1 to 63 of a-z, 0-9 and -.")],
    name: Annotated[str | None, typer.Option(help="What people call it; default: the org itself.")] = None,
    as_json: Json = False,
) -> None:
    """Make an org. Its health monitor and its tickets start switched off."""
    here = Installation.here()
    with calling_as(here, here.installer_token, org) as fettle:
        made = fettle.create_org(org, name=name or org)
    if as_json:
        show_json(made)
    else:
        say(f"{org} is there. Next: fettle token create --org {org} --role admin")


@tokens.command("create")
def create_token(
    org: Annotated[str, typer.Option(envvar="FETTLE_ORG", help="The org that the token is for.")],
    role: Annotated[Role, typer.Option(help="viewer, operator, admin, or ingest.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "fettle token create",
    days: Annotated[int | None, typer.Option(min=1, help="It ends after so many days.")] = None,
    as_json: Json = False,
) -> None:
    """Make an API token and print it; it is shown this once."""
    here = Installation.here()
    expires_in_s = None if days is None else days * 86_400
    with calling_as(here, here.installer_token, org) as fettle:
        made = fettle.create_token(role, name=name, expires_in_s=expires_in_s)
    if as_json:
        show_json(made)
        return
    say(made["token"])
    warn(f"Shown this once. Use it as FETTLE_TOKEN with FETTLE_ORG={org}.")
