"""`fettle workflows test` and `preview`: what a workflow would do, and what would have started it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fettle_cli.api import calling
from fettle_cli.documents import ENDINGS, read, tell_faults
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org, text_of
from fettle_cli.output import say, show_json, show_table
from fettle_client.shapes.workflows import PreviewedEvent, Reason, Trial, TriedNode, WorkflowPreview

FileOrName = Annotated[
    str, typer.Argument(metavar="FILE|NAME", help="A document that need not be saved, or the name of a saved workflow.")
]
_SHOWN = 2_000


def try_out(
    workflow: FileOrName,
    trigger: Annotated[
        str | None, typer.Option(help="What happens: a trigger's node or kind; default: the first one's.")
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="A file with the event as JSON; - reads it from stdin. Default: an example.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="Take the event of this run.")] = None,
    ticket: Annotated[
        int | None, typer.Option(min=1, help="Take what happened last to the ticket of this number.")
    ] = None,
    outcomes: Annotated[
        str | None, typer.Option(help='A file with what becomes of nodes: {"node": {"output": {...}}}.')
    ] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Try a workflow on one event: what each node would do, and why a trigger would not fire. Nothing is sent."""
    if run is not None and (event is not None or trigger is not None):
        raise UsageError("--run brings its event and its trigger along")
    if ticket is not None and (event is not None or run is not None):
        raise UsageError("--ticket brings its event along")
    given, endings = _object("--event", event), _object("--outcomes", outcomes)
    name, document = _of(workflow)
    here = Installation.here()
    with calling(here, org) as fettle:
        found = fettle.try_workflow(
            name, trigger=trigger, event=given, run=run, ticket=ticket, document=document, outcomes=endings
        )
    if as_json:
        show_json(found)
        return
    as_now = f"ticket {ticket} as it is now, " if ticket is not None else ""
    say(f"{found['workflow']} on {found['trigger']} ({as_now}event {found['event_id']}); nothing was sent")
    for line in _told(found):
        say(line)


def preview(
    workflow: FileOrName,
    days: Annotated[int, typer.Option(min=1, max=30, help="How far to look back.")] = 7,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Show which events of the last days would have started a workflow, and what the newest would have done."""
    name, document = _of(workflow)
    here = Installation.here()
    with calling(here, org) as fettle:
        found = fettle.preview_workflow(name, days=days, document=document)
    if as_json:
        show_json(found)
    else:
        _show(name, found)


def _of(workflow: str) -> tuple[str, str | None]:
    """The workflow's name, and its document if it is a file. Raises CliError for one with faults."""
    path = Path(workflow)
    if not path.is_file():
        if path.suffix in ENDINGS:
            raise UsageError(f"there is no file {workflow}")
        return workflow, None
    (document,) = read([path])
    if document.workflow is None or document.faults:
        tell_faults(path, document.faults)
        raise CliError(f"{path} has faults")
    return document.workflow, document.text


def _object(option: str, file: str | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        found = json.loads(text_of(file) if file == "-" else Path(file).read_text())
    except OSError as error:
        raise UsageError(f"{option}: {error.strerror}: {file}") from None
    except ValueError as error:
        raise UsageError(f"{option} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{option} is not a JSON object")
    return found


def _told(trial: Trial) -> Iterator[str]:
    for one in trial["triggers"]:
        reason = one["why_not"]
        yield f"  {one['node']} ({one['trigger']}) " + ("fires" if reason is None else f"does not: {reason['message']}")
    triggers = {one["node"] for one in trial["triggers"]}
    for node in trial["nodes"]:
        if node["node"] not in triggers:
            yield f"  {node['node']}: {node['state']}"
            yield from (f"    {line}" for line in _node(node))
    yield {
        "not_started": "It would not start.",
        "done": "The run would be done.",
        "failed": f"The run would fail: {_why(trial['error'])}",
    }[trial["state"]]


def _node(node: TriedNode) -> Iterator[str]:
    effect = node["effect"]
    if effect is None and node["input"] is not None:
        yield f"takes {_written(node['input'])}"
    if effect is not None:
        yield _effect(effect)
    if node["error"]:
        yield f"fails: {_why(node['error'])}"
    elif node["output"] is not None:
        yield f"{'assumed' if node['assumed'] else 'gives'} {_written(node['output'])}"


def _effect(effect: Mapping[str, Any]) -> str:
    match effect:
        case {"kind": "command", "verb": verb, "topic": topic, "command": command}:
            return f"would send the command {verb} on {topic}: {_written(command)}"
        case {"kind": "wait", "until": until, "until_ticket": None}:
            return f"would wait until {until} (skipped)"
        case {"kind": "wait", "until": until, "until_ticket": watched}:
            return f"would wait for {watched['change']} of ticket {watched['ticket']}, until {until} (skipped)"
        case {"request": {"method": method, "url": url} as request}:
            rest = {name: value for name, value in request.items() if name not in ("method", "url") and value}
            return f"would call {method} {url} with {_written(rest)}"
        case {"message": {"channel": channel} as message}:
            return f"would send by {channel}: {_written({k: v for k, v in message.items() if k != 'channel' and v})}"
    return f"would send {_written(effect.get('cannot_be_sent', effect))}"


def _show(name: str, found: WorkflowPreview) -> None:
    say(f"{name}, {found['from']} to {found['until']}: {found['events']} events looked at")
    say(f"It would have started {found['started']} runs" + _refused(found) + ".")
    show_table(
        ("DAY", "RUNS", "OVER BUDGET", "TOO DEEP"),
        ((one["day"], one["started"], one["over_budget"], one["too_deep"]) for one in found["days"]),
        empty="No event would have started it.",
    )
    show_table(
        ("TRIGGER", "KIND", "EVENTS", "FIRED", "PROBLEM"),
        ((one["node"], one["trigger"], one["events"], one["fired"], one["problem"]) for one in found["triggers"]),
        empty="No triggers.",
    )
    for one in found["newest"]:
        say(_line(one))
        for line in _told(one["test_run"]) if one["test_run"] else ():
            say(f"  {line}")
    for reason in found["left_out"]:
        say(f"Left out: {reason['message']}")


def _line(one: PreviewedEvent) -> str:
    refused = f", refused: {_why(one['refused'])}" if one["refused"] else ""
    return f"{one['at']} {one['trigger']} {one['event_id']} by {', '.join(one['fired'])}{refused}"


def _refused(found: WorkflowPreview) -> str:
    parts = [
        f"{count} over the budget" if code == "over_budget" else f"{count} too deep in a chain"
        for code, count in (("over_budget", found["over_budget"]), ("too_deep", found["too_deep"]))
        if count
    ]
    return f" (not {' nor '.join(parts)})" if parts else ""


def _why(reason: Reason | None) -> str:
    return f"{reason['message']} [{reason['code']}]" if reason else ""


def _written(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
