"""`fettle health import`: a file of subjects for the registry."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from fettle_cli.api import calling
from fettle_cli.failures import CliError, UsageError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, say_as_of, show_table
from fettle_client import BrokenOff, Fettle
from fettle_client.shapes.health import ImportedLine, ImportSummary

_FORMATS: dict[str, Literal["csv", "ndjson"]] = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_EVERY_LINES = 500


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="FILE.csv, FILE.ndjson or FILE.jsonl.", exists=True, dir_okay=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would come to.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="On a terminal too: import without a dry run first.")
    ] = False,
    org: Org = None,
    as_json: Json = False,
) -> None:
    """Enter the subjects of a file into the registry: columns or fields type, id, name, integration, space, model,
    interval_s. The same file may be imported again: what stands there already is left as it is."""
    if file.suffix.lower() not in _FORMATS:
        raise UsageError(f"the name of {file} must end in {', '.join(_FORMATS)}: that says what it holds")
    here = Installation.here()
    asks = sys.stdin.isatty() and not (yes or as_json or dry_run)
    with calling(here, org) as fettle:
        importing = _Import(fettle, file, as_json=as_json)
        summary = importing.run(dry_run=dry_run or asks)
        if asks:
            wanted = summary["added"] + summary["changed"]
            if wanted:
                typer.confirm(f"Add {summary['added']} and change {summary['changed']}?", abort=True, err=True)
                summary = importing.run(dry_run=False)
    if summary["refused"]:
        raise typer.Exit(1)


class _Import:
    """One file on its way. Progress is shown on a terminal, refused lines and the sum to people; with `as_json` the
    answer is printed as it comes."""

    def __init__(self, fettle: Fettle, file: Path, *, as_json: bool) -> None:
        self._fettle, self._file, self._as_json = fettle, file, as_json
        self._content = file.read_bytes()
        self._lines = self._content.count(b"\n")

    def run(self, *, dry_run: bool) -> ImportSummary:
        """The sum. Raises CliError when the answer breaks off."""
        last, refused, summary = 0, list[ImportedLine](), None
        for item in self._items(dry_run):
            if "summary" in item:
                summary = item["summary"]
            else:
                last = item["line"]
                if item["result"] == "refused":
                    refused.append(item)
                self._show(last)
        self._show(None)
        if summary is None:
            raise CliError(
                f"the answer broke off after line {last}: import the file again, what is in is left as it is"
            )
        if not self._as_json:
            self._say(summary, refused)
        return summary

    def _items(self, dry_run: bool) -> Iterator[ImportedLine]:
        kind = _FORMATS[self._file.suffix.lower()]
        with suppress(BrokenOff):
            for item in self._fettle.import_subjects(self._content, format=kind, dry_run=dry_run):
                if self._as_json:
                    say(json.dumps(item, ensure_ascii=False))
                yield item

    def _show(self, line: int | None) -> None:
        """How far it is; None clears that."""
        if self._as_json or not sys.stderr.isatty() or (line is not None and line % _EVERY_LINES):
            return
        sys.stderr.write("\r\x1b[K" if line is None else f"\rline {line:,} of {self._lines:,}")
        sys.stderr.flush()

    def _say(self, summary: ImportSummary, refused: list[ImportedLine]) -> None:
        if refused:
            rows = [(item["line"], item["subject"], item.get("field"), item["rule"]) for item in refused]
            show_table(("LINE", "SUBJECT", "FIELD", "REFUSED BECAUSE"), rows, empty="")
        counts = ", ".join(f"{summary[name]} {name}" for name in ("added", "changed", "unchanged", "refused"))
        say(f"{'Nothing was entered; it would be: ' if summary['dry_run'] else ''}{counts}.")
        if summary["acknowledged"] is False:
            say("Kafka does not have all of it yet; it will take effect when it does.")
        say_as_of(summary["as_of"])
