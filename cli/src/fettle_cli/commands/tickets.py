"""`fettle tickets`: see and work tickets."""

import json
from collections.abc import Iterable
from typing import Annotated, cast

import typer

from fettle_cli.api import calling
from fettle_cli.commands.ticket_acts import comment, move_to_open, reopen, resolve, start, tell
from fettle_cli.commands.ticket_links import link
from fettle_cli.commands.ticket_policy import policy
from fettle_cli.commands.ticket_records import export, verify
from fettle_cli.editor import edited
from fettle_cli.failures import UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Number, Org, group, text_of
from fettle_cli.output import ago, say, show_fields, show_json, show_page
from fettle_client.shapes.people import Actor, Subject
from fettle_client.shapes.tickets import (
    AnyState,
    Checklist,
    Child,
    ListedTicket,
    TicketLink,
    TicketOrder,
    TicketSource,
)

ENTRIES_SHOWN = 50

app = group("tickets", "See and work tickets.")


app.command("export")(export)
app.command("verify")(verify)


@app.command("list")
def list_tickets(
    state: Annotated[AnyState, typer.Option(help="open, in_progress, resolved, or all.")] = "open",
    source: Annotated[TicketSource | None, typer.Option(help="health_monitor, user, or workflow.")] = None,
    kind: Annotated[str | None, typer.Option(help="For instance device_offline.")] = None,
    subject: Annotated[str | None, typer.Option(help="type/id, for instance device/t17.")] = None,
    integration: Annotated[str | None, typer.Option()] = None,
    space: Annotated[str | None, typer.Option(help="A space and all in it: oslo/hq.")] = None,
    q: Annotated[str | None, typer.Option("-q", "--search", help="Part of the title, subject name or id.")] = None,
    sort: Annotated[
        TicketOrder | None, typer.Option(help="opened, updated, number; with - before it, newest first.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """List tickets, open ones unless told otherwise."""
    here = Installation.here()
    with calling(here, org) as fettle:
        page = fettle.list_tickets(
            state=state,
            source=source,
            kind=kind,
            subject=subject,
            integration=integration,
            space=space,
            q=q,
            sort=sort,
            limit=limit,
            cursor=cursor,
        ).page()
    columns = ("NO", "STATE", "TITLE", "SUBJECT", "SPACE", "SOURCE", "OPENED")
    empty = "No such tickets." if state == "all" else f"No {state.replace('_', ' ')} tickets."
    show_page(page, columns, _row, empty=empty, as_json=as_json)


@app.command()
def show(
    number: Number,
    whole: Annotated[bool, typer.Option("--all", help="With its whole timeline, which --json has always.")] = False,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Show one ticket with the newest entries of its timeline, oldest of them first."""
    here = Installation.here()
    with calling(here, org) as fettle:
        ticket = fettle.get_ticket(number)
        if whole or as_json:
            timeline = list(fettle.list_timeline(number))
        else:
            timeline = fettle.list_timeline(number, sort="-version", limit=ENTRIES_SHOWN).page()["items"][::-1]
        checklist = ticket.get("checklist", Checklist(total=0, recovered=0, items=[]))
        if as_json and checklist["total"] > len(checklist["items"]):
            checklist["items"] = list(fettle.list_checklist(number))
    if as_json:
        show_json({**ticket, "timeline": timeline})
        return
    subject = ticket["subject"]
    show_fields(
        (
            (f"#{ticket['number']}", ticket["title"]),
            ("state", ticket["state"].replace("_", " ")),
            ("subject", f"{subject['type']}/{subject['id']}"),
            ("integration", ticket.get("integration")),
            ("space", ticket.get("space")),
            ("kind", ticket["kind"]),
            ("opened", f"{ticket['opened_at']} by {_actor(ticket['opened_by'])}"),
            ("started", _when(ticket.get("started_at"), ticket.get("started_by"))),
            ("resolved", _when(ticket.get("resolved_at"), ticket.get("resolved_by"))),
            ("resolution", ticket.get("resolution")),
            ("flaps", ticket.get("flap_count") or None),
            ("before", _numbers([previous] if (previous := ticket.get("previous")) else [])),
            ("parent", _numbers([parent] if (parent := ticket.get("parent")) else [])),
            ("parts", _numbers(ticket.get("children", []), more=ticket.get("more_children", False))),
            ("checklist", _progress(checklist)),
            *(("link", f"{link['label']}: {link['url']}") for link in ticket.get("links", [])),
            ("page", ticket.get("url")),
        )
    )
    if ticket.get("description"):
        say()
        say(ticket["description"])
    if checklist["total"]:
        _show_members(checklist)
    say()
    if timeline and (earlier := timeline[0]["version"] - 1):
        say(f"{earlier} earlier {'entry' if earlier == 1 else 'entries'}; --all shows the whole timeline")
    for entry in timeline:
        say(f"{entry['at']}  {entry['type']}  {_actor(entry['actor'])}")
        for line in (entry.get("body") or "").splitlines():
            say(f"    {line}")
        for name, value in (entry.get("evidence") or {}).items():
            say(f"    {name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")


@app.command("open")
def open_ticket(
    title: Annotated[str, typer.Argument(help="One line, at most 200 characters.")],
    subject: Annotated[str, typer.Option(help="What it is about: type/id, for instance other/lift-3.")],
    subject_name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    description: Annotated[str, typer.Option(help="Markdown; - reads it from stdin.")] = "",
    space: Annotated[str | None, typer.Option(help="Where: oslo/hq/3.")] = None,
    kind: Annotated[str | None, typer.Option(help="Default: user_report; none of the health monitor's own.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Open a ticket."""
    type_, slash, id_ = subject.partition("/")
    if not slash:
        raise UsageError(f"--subject is type/id, for instance other/lift-3, not {subject!r}")
    about = cast("Subject", {"type": type_, "id": id_, "name": subject_name or id_})
    here = Installation.here()
    with calling(here, org) as fettle:
        tell(fettle.open_ticket(title, about, description=text_of(description), space=space, kind=kind), as_json)


app.command()(start)
app.command("move-to-open")(move_to_open)
app.command()(resolve)
app.command()(reopen)
app.command()(comment)


@app.command()
def edit(
    number: Number,
    description: Annotated[str | None, typer.Option(help="Markdown; - reads it; without it, $EDITOR opens.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Edit a ticket's description. Refused if somebody else changed it meanwhile."""
    here = Installation.here()
    with calling(here, org) as fettle:
        ticket = fettle.get_ticket(number)
        text = text_of(description) if description is not None else edited(ticket["description"])
        tell(fettle.edit_description(number, text, description_version=ticket["description_version"]), as_json)


app.command()(link)
app.command()(policy)


def _row(ticket: ListedTicket) -> tuple[object, ...]:
    subject = ticket["subject"]
    return (
        f"#{ticket['number']}",
        ticket["state"].replace("_", " "),
        ticket["title"],
        f"{subject['type']}/{subject['id']}",
        ticket.get("space"),
        ticket["source"].replace("_", " "),
        ago(ticket["opened_at"]),
    )


def _progress(checklist: Checklist) -> str | None:
    return f"{checklist['recovered']} of {checklist['total']} recovered" if checklist["total"] else None


def _show_members(checklist: Checklist) -> None:
    say()
    for member in checklist["items"]:
        mark = "x" if member["recovered"] else " "
        say(f"[{mark}] {member['type']}/{member['id']}  {member.get('name') or ''}".rstrip())
    if more := checklist["total"] - len(checklist["items"]):
        say(f"and {more} more; --json has all")


def _numbers(tickets: Iterable[TicketLink | Child], *, more: bool = False) -> str | None:
    numbers = [f"#{ticket['number']}" for ticket in tickets]
    return ", ".join([*numbers, *(["and more"] if more else [])]) or None


def _actor(actor: Actor) -> str:
    return actor.get("name") or actor.get("id") or str(actor["type"]).replace("_", " ")


def _when(at: str | None, by: Actor | None) -> str | None:
    return f"{at} by {_actor(by)}" if at and by else at
