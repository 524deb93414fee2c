"""What pages tell people to type is something that `fettle` takes."""

import html
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from fettle_cli.main import app

ROOT = Path(__file__).parents[2]
_SAID = re.compile(r"<(?:code|pre)[^>]*>\s*(fettle [^<]+)")


def said() -> Iterator[str]:
    for path in sorted((ROOT / "services/console/src").rglob("*.html")):
        for text in _SAID.findall(path.read_text()):
            yield from (line.strip() for line in html.unescape(text).splitlines() if line.strip())


@pytest.mark.rule("AC-180")
@pytest.mark.parametrize("line", sorted(set(said())))
def test_what_a_page_has_people_type_exists(line: str) -> None:
    words = shlex.split(re.sub(r"{{.*?}}|…", "x", line).split("|")[0])[1:]
    command = get_command(app)
    while words and isinstance(command, typer.core.TyperGroup):
        found = command.get_command(None, words[0])  # type: ignore[arg-type]
        assert found is not None, f"no command {words[0]}"
        command, words = found, words[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert [word for word in words if word.startswith("-") and word not in options] == []


def test_pages_say_commands() -> None:
    assert len(set(said())) > 5
