"""`fettle health silence`, `silences`, `unsilence`: no tickets about a subject for a while."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from fettle_cli.api import calling
from fettle_cli.failures import UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Cursor, Json, Limit, Org
from fettle_cli.output import ago, say, show_json, show_page, warn
from fettle_client.shapes.people import WatchedType
from fettle_client.shapes.silences import Selected, Silence, SilenceState
from fettle_contracts.times import NoSuchTime, instant_of

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}

_LENGTH = re.compile(r"(?:[0-9]{1,9}[smhdw])+")


class State(StrEnum):
    ACTIVE = "active"
    UPCOMING = "upcoming"
    ENDED = "ended"


def silence(
    subject: Annotated[str | None, typer.Argument(metavar="TYPE/ID", help="For instance device/t17.")] = None,
    length: Annotated[str, typer.Option("--for", help="How long: 90m, 4h, 7d, 1d12h; at most 90d.")] = "4h",
    start: Annotated[
        str | None,
        typer.Option(
            "--from", help="When it begins, a local time (the first of two) or one with its offset; default: now."
        ),
    ] = None,
    rrule: Annotated[str | None, typer.Option(help="How it recurs, with --zone: FREQ=WEEKLY;BYDAY=SA;COUNT=8.")] = None,
    zone: Annotated[str | None, typer.Option(help="By whose clock it recurs: Europe/Oslo.")] = None,
    reason: Annotated[str | None, typer.Option()] = None,
    integration: Annotated[str | None, typer.Option(help="Instead: an integration and its devices.")] = None,
    space: Annotated[str | None, typer.Option(help="Instead: all in a space and under it, such as oslo/hq.")] = None,
    type_: Annotated[WatchedType | None, typer.Option("--type", help="Only devices, or only integrations.")] = None,
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before silencing more than one.")] = False,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Open no tickets about a subject for a while, or about all that fits the options together."""
    if (subject is None) == ([integration, space, type_, model].count(None) == 4):
        raise UsageError("TYPE/ID, or --integration, --space, --type, --model say what to silence")
    length_s, starts_at = _seconds(length), None if start is None else _instant(start, zone)
    how: dict[str, Any] = {"starts_at": starts_at, "rrule": rrule, "zone": zone, "reason": reason}
    with calling(Installation.here(), org) as fettle:
        if subject is not None:
            _say_one(fettle.silence_subject(subject, length_s, **how), as_json)
            return
        whom: dict[str, Any] = {"integration": integration, "space": space, "type": type_, "model": model}
        silenced = partial(fettle.silence_selection, length_s, **whom, **how)
        if not yes:
            count = silenced(dry_run=True)["count"]
            typer.confirm(f"Silence {_subjects(count)} for {length}?", abort=True, err=True)
        _say_all(silenced(), as_json)


def silences(
    state: Annotated[
        list[State] | None, typer.Option(help="May come often; default: active and upcoming.", case_sensitive=False)
    ] = None,
    subject: Annotated[str | None, typer.Option(metavar="TYPE/ID")] = None,
    selection: Annotated[str | None, typer.Option(metavar="ID", help="Those that were made in one step.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """List silences: whose, why, until when, and what each has held back so far."""
    here = Installation.here()
    states = [each.value for each in state or (State.ACTIVE, State.UPCOMING)]
    with calling(here, org) as fettle:
        page = fettle.list_silences(
            state=cast("list[SilenceState]", states), subject=subject, selection=selection, limit=limit, cursor=cursor
        ).page()
    columns = ("STATE", "SUBJECT", "FROM", "UNTIL", "HELD", "BY", "MADE", "ID", "REASON")
    show_page(page, columns, _row, empty="No such silences.", as_json=as_json)


def unsilence(
    id: Annotated[str, typer.Argument(metavar="ID", help="A silence's, or a selection's.")],
    org: Org = None,
    as_json: Json = False,
) -> None:
    """End a silence now, or all that were made in one step. What still fails gets its ticket at once."""
    here = Installation.here()
    with calling(here, org) as fettle:
        fettle.remove_silence(id)
    if as_json:
        show_json({"ended": id})
    else:
        say(f"Ended {id}.")


def _say_all(made: Selected, as_json: bool) -> None:
    if as_json:
        show_json(made)
    else:
        say(f"Silenced {_subjects(made['count'])}. To end that: fettle health unsilence {made['selection']}")


def _say_one(made: Silence, as_json: bool) -> None:
    if as_json:
        show_json(made)
        return
    since = "" if made["state"] == "active" else f" from {made['from']}"
    again = "" if made["rrule"] is None else f", again by {made['rrule']} until {made['ends_at']}"
    say(f"{made['subject']} is silenced{since} until {made['until']}{again}.")
    say(f"To end that: fettle health unsilence {made['id']}")
    if not made["known"]:
        warn(f"Nothing is known of {made['subject']} yet.")


def _row(item: Silence) -> tuple[object, ...]:
    return (
        item["state"],
        item["subject"],
        item["from"] or item["starts_at"],
        item["until"] or item["ends_at"],
        item["held"]["count"],
        item["made_by"],
        f"{ago(item['made_at'])} ago",
        item["id"],
        item["reason"],
    )


def _seconds(length: str) -> int:
    if not _LENGTH.fullmatch(length):
        raise UsageError(f"--for takes a length such as 90m, 4h, 7d or 1d12h, not {length!r}")
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(\w)", length))


def _instant(written: str, zone: str | None) -> datetime:
    """A time without an offset is one of `zone`, or of this machine."""
    try:
        clock = None if zone is None else ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"there is no time zone {zone!r}; one is called for instance Europe/Oslo") from None
    try:
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        return instant_of(moment, clock)
    except NoSuchTime as error:
        raise UsageError(f"--from {written} {error}; {error.way_out}") from None
    except (ValueError, OverflowError):
        raise UsageError(f"--from takes a time such as 2026-12-01T22:00, not {written!r}") from None


def _subjects(count: int) -> str:
    return "1 subject" if count == 1 else f"{count} subjects"
