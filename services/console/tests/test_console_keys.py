"""The list of keys behind `?` against the scripts that listen to them."""

import re
from pathlib import Path

import pytest

import fettle_console

PAGES = Path(fettle_console.__file__).parent
DOCS = Path(__file__).parents[3] / "docs" / "console.md"
NAMES = {"Escape": "Esc"}


def listed(template: str) -> set[str]:
    """The keys of the list, those that are pressed one after the other or together as one."""
    rows = re.findall(r"<dt>(<kbd>.*?)</dt>", (PAGES / "templates" / template).read_text())
    keys = [re.findall(r"<kbd>(.+?)</kbd>", row) for row in rows]
    together = {" ".join(row) for row in keys if row[0] in ("g", "Ctrl")}
    return together | {key for row in keys if row[0] not in ("g", "Ctrl") for key in row}


def heard() -> set[str]:
    """The keys that the script of all pages does something at."""
    script = (PAGES / "static" / "keys.js").read_text()
    [deeds] = re.findall(r"const deeds = \{\n(.*?)\n  \};", script, re.DOTALL)
    [places] = re.findall(r"const places = \{\n(.*?)\n  \};", script, re.DOTALL)
    alone = re.findall(r'^    "?([^\s":]+)"?: \(\) =>', deeds, re.MULTILINE)
    return {NAMES.get(key, key) for key in alone} | {f"g {key}" for key in re.findall(r"(\w): `", places)}


@pytest.mark.rule("AC-193")
def test_the_list_of_keys_and_the_guide_have_every_key_that_does_something() -> None:
    by_the_browser, of_forms = {"Enter"}, {"Ctrl Enter"}
    assert len(heard()) > 12
    assert listed("frame.html") == heard() | by_the_browser | of_forms
    [table] = re.findall(r"## Keys\n(.*?)\n\nThe list", DOCS.read_text(), re.DOTALL)
    told = set(re.findall(r"`([^`]+)`", table.replace("`Ctrl`+`Enter`", "`Ctrl Enter`")))
    assert told == listed("frame.html")


@pytest.mark.rule("AC-193")
def test_the_list_of_keys_has_those_of_the_editor_on_its_page() -> None:
    assert listed("workflow_edit.html") == {"Ctrl Space", "Ctrl s"}
    editor = (PAGES / "static" / "workflow_editor.js").read_text()
    assert 'win: "Ctrl-Enter|Ctrl-S"' in editor
