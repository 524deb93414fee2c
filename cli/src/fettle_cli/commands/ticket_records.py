"""`fettle tickets export` and `fettle tickets verify`: all that is on record, and whether it is what was written."""

import json
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fettle_cli.api import calling
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, show_json, show_table, warn
from fettle_client import BrokenOff, Fettle
from fettle_client.shapes.timelines import Finding, SeenEntry, Sound, VerifyingTickets

if TYPE_CHECKING:
    from fettle_chassis.stored_records import StoredRecord

EVENTS = "ticket.events"
QUIET_S = 2.0
SHOWN = 50
COMPARED_AT_ONCE = 2_000


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


def export(
    form: Annotated[Format, typer.Option("--format", help="jsonl (whole tickets) or csv (a table).")] = Format.JSONL,
    timelines: Annotated[
        bool, typer.Option("--timelines", help="With all entries of each ticket; jsonl only.")
    ] = False,
    file: Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file, not to stdout.")] = None,
    org: Org = None,
) -> None:
    """Write out all tickets, by number."""
    if timelines and form is Format.CSV:
        raise UsageError("--timelines goes with --format jsonl: a table has no place for them")
    with calling(Installation.here(), org) as fettle:
        pieces = fettle.export_csv() if form is Format.CSV else map(_line, fettle.export_tickets(timeline=timelines))
        if file is None:
            sys.stdout.writelines(pieces)
            return
        with _new(file) as out:
            written = 0
            told_at = time.monotonic()
            for piece in pieces:
                written += out.write(piece)
                if time.monotonic() - told_at >= QUIET_S:
                    told_at = time.monotonic()
                    warn(f"{written / 1e6:,.0f} MB written")


