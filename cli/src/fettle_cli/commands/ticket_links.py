"""`fettle tickets link`: the links of a ticket, say to work orders elsewhere."""

from typing import Annotated

import typer

from fettle_cli.api import calling, in_words
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Number, Org
from fettle_cli.output import show_json, show_table
from fettle_client import Refused
from fettle_client.shapes.people import Link

CHANGED_MEANWHILE = 412


def link(
    number: Number,
    add: Annotated[list[str] | None, typer.Option(metavar="LABEL=URL", help="A new link; may come often.")] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="LABEL", help="What goes; may come often.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Show a ticket's links, or change them, removals first. Refused if somebody edited meanwhile."""
    added, removed = [_link(text) for text in add or ()], remove or []
    here = Installation.here()
    with calling(here, org) as fettle:
        ticket = fettle.get_ticket(number)
        if added or removed:
            links = changed(ticket["links"], added, removed)
            try:
                ticket = fettle.set_links(number, links, description_version=ticket["description_version"])
            except Refused as error:
                raise _with_way_out(error) from None
    if as_json:
        show_json(ticket)
        return
    show_table(("LABEL", "URL"), ((one["label"], one["url"]) for one in ticket["links"]), empty="No links.")


def changed(links: list[Link], added: list[Link], removed: list[str]) -> list[Link]:
    """The links without those of a removed label, then the added ones; none stands there twice.

    Raises CliError when a label to be removed is on none of them.
    """
    labels = [one["label"] for one in links]
    unknown = [label for label in removed if label not in labels]
    if unknown:
        there = ", ".join(labels) or "none"
        raise CliError(f"no link was changed: none is called {', '.join(unknown)}; the ticket's links: {there}")
    kept = [one for one in links if one["label"] not in removed]
    return kept + [one for place, one in enumerate(added) if one not in kept and one not in added[:place]]


def _link(text: str) -> Link:
    label, equals, url = (part.strip() for part in text.partition("="))
    if not (label and equals and url):
        raise UsageError(f"--add is LABEL=URL, for instance WO-7=https://example.test/7, not {text!r}")
    return {"label": label, "url": url}


def _with_way_out(error: Refused) -> CliError:
    said = in_words(error)
    if error.status != CHANGED_MEANWHILE:
        return CliError(said)
    return CliError(f"no link was changed, the ticket was edited meanwhile ({said}); look at it and try again")
