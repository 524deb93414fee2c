"""`fettle health`: what the monitor sees, and by which rules."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, cast, get_args

import typer

from fettle_cli.api import calling
from fettle_cli.commands.policies import Changes, PolicyFile, read_policy, wanted
from fettle_cli.commands.registry_import import import_
from fettle_cli.commands.silences import silence, silences, unsilence
from fettle_cli.commands.verification import instant, verify
from fettle_cli.commands.why import why
from fettle_cli.failures import UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Org, group
from fettle_cli.output import ago, say, say_as_of, show_fields, show_json, show_page, show_table, words
from fettle_client.shapes.health import FleetIntegration, HealthPolicy, HealthState, InForce, ListedSubject, Transition
from fettle_client.shapes.people import WatchedType

app = group("health", "See what the health monitor sees.")
for command in (silence, silences, unsilence, why, verify):
    app.command()(command)
app.command("import")(import_)


@app.command()
def overview(org: Org = None, as_json: Json = False) -> None:
    """Show how the fleet stands, by integration, those in trouble first."""
    with calling(Installation.here(), org) as fettle:
        found = fettle.show_overview()
    if as_json:
        show_json(found)
        return
    say(", ".join(f"{count} {words(state)}" for state, count in found["states"].items() if count) or "No subjects.")
    columns = ("INTEGRATION", "STATE", "DEVICES", "UNHEALTHY", "MOST IN A DAY")
    show_table(columns, map(_standing, found["integrations"]), empty="No integrations.")
    if found["more_integrations"]:
        say(f"and {found['more_integrations']} more")
    if not found["enabled"]:
        say("The org's health monitor is switched off: every state stays as it was.")
    say_as_of(found["as_of"])


def _standing(one: FleetIntegration) -> tuple[object, ...]:
    devices, unhealthy = cast("dict[str, int]", one["devices"]), one["unhealthy"]
    return one["name"] or one["id"] or "-", words(one["state"]), sum(devices.values()), unhealthy[-1], max(unhealthy)


@app.command()
def heard(
    subject: Annotated[str, typer.Argument(metavar="TYPE/ID", help="For instance device/t17.")],
    at: Annotated[
        str | None, typer.Option(help="The end of the hour, a local time or one with its offset; default: as of now.")
    ] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """List a subject's heartbeats of an hour."""
    moment = None if at is None else instant("--at", at)
    with calling(Installation.here(), org) as fettle:
        found = fettle.list_heartbeats(subject, at=moment)
    if as_json:
        show_json(found)
        return
    rows = ((one["at"], one["status"] or "not readable") for one in found["heartbeats"])
    show_table(("AT", "STATUS"), rows, empty="Not heard.")
    say(f"From {found['since']} to {found['until']}.")
    say_as_of(found["as_of"])


