"""`fettle workflows cancel`, `retry` and `rerun`: what people do to runs."""

from collections.abc import Iterator
from typing import Annotated

import typer

from fettle_cli.api import calling, in_words
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, show_json
from fettle_client import Fettle, Refused
from fettle_client.shapes.workflows import ListedRun, Run

PATIENCE_S = 60.0
"""With one call of many, which may come too fast."""
CONFLICT = 409

_RUN = typer.Argument(metavar="RUN", help="The run's id, as `fettle workflows runs` lists it.")
RunId = Annotated[str, _RUN]


def cancel(run: RunId, org: Org = None, as_json: Json = False) -> None:
    """End a run; what it waits for changes nothing any more."""
    here = Installation.here()
    with calling(here, org) as fettle:
        _tell(fettle.cancel_run(run), as_json)


def retry(
    run: Annotated[str | None, _RUN] = None,
    code: Annotated[
        str | None, typer.Option("--code", help="Instead of one run every failed one whose error has it.")
    ] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", help="With --code: of this workflow only.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Have a failed run go on from the node that failed it, or with --code every one that failed for the same reason:
    those that a fault of Fettle itself ended (internal), once that is mended, or that the org's switch stopped
    (switched_off), once it is on."""
    if (run is None) == (code is None) or (workflow is not None and code is None):
        raise UsageError("name a run, or the --code of the runs' errors (and with it a --workflow)")
    here = Installation.here()
    if run is not None:
        with calling(here, org) as fettle:
            _tell(fettle.retry_run(run), as_json)
        return
    with calling(here, org, patience_s=PATIENCE_S) as fettle:
        retried = [_retried(fettle, one, as_json) for one in _failed_by(fettle, code, workflow)]
    if as_json:
        show_json({"items": retried})
    elif not retried:
        say("No run failed so.")
    if refused := sum(one["refused"] is not None for one in retried):
        raise CliError(f"{refused} of {len(retried)} runs cannot be retried")


def _failed_by(fettle: Fettle, code: str | None, workflow: str | None) -> Iterator[ListedRun]:
    """The newest first. One that fails anew meanwhile does not come again."""
    failed = (
        fettle.list_runs(state="failed") if workflow is None else fettle.list_workflow_runs(workflow, state="failed")
    )
    return (one for one in failed if one["error"] and one["error"]["code"] == code)


def _retried(fettle: Fettle, one: ListedRun, as_json: bool) -> dict[str, str | None]:
    """What became of it, said at once. One that is refused stops no other."""
    try:
        state, refused = fettle.retry_run(one["id"])["state"], None
    except Refused as refusal:
        if refusal.status != CONFLICT:
            raise
        state, refused = one["state"], in_words(refusal)
    if not as_json:
        say(f"{one['id']} of {one['workflow']} version {one['version']} is {state}{f': {refused}' if refused else ''}")
    return {"id": one["id"], "workflow": one["workflow"], "state": state, "refused": refused}


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
