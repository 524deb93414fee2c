"""`fettle workflows versions`, `diff` and `restore`."""

from typing import Annotated

import typer

from fettle_cli.api import calling
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Org
from fettle_cli.output import ago, say, show_json, show_page
from fettle_client.shapes.workflows import WorkflowVersion

Name = Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name.")]
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version's number.")]


def versions(name: Name, limit: Limit = 50, cursor: Cursor = None, org: Org = None, as_json: Json = False) -> None:
    """List a workflow's versions, the newest first."""
    here = Installation.here()
    with calling(here, org) as fettle:
        page = fettle.list_workflow_versions(name, limit=limit, cursor=cursor).page()
    show_page(page, ("VERSION", "SAVED", "BY"), _row, empty="No versions.", as_json=as_json)


def diff(
    name: Name,
    version: Annotated[int | None, typer.Argument(metavar="VERSION", min=1, help="Default: the newest.")] = None,
    base: Annotated[int | None, typer.Option("--from", min=1, help="Default: the version before it.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Show how a version's document differs from an earlier one's."""
    here = Installation.here()
    with calling(here, org) as fettle:
        if version is None:
            version = fettle.get_workflow(name)["version"]
        found = fettle.get_workflow_difference(name, version, from_version=base)
    if as_json:
        show_json(found)
    elif found["text"]:
        say(found["text"].rstrip("\n"))


def restore(name: Name, version: Version, org: Org = None, as_json: Json = False) -> None:
    """Save the document that a version began with, as it stood then."""
    here = Installation.here()
    with calling(here, org) as fettle:
        saved = fettle.restore_workflow(name, version)
    if as_json:
        show_json(saved)
        return
    state = "enabled" if saved["enabled"] else "disabled"
    say(f"{name} is as version {version} began, saved as version {saved['version']}, {state}")


def _row(one: WorkflowVersion) -> tuple[object, ...]:
    return one["version"], ago(one["saved_at"]), one["saved_by"]
