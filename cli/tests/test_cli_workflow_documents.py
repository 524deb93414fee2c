"""`fettle workflows lint`, `apply`, `export` and versions: documents checked here, saved over a small real API."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle

GOOD = files("fettle_workflow_engine").joinpath("documents", "demo.yaml").read_text()
NAME = "demo-comment-on-new-tickets"
BAD = """\
workflow: mine
title: Mine
nodes:
  opened: {trigger: ticket.opend}
  noted: {after: [opened], action: ticket.comment, with: {ticket: 1}}
"""
NOTE = """\
workflow: NAME
enabled: true
nodes:
  on: {trigger: ticket.opened}
  do: {after: [on], action: ticket.comment, with: {ticket: 1, text: Seen.}}
"""


def note(name: str, **changes: str) -> str:
    text = NOTE.replace("NAME", name)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def saved(name: str, document: str, version: int = 1) -> dict[str, Any]:
    return {"workflow": name, "document": document, "version": version, "enabled": True, "saved_at": AT}


@pytest.fixture
def good(fettle: Fettle, tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(fettle: Fettle, tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    return path


@pytest.fixture
def folder(fettle: Fettle, tmp_path: Path) -> Path:
    """One document as it is saved, one that changed, one that is new; and what is no document."""
    folder = tmp_path / "flows"
    (folder / "ops").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "config.yaml").write_text("no: document")
    (folder / "README.md").write_text("no document")
    (folder / "a.yaml").write_text(note("a"))
    (folder / "b.yml").write_text(note("b", Seen="Read"))
    document = {"workflow": "c", "nodes": {"on": {"trigger": "ticket.resolved"}}}
    (folder / "ops" / "c.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def org(api: FettleApi) -> FettleApi:
    """An org with a, b and d."""
    items = [saved("a", note("a")), saved("b", note("b")), saved("d", note("d"))]
    api.on("GET", "orgs/acme/workflows", {"items": items, "next_cursor": None})
    api.on("PUT", "orgs/acme/workflows/b", saved("b", "", 2))
    api.on("POST", "orgs/acme/workflows", saved("c", "", 2), 201)
    api.on("DELETE", "orgs/acme/workflows/d", None, 204)
    return api


def written(api: FettleApi) -> list[str]:
    return [f"{one.method} {one.path.rpartition('/')[2]}" for one in api.requests if one.method != "GET"]


@pytest.mark.rule("AC-68")
def test_a_good_document_passes_quietly(fettle: Fettle, good: Path) -> None:
    ran = fettle("workflows", "lint", str(good))
    assert (ran.status, ran.out, ran.err) == (0, "", "")


@pytest.mark.rule("AC-68")
def test_every_fault_has_its_place_and_close_names_are_suggested(fettle: Fettle, good: Path, bad: Path) -> None:
    ran = fettle("workflows", "lint", str(good), str(bad))
    assert ran.status == 1
    places = [line.split(": ")[0] for line in ran.out.splitlines()]
    assert len(places) >= 2
    assert all(place.startswith(f"{bad}:") for place in places)
    assert f"{bad}:4:" in ran.out
    assert "did you mean ticket.opened?" in ran.out
    assert "1 of 2 documents cannot be saved" in ran.err
    items = json.loads(fettle("workflows", "lint", str(bad), "--json").out)["items"]
    assert len(items[0]["faults"]) == len(places)


@pytest.mark.rule("AC-68")
def test_what_is_no_document_is_a_fault_too(fettle: Fettle, tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"workflow: \xe5")
    (tmp_path / "list.yaml").write_text("- 1\n")
    for name in ("latin.yaml", "list.yaml"):
        assert fettle("workflows", "lint", name).status == 1
    assert fettle("workflows", "lint", "nowhere.yaml").status == 2


@pytest.mark.rule("AC-68")
def test_apply_saves_each_under_its_name(fettle: Fettle, api: FettleApi, good: Path) -> None:
    api.on("GET", "orgs/acme/workflows", {"items": [], "next_cursor": None})
    api.on("POST", "orgs/acme/workflows", {"workflow": NAME, "version": 2, "enabled": True}, 201)
    ran = fettle("workflows", "apply", str(good), "--yes")
    assert (ran.status, ran.out) == (0, f"create: {NAME}\n{NAME} is saved as version 2, enabled\n")
    assert (api.last.body.decode(), api.last.headers["content-type"]) == (GOOD, "application/yaml")


@pytest.mark.rule("AC-68")
def test_apply_saves_nothing_when_one_document_is_at_fault(
    fettle: Fettle, api: FettleApi, good: Path, bad: Path
) -> None:
    ran = fettle("workflows", "apply", str(good), str(bad), "--yes")
    assert ran.status == 1
    assert "nothing was saved" in ran.err
    assert api.requests == []


@pytest.mark.rule("AC-68")
def test_what_only_the_engine_can_find_is_shown_in_its_place(fettle: Fettle, api: FettleApi, good: Path) -> None:
    fault = {"line": 6, "column": 3, "message": "this workflow would start itself", "suggestion": None}
    api.refuse("POST", "orgs/acme/workflows", 422, "invalid", "Line 6.", faults=[fault])
    api.on("GET", "orgs/acme/workflows", {"items": [], "next_cursor": None})
    ran = fettle("workflows", "apply", str(good), "--yes")
    assert ran.status == 1
    assert ran.out == f"create: {NAME}\n{good}:6:3: this workflow would start itself\n"
    assert ran.err == f"fettle: {good}: Line 6. [invalid]\n"


@pytest.mark.rule("AC-68")
def test_folders_are_checked_whole(fettle: Fettle, folder: Path) -> None:
    assert fettle("workflows", "lint", str(folder)).out == ""
    items = json.loads(fettle("workflows", "lint", str(folder), "--json").out)["items"]
    assert [Path(one["file"]).name for one in items] == ["a.yaml", "b.yml", "c.json"]
    (folder / "ops" / "d.yaml").write_text(note("a"))
    (folder / "e.yaml").write_text(note("e", **{"ticket.opened": "ticket.comment-added"}))
    ran = fettle("workflows", "lint", str(folder))
    assert ran.status == 1
    assert f"{folder}/e.yaml:5:29: starts this workflow again" in ran.out
    assert f"{folder}/ops/d.yaml:1:1: {folder}/a.yaml is of the workflow 'a' too" in ran.out
    (folder / "none").mkdir()
    ran = fettle("workflows", "lint", str(folder / "none"))
    assert (ran.status, "holds no documents" in ran.err) == (2, True)


@pytest.mark.rule("WF-39")
def test_apply_shows_its_plan_and_asks(fettle: Fettle, org: FettleApi, folder: Path) -> None:
    ran = fettle("workflows", "apply", str(folder), stdin="n\n", typed=True)
    assert (ran.status, ran.err) == (1, "fettle: nothing was saved\n")
    plan = ran.out.partition("Save this?")[0].splitlines()
    assert plan == [
        "unchanged: a",
        "change: b",
        "  --- b as saved",
        "  +++ b to save",
        "  @@ -2,4 +2,4 @@",
        "   enabled: true",
        "   nodes:",
        "     on: {trigger: ticket.opened}",
        "  -  do: {after: [on], action: ticket.comment, with: {ticket: 1, text: Seen.}}",
        "  +  do: {after: [on], action: ticket.comment, with: {ticket: 1, text: Read.}}",
        "create: c",
        "keep (none of the documents; --prune deletes it): d",
    ]
    assert written(org) == []
    assert fettle("workflows", "apply", str(folder), stdin="y\n", typed=True).status == 0
    assert written(org) == ["PUT b", "POST workflows"]


@pytest.mark.rule("WF-39")
def test_apply_deletes_only_what_it_is_told_to(fettle: Fettle, org: FettleApi, folder: Path) -> None:
    ran = fettle("workflows", "apply", str(folder), "--prune", "--yes", "--json")
    assert written(org) == ["PUT b", "POST workflows", "DELETE d"]
    told = json.loads(ran.out)
    acts = {one["workflow"]: one["act"] for one in told["plan"]}
    assert acts == {"a": "unchanged", "b": "change", "c": "create", "d": "delete"}
    assert [one["workflow"] for one in told["items"]] == ["b", "c"]


@pytest.mark.rule("AC-62", "WF-39")
def test_apply_sends_nothing_when_nobody_can_be_asked(fettle: Fettle, org: FettleApi, folder: Path) -> None:
    for more in ((), ("--json",)):
        ran = fettle("workflows", "apply", str(folder), *more)
        assert (ran.status, "say --yes" in ran.err) == (2, True)
    assert org.requests == []


@pytest.mark.rule("WF-39")
def test_apply_does_nothing_where_nothing_differs(fettle: Fettle, org: FettleApi, tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text(note("a"))
    ran = fettle("workflows", "apply", "same.yaml", typed=True)
    assert (ran.status, ran.out.splitlines()[0], written(org)) == (0, "unchanged: a", [])


@pytest.mark.rule("WF-39")
def test_apply_says_what_was_saved_before_it_was_refused(fettle: Fettle, org: FettleApi, folder: Path) -> None:
    fault = {"line": 1, "column": 1, "message": "starts this workflow again", "suggestion": None}
    org.refuse("POST", "orgs/acme/workflows", 422, "invalid", "Line 1.", faults=[fault])
    ran = fettle("workflows", "apply", str(folder), "--yes")
    assert ran.status == 1
    assert ran.err == f"fettle: {folder}/ops/c.json: Line 1. [invalid]; saved before: b\n"
    assert written(org) == ["PUT b", "POST workflows", "POST workflows"]


@pytest.mark.rule("AC-190")
def test_apply_replaces_only_what_its_plan_has_seen(fettle: Fettle, org: FettleApi, folder: Path) -> None:
    assert fettle("workflows", "apply", str(folder), "--prune", "--yes").status == 0
    seen = {one.method: one.headers.get("if-match") for one in org.requests if one.method != "GET"}
    assert seen == {"PUT": f'"{AT}"', "POST": None, "DELETE": f'"{AT}"'}
    detail, again = "The workflow was saved at 10:20 by bob.", "; apply again to see what it would change now"
    for method, path, name in (
        ("PUT", "orgs/acme/workflows/b", f"{folder}/b.yml"),
        ("POST", "orgs/acme/workflows", f"{folder}/ops/c.json"),
        ("DELETE", "orgs/acme/workflows/d", "d"),
    ):
        answers = dict(org.answers)
        org.refuse(method, path, 409 if method == "POST" else 412, "stale", detail)
        ran = fettle("workflows", "apply", str(folder), "--prune", "--yes")
        assert (ran.status, ran.err.startswith(f"fettle: {name}: {detail} [stale]{again}")) == (1, True), ran.err
        org.answers = answers


@pytest.mark.rule("WF-38")
def test_export_writes_each_document_as_it_was_saved(fettle: Fettle, api: FettleApi, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    text = "workflow: a # æ\r\nnodes: {on: {trigger: ticket.opened}}\n"
    items = [saved("a", text), saved("j", '{"workflow": "j"}')]
    api.on("GET", "orgs/acme/workflows", {"items": items, "next_cursor": None})
    ran = fettle("workflows", "export", "out")
    assert ran.out == "2 documents are in out\n"
    assert api.last.query["documents"] == "true"
    found = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert found == {"a.yaml": text.encode(), "j.json": b'{"workflow": "j"}', "mine.txt": b"mine"}


@pytest.mark.rule("AC-60")
def test_versions_are_listed_compared_and_brought_back(fettle: Fettle, api: FettleApi) -> None:
    path = f"orgs/acme/workflows/{NAME}"
    version = {"version": 2, "saved_at": AT, "saved_by": "ann", "document": GOOD}
    api.on("GET", f"{path}/versions", {"items": [version], "next_cursor": None})
    (row,) = fettle("workflows", "versions", NAME).out.splitlines()[1:]
    assert (row.split()[0], row.split()[-1]) == ("2", "ann")
    api.on("GET", path, saved(NAME, GOOD, 2))
    found = {"from_version": 1, "version": 2, "text": "--- a\n+++ b\n", "hunks": []}
    api.on("GET", f"{path}/versions/2/difference", found)
    assert fettle("workflows", "diff", NAME).out == "--- a\n+++ b\n"
    assert json.loads(fettle("workflows", "diff", NAME, "2", "--from", "1", "--json").out) == found
    assert api.last.query == {"from_version": "1"}
    api.on("POST", f"{path}/versions/1/restore", saved(NAME, GOOD, 3))
    ran = fettle("workflows", "restore", NAME, "1")
    assert ran.out == f"{NAME} is as version 1 began, saved as version 3, enabled\n"
