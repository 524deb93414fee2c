"""`fettle workflows`: check documents, bring them in, see what they did."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from fettle_cli.api import calling
from fettle_cli.commands import workflow_channels, workflow_hooks, workflow_secrets
from fettle_cli.commands import workflow_documents as documents
from fettle_cli.commands import workflow_switch as switches
from fettle_cli.commands import workflow_trials as trials
from fettle_cli.commands import workflow_versions as versions
from fettle_cli.commands.run_acts import cancel, rerun, retry
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Org, group, text_of
from fettle_cli.output import ago, say, show_json, show_page, show_table
from fettle_client.shapes.workflows import ListedRun, ListedWorkflow, RunState

app = group("workflows", "Check workflow documents, bring them in, see what they did.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name.")]


for command in (documents.lint, documents.apply, documents.export, versions.versions, versions.diff, versions.restore):
    app.command()(command)


@app.command("list")
def list_workflows(limit: Limit = 50, cursor: Cursor = None, org: Org = None, as_json: Json = False) -> None:
    """List the org's workflows."""
    here = Installation.here()
    with calling(here, org) as fettle:
        page = fettle.list_workflows(limit=limit, cursor=cursor).page()
    columns = ("WORKFLOW", "ENABLED", "VERSION", "TRIGGERS", "TITLE")
    show_page(page, columns, _row, empty="No workflows.", as_json=as_json)


@app.command()
def show(name: Name, org: Org = None, as_json: Json = False) -> None:
    """Show a workflow's document as it was saved."""
    here = Installation.here()
    with calling(here, org) as fettle:
        found = fettle.get_workflow(name)
    if as_json:
        show_json(found)
    else:
        say(found["document"].rstrip("\n"))


@app.command()
def run(
    name: Name,
    data: Annotated[
        str | None, typer.Option("--data", help="What the run works with: a JSON object; - reads it from stdin.")
    ] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Start a workflow by its manual trigger."""
    given = _data(data)
    here = Installation.here()
    with calling(here, org) as fettle:
        started = fettle.start_run(name, given)
    if as_json:
        show_json(started)
    else:
        say(f"{started['workflow']} version {started['version']}: {started['state']}, run {started['id']}")
        if started["error"]:
            say(f"  {_why(started)}")
    if started["state"] == "refused":
        raise CliError("the run was refused")


@app.command()
def runs(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of one workflow; default: of all.")] = None,
    state: Annotated[RunState | None, typer.Option(help="running, done, failed, refused, or cancelled.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="One run, node by node.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """List runs, the newest first, or show one of them."""
    here = Installation.here()
    if run is not None:
        _show_run(here, org, run, as_json)
        return
    with calling(here, org) as fettle:
        if name is None:
            page = fettle.list_runs(state=state, limit=limit, cursor=cursor).page()
        else:
            page = fettle.list_workflow_runs(name, state=state, limit=limit, cursor=cursor).page()
    columns = ("STARTED", "WORKFLOW", "VERSION", "STATE", "TRIGGER", "RUN", "ERROR")
    show_page(page, columns, _run_row, empty="No runs.", as_json=as_json)


app.command()(cancel)
app.command()(retry)
app.command()(rerun)
app.command()(switches.switch)
app.command("test")(trials.try_out)
app.command()(trials.preview)
for below in (workflow_channels.app, workflow_secrets.app, workflow_hooks.app):
    app.add_typer(below)


def _data(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        given = json.loads(text_of(text))
    except ValueError as error:
        raise UsageError(f"--data is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise UsageError("--data is not a JSON object")
    return given


def _show_run(here: Installation, org: str | None, run: str, as_json: bool) -> None:
    with calling(here, org) as fettle:
        found = fettle.get_run(run)
    if as_json:
        show_json(found)
        return
    say(f"{found['workflow']} version {found['version']}: {found['state']}, started by {found['trigger']}")
    if found["error"]:
        say(f"  {_why(found)}")
    show_table(
        ("NODE", "STATE", "ATTEMPTS", "OUTPUT"),
        (
            (
                node["node"],
                node["state"],
                node["attempts"],
                _why(node) or json.dumps(node["output"], ensure_ascii=False),
            )
            for node in found["nodes"]
        ),
        empty="No node has run yet.",
    )


def _row(one: ListedWorkflow) -> tuple[object, ...]:
    return one["workflow"], one["enabled"], one["version"], ", ".join(one["triggers"]), one["title"]


def _run_row(one: ListedRun) -> tuple[object, ...]:
    started = ago(one["started_at"])
    return started, one["workflow"], one["version"], one["state"], one["trigger"], one["id"], _why(one)


def _why(failed: Mapping[str, Any]) -> str:
    error = failed.get("error")
    return error.get("message", json.dumps(error)) if isinstance(error, dict) else error or ""
