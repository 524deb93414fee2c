"""`fettle workflows secrets`: what calls and channels of workflows name and nobody sees again."""

import sys
from typing import Annotated

import typer

from fettle_cli.api import calling
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Org, group
from fettle_cli.output import ago, say, show_json, show_page
from fettle_client.shapes.secrets import Secret

app = group("secrets", "What workflows' calls and channels name, and nobody sees again.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The secret's name.")]


@app.command("list")
def list_secrets(limit: Limit = 50, cursor: Cursor = None, org: Org = None, as_json: Json = False) -> None:
    """List the names of the org's secrets."""
    with calling(Installation.here(), org) as fettle:
        page = fettle.list_secrets(limit=limit, cursor=cursor).page()
    show_page(page, ("SECRET", "SAVED", "BY", "KEY"), _row, empty="No secrets.", as_json=as_json)


@app.command()
def put(name: Name, org: Org = None, as_json: Json = False) -> None:
    """Keep a secret. Its value is asked for, or read from stdin, and never an argument, which others could see."""
    here = Installation.here()
    value = _asked(name) if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    with calling(here, org) as fettle:
        kept = fettle.put_secret(name, value)
    if as_json:
        show_json(kept)
    else:
        say(f"Kept {kept['name']}.")


@app.command()
def delete(name: Name, org: Org = None, as_json: Json = False) -> None:
    """Delete a secret; calls that name it fail from now on."""
    with calling(Installation.here(), org) as fettle:
        fettle.remove_secret(name)
    if as_json:
        show_json({"deleted": name})
    else:
        say(f"Deleted {name}.")


def _asked(name: str) -> str:
    value: str = typer.prompt(f"Value of {name}", hide_input=True, err=True)
    return value


def _row(one: Secret) -> tuple[object, ...]:
    return one["name"], f"{ago(one['saved_at'])} ago", one["saved_by"], one["key_id"]
