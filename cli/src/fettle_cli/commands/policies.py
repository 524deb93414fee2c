"""What commands that show and change a policy have in common."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fettle_cli.failures import CliError, UsageError

PolicyFile = Annotated[
    Path | None, typer.Option("--file", help="Replace the policy by this JSON file.", exists=True, dir_okay=False)
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change one field; may be given again.")
]


def read_policy(file: Path) -> dict[str, Any]:
    """Raises CliError when the file holds no JSON object."""
    try:
        value = json.loads(file.read_text())
    except ValueError as error:
        raise CliError(f"{file} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CliError(f"{file} must hold one JSON object")
    return value


def wanted(changes: Iterable[str] | None, example: str) -> Mapping[str, Any]:
    """The fields that `--set` names; a value that is not JSON is text. Raises UsageError, with the example."""
    return dict(_change(change, example) for change in changes or ())


def _change(change: str, example: str) -> tuple[str, Any]:
    name, equals, text = change.partition("=")
    if not equals or not name:
        raise UsageError(f"--set takes FIELD=VALUE, for instance {example}, not {change!r}")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text
