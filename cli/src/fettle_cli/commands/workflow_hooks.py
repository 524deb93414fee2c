"""`fettle workflows hook`: where other systems knock, and by what secret."""

from typing import Annotated

import typer

from fettle_cli.api import calling
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org, group
from fettle_cli.output import ago, say, show_json, show_table, warn
from fettle_client.shapes.workflows import HookSecret

app = group("hook", "Where other systems knock to start a workflow, and by what secret.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name.")]
DAY_S = 86_400


@app.command()
def show(name: Name, org: Org = None, as_json: Json = False) -> None:
    """Show where a workflow's hook is, and which secrets hold; their texts are kept nowhere."""
    here = Installation.here()
    with calling(here, org) as fettle:
        hook = fettle.get_hook(name)
    if as_json:
        show_json(hook)
        return
    say(f"{here.url}{hook['path']}")
    show_table(
        ("SECRET", "MADE", "BY", "ENDS", "USABLE"), map(_row, hook["secrets"]), empty="No secret: nobody may knock."
    )


@app.command()
def secret(
    name: Name,
    old_holds_s: Annotated[
        int, typer.Option("--old-holds-s", min=0, max=30 * DAY_S, help="How long the one before still holds.")
    ] = DAY_S,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Make a secret for a workflow's hook and print it; it is shown this once."""
    with calling(Installation.here(), org) as fettle:
        made = fettle.make_hook_secret(name, old_holds_s=old_holds_s)
    if as_json:
        show_json(made)
        return
    say(made["secret"])
    warn(
        "Shown this once. It signs after Standard Webhooks or as GitHub does, or goes as the header fettle-hook-secret."
    )


@app.command()
def end(
    name: Name,
    id: Annotated[str, typer.Argument(metavar="SECRET", help="The secret's id, as `hook show` lists it.")],
    org: Org = None,
    as_json: Json = False,
) -> None:
    """End a secret now."""
    with calling(Installation.here(), org) as fettle:
        fettle.end_hook_secret(name, id)
    if as_json:
        show_json({"ended": id})
    else:
        say(f"Ended {id}.")


def _row(one: HookSecret) -> tuple[object, ...]:
    return one["id"], f"{ago(one['made_at'])} ago", one["made_by"], one["ends_at"], one["usable"]
