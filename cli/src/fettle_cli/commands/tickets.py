"""`fettle tickets`: see and work tickets."""

from typing import Annotated, Any

import typer

from fettle_cli.api import org_api, org_path
from fettle_cli.commands.ticket_links import link
from fettle_cli.editor import edited
from fettle_cli.failures import UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Comment, Cursor, Json, Limit, Number, Org, group, text_of
from fettle_cli.output import ago, say, show_fields, show_json, show_page

app = group("tickets", "See and work tickets.")


@app.command("list")
def list_tickets(
    state: Annotated[str, typer.Option(help="open, in_progress, resolved, or all.")] = "open",
    source: Annotated[str | None, typer.Option(help="health_monitor, user, or workflow.")] = None,
    kind: Annotated[str | None, typer.Option(help="For instance device_offline.")] = None,
    subject: Annotated[str | None, typer.Option(help="type/id, for instance device/t17.")] = None,
    integration: Annotated[str | None, typer.Option()] = None,
    space: Annotated[str | None, typer.Option(help="A space and all in it: oslo/hq.")] = None,
    q: Annotated[str | None, typer.Option("-q", "--search", help="Part of the title, subject name or id.")] = None,
    sort: Annotated[str | None, typer.Option(help="opened, updated, number; with - before it, newest first.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """List tickets, open ones unless told otherwise."""
    here = Installation.here()
    query = {
        "state": state,
        "source": source,
        "kind": kind,
        "subject": subject,
        "integration": integration,
        "space": space,
        "q": q,
        "sort": sort,
        "limit": limit,
        "cursor": cursor,
    }
    with org_api(here) as api:
        page = api.call("GET", org_path(org or here.org, "tickets"), query=query)
    columns = ("NO", "STATE", "TITLE", "SUBJECT", "SPACE", "SOURCE", "OPENED")
    empty = "No such tickets." if state == "all" else f"No {state.replace('_', ' ')} tickets."
    show_page(page, columns, _row, empty=empty, as_json=as_json)


@app.command()
def show(number: Number, org: Org = None, as_json: Json = False) -> None:
    """Show one ticket with its timeline."""
    here = Installation.here()
    name = org or here.org
    with org_api(here) as api:
        ticket = api.call("GET", org_path(name, "tickets", number))
        timeline = api.pages(org_path(name, "tickets", number, "timeline"))
        checklist = ticket.get("checklist") or {"total": 0, "recovered": 0, "items": []}
        if as_json and checklist["total"] > len(checklist["items"]):
            checklist["items"] = api.pages(org_path(name, "tickets", number, "checklist"))
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
            ("started", _when(ticket, "started")),
            ("resolved", _when(ticket, "resolved")),
            ("resolution", ticket.get("resolution")),
            ("flaps", ticket.get("flap_count") or None),
            ("parent", _numbers([ticket["parent"]] if ticket.get("parent") else [])),
            ("parts", _numbers(ticket.get("children", []), more=ticket.get("more_children", False))),
            ("checklist", _progress(checklist)),
            ("page", ticket.get("url")),
        )
    )
    if ticket.get("description"):
        say()
        say(ticket["description"])
    if checklist["total"]:
        _show_members(checklist)
    say()
    for entry in timeline:
        say(f"{entry['at']}  {entry['type']}  {_actor(entry['actor'])}")
        for line in (entry.get("body") or "").splitlines():
            say(f"    {line}")


@app.command("open")
def open_ticket(
    title: Annotated[str, typer.Argument(help="One line, at most 200 characters.")],
    subject: Annotated[str, typer.Option(help="What it is about: type/id, for instance other/lift-3.")],
    subject_name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    description: Annotated[str, typer.Option(help="Markdown; - reads it from stdin.")] = "",
    space: Annotated[str | None, typer.Option(help="Where: oslo/hq/3.")] = None,
    kind: Annotated[str | None, typer.Option(help="Default: user_report.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Open a ticket."""
    type_, slash, id_ = subject.partition("/")
    if not slash:
        raise UsageError(f"--subject is type/id, for instance other/lift-3, not {subject!r}")
    body: dict[str, Any] = {
        "title": title,
        "subject": {"type": type_, "id": id_, "name": subject_name or id_},
        "description": text_of(description),
    }
    body |= {name: value for name, value in (("space", space), ("kind", kind)) if value is not None}
    here = Installation.here()
    with org_api(here) as api:
        _tell(api.call("POST", org_path(org or here.org, "tickets"), body), as_json)


@app.command()
def start(number: Number, comment: Comment = None, org: Org = None, as_json: Json = False) -> None:
    """Begin work on an open ticket."""
    _act(number, "start", comment, org, as_json)


@app.command("move-to-open")
def move_to_open(number: Number, comment: Comment = None, org: Org = None, as_json: Json = False) -> None:
    """Undo a start."""
    _act(number, "move-to-open", comment, org, as_json)


@app.command()
def resolve(number: Number, comment: Comment = None, org: Org = None, as_json: Json = False) -> None:
    """Resolve a ticket."""
    _act(number, "resolve", comment, org, as_json)


@app.command()
def reopen(number: Number, comment: Comment = None, org: Org = None, as_json: Json = False) -> None:
    """Bring a resolved ticket back."""
    _act(number, "reopen", comment, org, as_json)


@app.command()
def comment(
    number: Number,
    text: Annotated[str, typer.Argument(help="Markdown; - reads it from stdin.")],
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Add a comment."""
    _act(number, "comments", text, org, as_json)


@app.command()
def edit(
    number: Number,
    description: Annotated[str | None, typer.Option(help="Markdown; - reads it; without it, $EDITOR opens.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Edit a ticket's description. Refused if somebody else changed it meanwhile."""
    here = Installation.here()
    path = org_path(org or here.org, "tickets", number)
    with org_api(here) as api:
        ticket = api.call("GET", path)
        text = text_of(description) if description is not None else edited(ticket["description"])
        version = {"if-match": f'"{ticket["description_version"]}"'}
        _tell(api.call("PUT", f"{path}/description", {"description": text}, headers=version), as_json)


app.command()(link)


def _act(number: int, action: str, comment: str | None, org: str | None, as_json: bool) -> None:
    here = Installation.here()
    body = {} if comment is None else {"comment": text_of(comment)}
    with org_api(here) as api:
        _tell(api.call("POST", org_path(org or here.org, "tickets", number, action), body), as_json)


def _tell(ticket: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(ticket)
    else:
        say(f"#{ticket['number']} {ticket['state'].replace('_', ' ')}: {ticket['title']}")


def _row(ticket: dict[str, Any]) -> tuple[object, ...]:
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


def _progress(checklist: dict[str, Any]) -> str | None:
    return f"{checklist['recovered']} of {checklist['total']} recovered" if checklist["total"] else None


def _show_members(checklist: dict[str, Any]) -> None:
    say()
    for member in checklist["items"]:
        mark = "x" if member["recovered"] else " "
        say(f"[{mark}] {member['type']}/{member['id']}  {member.get('name') or ''}".rstrip())
    if more := checklist["total"] - len(checklist["items"]):
        say(f"and {more} more; --json has all")


def _numbers(tickets: list[dict[str, Any]], *, more: bool = False) -> str | None:
    numbers = [f"#{ticket['number']}" for ticket in tickets]
    return ", ".join([*numbers, *(["and more"] if more else [])]) or None


def _actor(actor: dict[str, Any]) -> str:
    return actor.get("name") or actor.get("id") or str(actor["type"]).replace("_", " ")


def _when(ticket: dict[str, Any], what: str) -> str | None:
    at, by = ticket.get(f"{what}_at"), ticket.get(f"{what}_by")
    return f"{at} by {_actor(by)}" if at and by else at
