"""`fettle workflows switch`: all of an org's workflows off, and on again."""

from typing import Annotated, Literal

import typer

from fettle_cli.api import calling
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import ago, say, show_json

To = Annotated[
    Literal["off", "on"] | None,
    typer.Argument(metavar="off|on", help="Default: only say whether they are on."),
]


def switch(to: To = None, org: Org = None, as_json: Json = False) -> None:
    """Switch all of the org's workflows off or on. Off, nothing starts, and runs stop at their next node; once they
    are on again, `retry --code switched_off` has those go on."""
    with calling(Installation.here(), org) as fettle:
        found = fettle.get_workflow_policy() if to is None else fettle.put_workflow_policy(enabled=to == "on")
    if as_json:
        show_json(found)
        return
    since = f", by {found['changed_by']} {ago(found['changed_at'])} ago" if found["changed_at"] else ""
    say(f"All workflows are {'on' if found['enabled'] else 'off'}{since}.")
