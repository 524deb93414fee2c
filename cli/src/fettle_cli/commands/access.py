"""`fettle org` and `fettle token`: who may do what."""

from typing import Annotated, Any

import typer

from fettle_cli.api import Api, org_path
from fettle_cli.installation import Installation
from fettle_cli.options import Json, group
from fettle_cli.output import say, show_json, warn

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
    with Api(here.url, here.installer_token) as api:
        made = api.call("POST", "orgs", {"org": org, "name": name or org})
    if as_json:
        show_json(made)
    else:
        say(f"{org} is there. Next: fettle token create --org {org} --role admin")


@tokens.command("create")
def create_token(
    org: Annotated[str, typer.Option(envvar="FETTLE_ORG", help="The org that the token is for.")],
    role: Annotated[str, typer.Option(help="viewer, operator, admin, or ingest.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "fettle token create",
    days: Annotated[int | None, typer.Option(min=1, help="It ends after so many days.")] = None,
    as_json: Json = False,
) -> None:
    """Make an API token and print it; it is shown this once."""
    here = Installation.here()
    body: dict[str, Any] = {"role": role, "name": name}
    if days is not None:
        body["expires_in_s"] = days * 86_400
    with Api(here.url, here.installer_token) as api:
        made = api.call("POST", org_path(org, "tokens"), body)
    if as_json:
        show_json(made)
        return
    say(made["token"])
    warn(f"Shown this once. Use it as FETTLE_TOKEN with FETTLE_ORG={org}.")
