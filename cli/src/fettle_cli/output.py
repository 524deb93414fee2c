"""What the commands print: tables for people, JSON for programs, times as people say them."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

COLOURS = {
    "open": "red",
    "in_progress": "yellow",
    "resolved": "green",
    "healthy": "green",
    "pending_open": "yellow",
    "firing": "red",
    "pending_resolve": "yellow",
    "flapping": "magenta",
    "unknown": "bright_black",
    "ready": "green",
    "starting": "yellow",
    "stopped": "red",
    "ok": "green",
    "look": "yellow",
    "wrong": "red",
}
_GAP = 2


def say(text: str = "") -> None:
    """One line for people; colours are left out when nobody looks."""
    typer.echo(text)


def warn(text: str) -> None:
    """One line on stderr."""
    typer.echo(text, err=True)


def show_json(value: Any) -> None:
    """The value for programs, on one line if the output is not a terminal."""
    indent = 2 if sys.stdout.isatty() else None
    typer.echo(json.dumps(value, indent=indent, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Rows under their column names; the last column is cut to the terminal. `empty` is said when there are none."""
    texts = [[_cell(value) for value in row] for row in rows]
    if not texts:
        say(empty)
        return
    widths = [max(len(line[place]) for line in [list(columns), *texts]) for place in range(len(columns))]
    widths[-1] = min(widths[-1], _room() - sum(widths[:-1]) - _GAP * (len(widths) - 1))
    say(typer.style(_line(columns, widths), dim=True))
    for line in texts:
        say(_line(line, widths))


def show_page(
    page: Mapping[str, Any],
    columns: Sequence[str],
    row: Callable[[Any], Sequence[object]],
    *,
    empty: str,
    as_json: bool,
) -> None:
    """A page of a list: as it came for programs; for people a table, up to when it holds, and how to get the next."""
    if as_json:
        show_json(page)
        return
    show_table(columns, map(row, page["items"]), empty=empty)
    say_as_of(page.get("as_of"))
    if page.get("next_cursor"):
        warn(f"More: --cursor {page['next_cursor']}")


def say_as_of(as_of: str | None) -> None:
    """Up to when an answer holds; nothing where that is not known."""
    if as_of:
        say(f"As of {as_of}.")


def show_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Names and values one under the other; what is None is left out."""
    known = [(name, _cell(value)) for name, value in fields if value is not None]
    width = max((len(name) for name, _ in known), default=0)
    for name, text in known:
        say(f"{typer.style(name.ljust(width), dim=True)}  {_coloured(text)}")


def ago(time: str | None, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 time was: `12 s`, `5 min`, `3 h`, `2 d`. Empty for None."""
    if time is None:
        return ""
    seconds = int(((now or datetime.now(UTC)) - datetime.fromisoformat(time)).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(0, seconds)} s"


def words(value: str | None) -> str | None:
    """A state, condition or reason as people say it."""
    return None if value is None else value.replace("_", " ")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    cut = [_cut(cell, width) for cell, width in zip(cells, widths, strict=True)]
    padding = [" " * (width - len(text) + _GAP) for text, width in zip(cut[:-1], widths[:-1], strict=True)]
    return "".join(_coloured(text) + room for text, room in zip(cut, [*padding, ""], strict=True)).rstrip()


def _room() -> int:
    """Columns to write in; without a terminal nothing is cut."""
    return max(40, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 1_000_000


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"


def _coloured(text: str) -> str:
    colour = COLOURS.get(text.replace(" ", "_"))
    return typer.style(text, fg=colour) if colour else text


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())
