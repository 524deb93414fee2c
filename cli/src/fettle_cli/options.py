"""Options that many commands share."""

import sys
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Org = Annotated[str | None, typer.Option("--org", envvar="FETTLE_ORG", help="The org; default: demo.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many at most.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Where the last page ended (`next_cursor`).")]
Number = Annotated[int, typer.Argument(min=1, metavar="NUMBER", help="The ticket's number.")]
Comment = Annotated[str | None, typer.Option("--comment", "-c", help="A comment to go with it; - reads it from stdin.")]


def text_of(argument: str) -> str:
    """The argument itself, or all of stdin for `-`."""
    return sys.stdin.read() if argument == "-" else argument


def group(name: str, help_text: str) -> typer.Typer:
    """A group of commands, plain and without completion."""
    return typer.Typer(name=name, help=help_text, no_args_is_help=True, rich_markup_mode=None, add_completion=False)
