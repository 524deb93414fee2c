"""`fettle health verify`: does the log say what has been published?"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from fettle_cli.api import org_api, org_path
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, show_json, show_table, warn
from fettle_contracts.times import rfc3339

QUIET_S = 2.0
SHOWN = 50


def verify(
    partition: Annotated[int, typer.Option("--partition", min=0, help="Of device.heartbeats.")],
    since: Annotated[
        str | None,
        typer.Option(help="From the checkpoint kept then or before, a local time; default: all that can be."),
    ] = None,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Replay a partition from a checkpoint, and compare with what was published; exit status 1 when that differs."""
    here = Installation.here()
    query: dict[str, Any] = {"partition": partition}
    if since is not None:
        query["since"] = rfc3339(instant("--since", since))
    with org_api(here) as api:
        found = _followed(api.lines("GET", org_path(org or here.org, "verify"), query=query))
    if as_json:
        show_json(found)
    else:
        _show(found)
    if not found["same"]:
        raise CliError(f"partition {partition} does not say what was published")


def instant(option: str, written: str) -> datetime:
    """A time as people write it, a local one unless it has an offset. Raises UsageError."""
    try:
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{option} takes a time such as 2026-12-01T22:00, not {written!r}") from None


def _followed(lines: Iterator[str]) -> dict[str, Any]:
    """The last line's answer; on the way, how far it is, once that takes long. Raises CliError."""
    told_at = time.monotonic()
    for line in map(json.loads, filter(None, lines)):
        if "verified" in line:
            return dict(line["verified"])
        if "problem" in line:
            raise CliError(f"{line['problem']['detail']} [{line['problem']['code']}]")
        if time.monotonic() - told_at >= QUIET_S:
            told_at = time.monotonic()
            warn(f"{line['done']:.0%} replayed")
    raise CliError("the answer broke off before it was complete")


def _show(found: dict[str, Any]) -> None:
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


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    said = each["replayed"] or each["found"]
    return (
        each["where"],
        each["wrong"].replace("_", " "),
        said["at"],
        said["subject"],
        f"{said['from'] or 'new'} → {said['to'] or 'forgotten'}",
        each["id"],
        ", ".join(each["fields"]),
    )
