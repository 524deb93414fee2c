"""`fettle workflows`: check documents, bring them in, see what they did."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fettle_cli.api import calling, in_words
from fettle_cli.commands.run_acts import cancel, rerun, retry
from fettle_cli.failures import CliError
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Org, group
from fettle_cli.output import ago, say, show_json, show_page, show_table
from fettle_client import Fettle, Refused
from fettle_client.shapes.workflows import Fault, ListedRun, ListedWorkflow, RunState, Workflow

app = group("workflows", "Check workflow documents, bring them in, see what they did.")

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="YAML or JSON documents.", exists=True, dir_okay=False)
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name.")]


@app.command()
def lint(files: Files, as_json: Json = False) -> None:
    """Check documents without an installation: every fault with its line and column."""
    found = [(file, _checked(file)) for file in files]
    if as_json:
        show_json({"items": [{"file": str(file), "faults": faults} for file, (_, faults) in found]})
    else:
        for file, (_, faults) in found:
            _tell_faults(file, faults)
    wrong = [str(file) for file, (_, faults) in found if faults]
    if wrong:
        raise CliError(f"{len(wrong)} of {len(files)} documents cannot be saved: {', '.join(wrong)}")


@app.command()
def apply(files: Files, org: Org = None, as_json: Json = False) -> None:
    """Save documents as the org's workflows of their names. Nothing is saved if one of them has a fault."""
    here = Installation.here()
    checked = [(file, _checked(file)) for file in files]
    for file, (_, faults) in checked:
        _tell_faults(file, faults)
    wrong = [str(file) for file, (_, faults) in checked if faults]
    if wrong:
        raise CliError(f"nothing was saved: {', '.join(wrong)} cannot be")
    with calling(here, org) as fettle:
        saved = [_saved(fettle, file, name) for file, (name, _) in checked]
    if as_json:
        show_json({"items": saved})
        return
    for workflow in saved:
        state = "enabled" if workflow["enabled"] else "disabled"
        say(f"{workflow['workflow']} is saved as version {workflow['version']}, {state}")


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


def _checked(file: Path) -> tuple[str, list[Fault]]:
    """The document's name (empty if it has faults) and its faults."""
    from fettle_workflow_engine.adapters.conditions import CelConditions
    from fettle_workflow_engine.adapters.templates import JinjaTemplates
    from fettle_workflow_engine.domain.faults import DocumentRefused
    from fettle_workflow_engine.domain.languages import Languages
    from fettle_workflow_engine.domain.validate import load

    try:
        return load(file.read_text(), Languages(JinjaTemplates(), CelConditions())).workflow, []
    except UnicodeDecodeError:
        return "", [{"line": 1, "column": 1, "message": "the document is not UTF-8 text", "suggestion": None}]
    except DocumentRefused as refused:
        return "", [
            {
                "line": fault.place.line,
                "column": fault.place.column,
                "message": fault.message,
                "suggestion": fault.suggestion,
            }
            for fault in refused.faults
        ]


def _saved(fettle: Fettle, file: Path, name: str) -> Workflow:
    try:
        return fettle.put_workflow(name, file.read_bytes().decode())
    except Refused as refused:
        if refused.problem.get("faults"):
            _tell_faults(file, refused.problem["faults"])
        raise CliError(f"{file}: {in_words(refused)}") from None


def _tell_faults(file: Path, faults: list[Fault]) -> None:
    for fault in faults:
        hint = f" (did you mean {fault['suggestion']}?)" if fault.get("suggestion") else ""
        say(f"{file}:{fault['line']}:{fault['column']}: {fault['message']}{hint}")


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _row(one: ListedWorkflow) -> tuple[object, ...]:
    return one["workflow"], one["enabled"], one["version"], ", ".join(one["triggers"]), one["title"]


def _run_row(one: ListedRun) -> tuple[object, ...]:
    started = ago(one["started_at"])
    return started, one["workflow"], one["version"], one["state"], one["trigger"], one["id"], _why(one)


def _why(failed: Mapping[str, Any]) -> str:
    error = failed.get("error")
    return error.get("message", json.dumps(error)) if isinstance(error, dict) else error or ""