def verify(
    seen: Annotated[
        Path | None,
        typer.Option("--export", exists=True, dir_okay=False, help="Compare with what an export once said."),
    ] = None,
    topic: Annotated[
        bool, typer.Option("--topic", help=f"Compare with what stands on {EVENTS}; reads it from its beginning.")
    ] = False,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Check that no timeline or ticket was altered, removed or added behind Fettle's back; exit status 1 if one was.

    A tail that was cut off, or a record that was written anew with the keys, is found only by --export or --topic."""
    here = Installation.here()
    with calling(here, org) as fettle:
        findings, sound = _verified(fettle.verify_tickets())
        compared = passed_over = 0
        if seen is not None:
            for batch in _batches(_of_export(seen)):
                findings += fettle.compare_entries(batch)["findings"]
                compared += len(batch)
        if topic:
            on_topic, passed_over = _compare_with_topic(here, org or here.org, fettle, findings)
            compared += on_topic
    if as_json:
        show_json({**sound, "compared": compared, "passed_over": passed_over, "findings": findings})
    else:
        if passed_over:
            say(f"{passed_over} records on {EVENTS} are no events of this org's tickets and were passed over.")
        _show(sound, findings, compared if seen is not None or topic else None)
    if findings or not sound["sound"]:
        raise CliError("what is on record is not what was written")


def _verified(lines: Iterable[VerifyingTickets]) -> tuple[list[Finding], Sound]:
    findings: list[Finding] = []
    told_at = time.monotonic()
    for line in lines:
        if "verified" in line:
            return findings, line["verified"]
        if "finding" in line:
            findings.append(line["finding"])
        elif time.monotonic() - told_at >= QUIET_S:
            told_at = time.monotonic()
            warn(f"{line['done']:.0%} verified")
    raise BrokenOff("the answer broke off before it was complete")


def _of_export(file: Path) -> Iterator[SeenEntry]:
    """What an export says of entries: of each ticket's latest, or of all where it has timelines. Raises UsageError."""
    with file.open(encoding="utf-8") as lines:
        for place, line in enumerate(lines, start=1):
            try:
                ticket = json.loads(line)
                said = [_seen(ticket, entry, entry) for entry in ticket.get("timeline") or [ticket] if entry["hash"]]
            except (ValueError, KeyError, TypeError):
                raise UsageError(f"{file}:{place} is no line of `fettle tickets export --format jsonl`") from None
            yield from said


def _seen(ticket: dict[str, Any], entry: dict[str, Any], chain: dict[str, Any]) -> SeenEntry:
    """What an export says of an entry; `chain` has its place and head if they were said."""
    seen: SeenEntry = {
        "ticket": ticket["id"],
        "number": ticket["number"],
        "version": entry["version"],
        "hash": entry["hash"],
    }
    if chain.get("head") is not None:
        seen |= {"place": chain["place"], "head": chain["head"]}
    return seen


def _compare_with_topic(here: Installation, org: str, fettle: Fettle, findings: list[Finding]) -> tuple[int, int]:
    """Adds what is found; returns how many entries of the org the topic has, and how many records under its keys are
    none of its events: anybody may write there. Blocks until the topic's end."""
    from fettle_chassis.stored_records import every_record
    from fettle_cli import kafka

    settings = kafka.kafka_settings(here)

    async def compare() -> tuple[int, int]:
        batch: list[SeenEntry] = []
        compared = passed_over = 0
        async for entry in _of_topic(every_record(settings, EVENTS, kafka.CLIENT), org):
            if entry is None:
                passed_over += 1
                continue
            batch.append(entry)
            if len(batch) == COMPARED_AT_ONCE:
                findings.extend(fettle.compare_entries(batch)["findings"])
                compared, batch = compared + len(batch), []
        if batch:
            findings.extend(fettle.compare_entries(batch)["findings"])
        return compared + len(batch), passed_over

    return kafka.run(settings, compare())


async def _of_topic(records: "AsyncIterator[StoredRecord]", org: str) -> AsyncIterator[SeenEntry | None]:
    """What the org's events say of their entries; None for a record that is no such event."""
    from fettle_contracts.message import Unreadable
    from fettle_contracts.ticket_events import TicketEvent

    mine = f"{org}/".encode()
    async for record in records:
        if not (record.key or b"").startswith(mine):
            continue
        try:
            event = TicketEvent.from_json(record.value or b"")
        except Unreadable:
            yield None
            continue
        if event.org != org or record.key != mine + str(event.ticket.id).encode():
            yield None
        elif event.chain is not None and event.entry.hash:
            yield {
                "ticket": str(event.ticket.id),
                "number": event.ticket.number,
                "version": event.entry.version,
                "hash": event.entry.hash,
                "place": event.chain.place,
                "head": event.chain.head,
            }


def _batches(entries: Iterator[SeenEntry]) -> Iterator[list[SeenEntry]]:
    batch: list[SeenEntry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == COMPARED_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _show(sound: Sound, findings: list[Finding], compared: int | None) -> None:
    say(f"{sound['tickets']} tickets with {sound['entries']} entries on record, {sound['removed_tickets']} removed.")
    if sound["entries_before_chains"]:
        say(f"{sound['entries_before_chains']} entries are from before there were chains: nothing vouches for them.")
    if compared is not None:
        say(f"{compared} entries compared with what was seen of them.")
    if not findings:
        say("Nothing was altered." if compared is not None else "Nothing was altered by anybody without the keys.")
        return
    say()
    rows = [(f"#{each['number']}" if each["number"] else "", each["version"], each["message"]) for each in findings]
    show_table(("TICKET", "ENTRY", "WHAT IS WRONG"), rows[:SHOWN], empty="")
    more = max(sum(sound["findings"].values()), len(findings)) - len(rows[:SHOWN])
    if more > 0:
        say(f"And {more} more.")


def _line(ticket: Any) -> str:
    return json.dumps(ticket, ensure_ascii=False, separators=(",", ":")) + "\n"


def _new(file: Path) -> Any:
    try:
        return file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise CliError(f"{file} cannot be written: {error.strerror}") from None
