"""Versions: how two differ, and bringing one back."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from engine_api import NOTE, Api, api_of, refusal
from engine_world import event
from hypothesis import given
from hypothesis import strategies as st

from fettle_chassis.tokens import Role
from fettle_workflow_engine.domain.difference import Hunk, LineKind, difference, unified


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with api_of(environment) as api:
        yield api


LINES = st.lists(st.sampled_from(["a", "b", "c", "", "  d", "-- e"]), max_size=30)


def applied(before: list[str], hunks: tuple[Hunk, ...]) -> list[str]:
    """What the hunks make of `before`, as a reader of the data would."""
    after: list[str] = []
    place = 0
    for hunk in hunks:
        start = hunk.old_start - bool(hunk.old_lines)
        after += before[place:start]
        assert len(after) == hunk.new_start - bool(hunk.new_lines)
        old = [line.text for line in hunk.lines if line.kind is not LineKind.ADDED]
        assert old == before[start : start + hunk.old_lines]
        new = [line.text for line in hunk.lines if line.kind is not LineKind.REMOVED]
        assert len(new) == hunk.new_lines
        after += new
        place = start + hunk.old_lines
    return after + before[place:]


@pytest.mark.rule("WF-35")
@given(before=LINES, after=LINES)
def test_a_difference_leads_from_one_to_the_other(before: list[str], after: list[str]) -> None:
    old, new = "\n".join([*before, "end"]), "\n".join([*after, "end"])
    hunks = difference(old, new)
    assert applied(old.splitlines(), hunks) == new.splitlines()
    assert (hunks == ()) == (old == new)
    for hunk in hunks:
        changed = [index for index, line in enumerate(hunk.lines) if line.kind is not LineKind.KEPT]
        assert changed[0] <= 3
        assert len(hunk.lines) - 1 - changed[-1] <= 3


@pytest.mark.rule("WF-35")
@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not installed")
@pytest.mark.parametrize("changed", [[3], [3, 9], [3, 30], [0, 59]])
def test_the_text_is_what_patch_reads(tmp_path: Path, changed: list[int]) -> None:
    before = [f"line {number}" for number in range(60)]
    after = [text.upper() if index in changed else text for index, text in enumerate(before)]
    (tmp_path / "note.yaml").write_text("\n".join(before) + "\n")
    text = unified(difference("\n".join(before), "\n".join(after)), "note.yaml", "note.yaml")
    subprocess.run(["patch", "--posix", "note.yaml"], input=text, cwd=tmp_path, text=True, check=True)
    assert (tmp_path / "note.yaml").read_text() == "\n".join(after) + "\n"


@pytest.mark.rule("WF-35")
def test_what_is_too_large_to_compare_counts_as_replaced() -> None:
    old, new = "\n".join(["head", *["a", "b"] * 8_000]), "\n".join(["head", *["b", "a", "c"] * 5_000])
    (hunk,) = difference(old, new)
    assert (hunk.lines[0].text, hunk.lines[0].kind) == ("head", LineKind.KEPT)
    assert applied(old.splitlines(), (hunk,)) == new.splitlines()


@pytest.mark.rule("WF-35")
async def test_versions_are_shown_with_how_they_differ(api: Api) -> None:
    louder = NOTE.replace("Seen.", "SEEN.")
    await api.call("POST", "/workflows", NOTE)
    await api.call("PUT", "/workflows/note", louder)
    assert (await api.get("/workflows/note/versions/1"))["document"] == NOTE
    changed = await api.get("/workflows/note/versions/2/difference")
    assert (changed["from_version"], changed["version"]) == (1, 2)
    assert changed["text"].splitlines()[:3] == ["--- note version 1", "+++ note version 2", "@@ -3,4 +3,4 @@"]
    (hunk,) = changed["hunks"]
    assert [line["kind"] for line in hunk["lines"]] == ["kept", "kept", "kept", "removed", "added"]
    assert hunk["lines"][-1]["text"].endswith("text: SEEN.}}")
    back = await api.get("/workflows/note/versions/1/difference?from_version=2")
    assert [line["kind"] for line in back["hunks"][0]["lines"]] == [line["kind"] for line in hunk["lines"]]
    first = await api.get("/workflows/note/versions/1/difference")
    assert (first["from_version"], first["hunks"][0]["new_lines"]) == (None, len(NOTE.splitlines()))
    same = await api.get("/workflows/note/versions/1/difference?from_version=1")
    assert (same["text"], same["hunks"]) == ("", [])
    for path in ("/note/versions/3", "/other/versions/1", "/note/versions/1/difference?from_version=3"):
        refusal(await api.call("GET", f"/workflows{path}"), 404, "not_found")
    for path in ("/note/versions/0", "/note/versions/x", f"/note/versions/{2**31}"):
        refusal(await api.call("GET", f"/workflows{path}"), 400, "malformed")


@pytest.mark.rule("WF-36")
async def test_a_version_is_brought_back_as_it_stood(api: Api) -> None:
    await api.call("POST", "/workflows", NOTE)
    await api.call("PUT", "/workflows/note", NOTE.replace("Seen.", "SEEN.").replace("enabled: true", "enabled: false"))
    restored = await api.call("POST", "/workflows/note/versions/1/restore", idempotency_key="r1")
    assert restored.status_code == 200
    body: dict[str, Any] = restored.json()
    assert (body["version"], body["document"], body["enabled"]) == (3, NOTE, True)
    again = await api.call("POST", "/workflows/note/versions/1/restore", idempotency_key="r1")
    assert again.json() == body
    unchanged = await api.call("POST", "/workflows/note/versions/3/restore")
    assert unchanged.json()["version"] == 3
    refusal(await api.call("POST", "/workflows/note/versions/9/restore"), 404, "not_found")
    refusal(await api.call("POST", "/workflows/other/versions/1/restore"), 404, "not_found")
    refusal(await api.call("POST", "/workflows/note/versions/1/restore", role=Role.OPERATOR), 403, "forbidden")
    refusal(await api.call("POST", "/workflows/note/versions/1/restore", org="other"), 404, "not_found")


@pytest.mark.rule("WF-36")
async def test_what_would_make_a_loop_now_is_not_brought_back(api: Api) -> None:
    await api.call("POST", "/workflows", NOTE)
    await api.call("PUT", "/workflows/note", NOTE.replace("enabled: true", "enabled: false"))
    back = NOTE.replace("workflow: note", "workflow: back").replace("ticket.opened", "ticket.comment-added")
    back = back.replace("ticket.comment,", "ticket.open,").replace(
        "{ticket: {ref: event.ticket.id}, text: Seen.}", "{title: a, kind: b, subject: {ref: event.ticket.subject}}"
    )
    assert (await api.call("POST", "/workflows", back)).status_code == 201
    body = refusal(await api.call("POST", "/workflows/note/versions/1/restore"), 422, "invalid")
    assert "starts this workflow again" in body["faults"][0]["message"]
    assert not (await api.get("/workflows/note"))["enabled"]


@pytest.mark.rule("WF-37")
async def test_a_draft_is_checked_as_what_is_live_and_starts_nothing(api: Api) -> None:
    draft = NOTE.replace("enabled: true", "enabled: false")
    refusal(await api.call("POST", "/workflows", draft.replace("text:", "txt:")), 422, "invalid")
    assert (await api.call("POST", "/workflows", draft)).status_code == 201
    await api.world.happen(event())
    assert (await api.get("/runs"))["items"] == []


@pytest.mark.rule("WF-38")
async def test_a_list_with_documents_is_an_export(api: Api) -> None:
    names = [f"note-{number}" for number in range(3)]
    for name in names:
        await api.call("POST", "/workflows", NOTE.replace("workflow: note", f"workflow: {name}"))
    first = await api.get("/workflows?documents=true&limit=2")
    rest = await api.get(f"/workflows?documents=true&limit=2&cursor={first['next_cursor']}")
    exported = {one["workflow"]: one["document"] for one in (*first["items"], *rest["items"])}
    assert exported == {name: NOTE.replace("workflow: note", f"workflow: {name}") for name in names}
    other = [await api.call("POST", "/workflows", document, org="other") for document in exported.values()]
    assert [one.status_code for one in other] == [201] * 3
    assert (await api.get("/workflows?documents=true", org="other"))["items"][2]["document"] == exported["note-2"]
