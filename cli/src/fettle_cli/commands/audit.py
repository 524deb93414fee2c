"""`fettle audit`: who asked to change what."""

from enum import StrEnum
from typing import Annotated

import typer

from fettle_cli.api import calling
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Org
from fettle_cli.output import show_page
from fettle_client.shapes.orgs import AuditEntry


class Outcome(StrEnum):
    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


def audit(
    thing: Annotated[
        str | None, typer.Argument(metavar="PATH", help="What of, with all below it: tickets/42, tokens.")
    ] = None,
    actor: Annotated[str | None, typer.Option(metavar="ID", help="Who asked, for instance token/0198….")] = None,
    outcome: Annotated[Outcome | None, typer.Option(case_sensitive=False)] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Then or later: 2026-11-23T10:15:30Z.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before then.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """List who asked to change what of the org, newest first, and what became of it. For admins."""
    with calling(Installation.here(), org) as fettle:
        page = fettle.list_audit(
            actor=actor,
            thing=thing,
            outcome=outcome.value if outcome else None,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        ).page()
    columns = ("AT", "OUTCOME", "STATUS", "BY", "ID", "ASKED")
    show_page(page, columns, _row, empty="Nothing of that kind.", as_json=as_json)


def _row(entry: AuditEntry) -> tuple[object, ...]:
    actor, times = entry["actor"], entry["times"]
    asked = f"{entry['method']} {entry['path']}" + (f" ({times} times)" if times > 1 else "")
    return entry["at"], entry["outcome"], entry["status"], actor["name"] or actor["id"], entry["id"], asked
