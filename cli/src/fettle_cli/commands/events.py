"""`fettle events`: what happens, as it happens."""

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from fettle_cli.api import calling
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org, group
from fettle_cli.output import say, show_json, warn
from fettle_client import Event, Fettle

AGAIN_S = 1.0

app = group("events", "Watch what happens.")


@app.command()
def tail(
    since: Annotated[str | None, typer.Option("--since", help="The id of the last event already seen.")] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Stop after so many events.")] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Follow ticket events and health transitions until Ctrl-C. Lost connections are made again where they ended."""
    here = Installation.here()
    try:
        with calling(here, org) as fettle:
            for event in _followed(fettle, since, count):
                _tell(event, as_json)
    except KeyboardInterrupt:
        return


def _followed(fettle: Fettle, since: str | None, count: int | None) -> Iterator[Event]:
    seen = 0
    while True:
        for event in fettle.events(since, again=False):
            since = event.id or since
            yield event
            seen += 1
            if seen == count:
                return
        warn("The connection ended; trying again.")
        time.sleep(AGAIN_S)


def _tell(event: Event, as_json: bool) -> None:
    if as_json:
        show_json({"id": event.id or None, "event": event.type, "data": event.data})
    else:
        say(_line(event.type, event.data))


def _line(name: str, data: Any) -> str:
    match data:
        case {"entry": {"at": at, "type": type_}, "ticket": {"number": number, "title": title}}:
            return f"{at}  #{number} {type_}: {title}"
        case {"subject": {"type": kind, "id": id_}, "at": at, "from": before, "to": after}:
            return f"{at}  {kind}/{id_} {before or 'new'} → {after or 'forgotten'}"
        case _:
            return f"{name}  {json.dumps(data, ensure_ascii=False)}"
