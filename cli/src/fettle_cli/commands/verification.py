"""`fettle health verify`: does the log say what has been published?"""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from fettle_cli.api import calling
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, say_as_of, show_json, show_table, warn
from fettle_client import BrokenOff
from fettle_client.shapes.why import Difference, Verified, Verifying

QUIET_S = 2.0
SHOWN = 50


def verify(
    partition: Annotated[
        int,
        typer.Option(
            "--partition", min=0, help="Of device.heartbeats; a subject's own stands in its changes (`show --json`)."
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(help="From the checkpoint kept then or before, a local time; default: all that can be."),
    ] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Replay a partition from a checkpoint, and compare with what was published; exit status 1 when that differs."""
    here = Installation.here()
    moment = None if since is None else instant("--since", since)
    with calling(here, org) as fettle:
        found = _followed(fettle.verify_partition(partition, since=moment))
    if as_json:
        show_json(found)
    else:
        _show(found)
    if moment is not None and moment < datetime.fromisoformat(found["since"]):
        warn(f"No checkpoint of {since} or before is kept; this is from the oldest that is.")
    if not found["same"]:
        raise CliError(f"partition {partition} does not say what was published")


def instant(option: str, written: str) -> datetime:
    """A time as people write it, a local one unless it has an offset. Raises UsageError."""
    try:
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{option} takes a time such as 2026-12-01T22:00, not {written!r}") from None


def _followed(lines: Iterable[Verifying]) -> Verified:
    """The last line's answer; on the way, how far it is, once that takes long. Raises CliError."""
    told_at = time.monotonic()
    for line in lines:
        if "verified" in line:
            return line["verified"]
        if "problem" in line:
            raise CliError(f"{line['problem']['detail']} [{line['problem']['code']}]")
        if time.monotonic() - told_at >= QUIET_S:
            told_at = time.monotonic()
            warn(f"{line['done']:.0%} replayed")
    raise BrokenOff("the answer broke off before it was complete")


def _show(found: Verified) -> None:
    say(f"Replayed {found['records']} records of partition {found['partition']}, {found['since']} to {found['until']}.")
    say(f"{found['published_same']} changes were published and {found['history_same']} stand in the history as judged.")
    if found["differences"]:
        say()
        rows = [_row(each) for each in found["differences"][:SHOWN]]
        show_table(("WHERE", "WRONG", "AT", "SUBJECT", "CHANGE", "ID", "FIELDS"), rows, empty="")
        if found["differences_count"] > len(rows):
            say(f"And {found['differences_count'] - len(rows)} more.")
    if found["states"]:
        say(f"The newest checkpoint has otherwise: {', '.join(found['states'][:SHOWN])}.")
    say_as_of(found["as_of"])


def _row(each: Difference) -> tuple[object, ...]:
    said = each["replayed"] or each["found"] or {}
    return (
        each["where"],
        each["wrong"].replace("_", " "),
        said["at"],
        said["subject"],
        f"{said['from'] or 'new'} → {said['to'] or 'forgotten'}",
        each["id"],
        "; ".join(_differing(each)),
    )


def _differing(each: Difference) -> Iterator[str]:
    """What stands there, and what was judged: of evidence only the parts that are not alike."""
    judged, there = each["replayed"] or {}, each["found"] or {}
    for name in each["fields"]:
        yield from _pair(name, judged.get(name), there.get(name))


def _pair(name: str, judged: Any, there: Any) -> Iterator[str]:
    if judged == there:
        return
    if isinstance(judged, dict) and isinstance(there, dict):
        for part in sorted(judged.keys() | there.keys()):
            yield from _pair(f"{name}.{part}", judged.get(part), there.get(part))
    else:
        yield f"{name} {_written(there)}, judged {_written(judged)}"


def _written(value: Any) -> str:
    return "missing" if value is None else str(value)
