"""`fettle events`: what happens, as it happens."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from fettle_cli.api import Api, org_api, org_path
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org, group
from fettle_cli.output import say, show_json, warn

AGAIN_S = 1.0

app = group("events", "Watch what happens.")


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of a server-sent event stream."""

    name: str
    data: str
    id: str | None


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
        with org_api(here) as api:
            for event in _followed(api, org_path(org or here.org, "events"), since, count):
                _tell(event, as_json)
    except KeyboardInterrupt:
        return


def read_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """The events in the lines of a stream. Source: the WHATWG HTML standard, server-sent events."""
    name, data, last_id = "message", list[str](), None
    for line in lines:
        if not line:
            if data:
                yield ServerEvent(name, "\n".join(data), last_id)
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            last_id = value


def _followed(api: Api, path: str, since: str | None, count: int | None) -> Iterator[ServerEvent]:
    seen = 0
    while True:
        for event in read_events(api.stream(path, since)):
            since = event.id or since
            yield event
            seen += 1
            if seen == count:
                return
        warn("The connection ended; trying again.")
        time.sleep(AGAIN_S)


def _tell(event: ServerEvent, as_json: bool) -> None:
    try:
        data = json.loads(event.data)
    except ValueError:
        data = event.data
    if as_json:
        show_json({"id": event.id, "event": event.name, "data": data})
    else:
        say(_line(event.name, data))


def _line(name: str, data: Any) -> str:
    match data:
        case {"entry": {"at": at, "type": type_}, "ticket": {"number": number, "title": title}}:
            return f"{at}  #{number} {type_}: {title}"
        case {"subject": {"type": kind, "id": id_}, "at": at, "from": before, "to": after}:
            return f"{at}  {kind}/{id_} {before or 'new'} → {after or 'forgotten'}"
        case _:
            return f"{name}  {json.dumps(data, ensure_ascii=False)}"
