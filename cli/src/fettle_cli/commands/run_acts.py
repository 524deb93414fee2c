"""`fettle workflows cancel`, `retry` and `rerun`: what people do to runs."""

from typing import Annotated

import typer

from fettle_cli.api import calling
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, show_json
from fettle_client.shapes.workflows import Run

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, as `fettle workflows runs` lists it.")]


def cancel(run: RunId, org: Org = None, as_json: Json = False) -> None:
    """End a run; what it waits for changes nothing any more."""
    here = Installation.here()
    with calling(here, org) as fettle:
        _tell(fettle.cancel_run(run), as_json)


def retry(run: RunId, org: Org = None, as_json: Json = False) -> None:
    """Have a failed run go on from the node that failed it."""
    here = Installation.here()
    with calling(here, org) as fettle:
        _tell(fettle.retry_run(run), as_json)


def rerun(
    run: RunId,
    version: Annotated[int | None, typer.Option(min=1, help="By this version; default: by the newest.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Start another run by the event of this one."""
    here = Installation.here()
    with calling(here, org) as fettle:
        _tell(fettle.rerun(run, version=version), as_json)


def _tell(run: Run, as_json: bool) -> None:
    if as_json:
        show_json(run)
    else:
        say(f"{run['id']} of {run['workflow']} version {run['version']} is {run['state']}")