@app.command()
def subjects(
    state: Annotated[HealthState | None, typer.Option(help=f"{', '.join(get_args(HealthState))}.")] = None,
    type_: Annotated[WatchedType | None, typer.Option("--type", help="device or integration.")] = None,
    integration: Annotated[str | None, typer.Option()] = None,
    space: Annotated[str | None, typer.Option(help="A space and all in it: oslo/hq.")] = None,
    q: Annotated[str | None, typer.Option("-q", "--search", help="Part of the name or id.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """List devices and integrations with their states."""
    here = Installation.here()
    with calling(here, org) as fettle:
        page = fettle.list_subjects(
            state=[state] if state else None,
            type=type_,
            integration=integration,
            space=space,
            q=q,
            limit=limit,
            cursor=cursor,
        ).page()
    columns = ("STATE", "SUBJECT", "NAME", "INTEGRATION", "SPACE", "SINCE")
    show_page(page, columns, _row, empty="No such subjects.", as_json=as_json)


@app.command()
def show(
    subject: Annotated[str, typer.Argument(metavar="TYPE/ID", help="For instance device/t17.")],
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Show one subject with its latest transitions."""
    type_, slash, id_ = subject.partition("/")
    if not slash:
        raise UsageError(f"a subject is type/id, for instance device/t17, not {subject!r}")
    here = Installation.here()
    with calling(here, org) as fettle:
        found = fettle.get_subject(subject)
        transitions = fettle.list_transitions(subject=subject, limit=20).page()
    if as_json:
        show_json({**found, "transitions": transitions["items"]})
        return
    ticket = found.get("ticket")
    show_fields(
        (
            (f"{type_}/{id_}", found.get("name") or id_),
            ("state", _state(found)),
            ("condition", words(found.get("condition"))),
            ("since", found.get("since")),
            ("last heard", found.get("last_heard")),
            ("integration", found.get("integration")),
            ("space", found.get("space")),
            ("model", found.get("model")),
            ("interval", _seconds(found.get("interval_s"))),
            *(("silenced until", each["until"]) for each in found.get("silences", ())),
            ("ticket", f"#{ticket['number']}" if isinstance(ticket, dict) and ticket.get("number") else None),
            ("as of", found.get("as_of")),
        )
    )
    say()
    for transition in transitions["items"]:
        say(_line(transition))


@app.command()
def policy(file: PolicyFile = None, changes: Changes = None, org: Org = None, as_json: Json = False) -> None:
    """Show the org's health policy, or change it. `--set` is refused if somebody else changed it meanwhile."""
    fields = wanted(changes, "timeout_s=30")
    here = Installation.here()
    with calling(here, org) as fettle:
        shown = fettle.get_health_policy()
        if file is not None or fields:
            changed = {**(shown if file is None else read_policy(file)), **fields}
            seen = shown["version"] if file is None else None
            shown = fettle.put_health_policy(cast("HealthPolicy", changed), version=seen)
    if as_json:
        show_json(shown)
        return
    show_fields((name, value) for name, value in shown.items() if not isinstance(value, list | dict))
    for override in shown.get("overrides", ()):
        say(f"override  {json.dumps(override, ensure_ascii=False)}")
    if shards := shown.get("in_force"):
        say(f"in force  {_in_force(shards)}")


def _in_force(shards: Sequence[InForce]) -> str:
    """Which version each shard judges by, the newest first, and which shards have not said."""
    judging_by: defaultdict[int, list[str]] = defaultdict(list)
    for each in shards:
        judging_by[each["version"] or 0].append(str(each["shard"]))
    parts = []
    for version, numbers in sorted(judging_by.items(), reverse=True):
        where = f"shards {', '.join(numbers)}" if len(numbers) < len(shards) else f"all {len(shards)} shards"
        said = f"version {version}" if version else "none yet"
        parts.append(f"{said} in {where if len(numbers) > 1 else f'shard {numbers[0]}'}")
    return "; ".join(parts)


def _line(transition: Transition) -> str:
    """When, from where to where, and why."""
    step = f"{transition['at']}  {words(transition['from']) or 'new'} → {words(transition['to']) or 'forgotten'}"
    evidence = transition.get("evidence") or {}
    reason = evidence.get("reason")
    if reason == "silent":
        return f"{step}  silent for {evidence['timeout_s']:g} s"
    if reason == "debounce_passed":
        return f"{step}  so for {evidence['debounce_s']:g} s"
    if reason == "reported" and evidence.get("status"):
        return f"{step}  reported {words(evidence['status'])}"
    return f"{step}  {words(reason)}" if reason else step


def _row(subject: ListedSubject) -> tuple[object, ...]:
    return (
        _state(subject),
        f"{subject['type']}/{subject['id']}",
        subject.get("name"),
        subject.get("integration"),
        subject.get("space"),
        ago(subject.get("since")),
    )


def _state(subject: ListedSubject) -> str | None:
    """That of one that is judged, else why it is not."""
    unwatched = subject.get("unwatched")
    return f"not watched ({words(unwatched)})" if unwatched else words(subject.get("state"))


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value} s"
