"""The page of one workflow: its document, how it is written, and its versions."""

import html
import re
from itertools import count

import httpx2
import pytest
import pytest_asyncio
from console_graphs import ALERT, node
from console_html import elements
from console_workflows_fake import Workflows, document
from console_world import World

from fettle_console.views.differences import Difference
from fettle_console.views.faults import faults_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVIL = '<script>alert(1)</script>"><b>'
FIRST = document("first-hint", title="First hint")


@pytest_asyncio.fixture(loop_scope="session")
async def workflows(world: World) -> Workflows:
    world.workflows.on = True
    return world.workflows


def words_of(text: str) -> str:
    """What a reader sees."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text))).strip()


def typed_in(text: str) -> str:
    return html.unescape(text.partition('id="document"')[2].partition(">\n")[2].partition("</textarea>")[0])


def base_of(page: httpx2.Response) -> str:
    """When the workflow was saved that its forms are for."""
    return html.unescape(re.findall(r'name="base" value="([^"]*)"', page.text)[0])


@pytest.mark.rule("AC-88")
async def test_a_workflows_page_says_when_it_starts_and_shows_its_document(world: World, workflows: Workflows) -> None:
    workflows.save("acme", f"{FIRST}# {EVIL}\n")
    workflows.run("acme", "first-hint", "failed", 130)
    await world.sign_in("acme", "viewer")
    page = await world.http.get("/orgs/acme/workflows/first-hint")
    said = words_of(page.text)
    assert "Starts when a ticket opens." in said
    assert f"# {EVIL}" in said
    assert "Failed 2 min ago , as a ticket opens" in said
    assert ("<script>alert" in page.text, "/edit" in page.text) == (False, False)
    assert (await world.http.get("/orgs/acme/workflows/nothing")).status_code == 404
    assert (await world.http.get("/orgs/zoo/workflows/first-hint")).status_code == 404


@pytest.mark.rule("AC-140")
async def test_a_workflows_page_draws_what_follows_what_and_leads_to_its_lines(
    world: World, workflows: Workflows
) -> None:
    workflows.save("acme", FIRST)
    workflows.graph = [*ALERT, node(EVIL, "action", "wait", "noted", line=9)]
    await world.sign_in("acme", "viewer")
    page = (await world.http.get("/orgs/acme/workflows/first-hint")).text
    links = {said["aria-label"]: said["href"] for tag, said in elements(page) if said.get("class") == "node"}
    assert links["failed: comment on a ticket, after tell (error)"] == "#line-8"
    assert (links[f"{EVIL}: wait, after noted"], "<script>alert" in page) == ("#line-9", False)
    ids = {said.get("id") for _, said in elements(page)}
    assert {"line-1", "line-5"} <= ids
    assert "arrow error" in page
    assert [said for tag, said in elements(page) if "style" in said] == []  # the policy would let none count


@pytest.mark.rule("AC-88")
async def test_a_document_is_checked_and_saved_and_faults_stand_at_their_places(
    world: World, workflows: Workflows
) -> None:
    workflows.save("acme", FIRST)
    await world.sign_in("acme", "admin")
    path = "/orgs/acme/workflows/first-hint/edit"
    page = await world.http.get(path)
    assert typed_in(page.text) == FIRST
    base = re.findall(r'name="base" value="([^"]*)"', page.text)[0]
    form = {"command_id": "1", "base": html.unescape(base)}
    faulty = f"{FIRST}  noted: {{after: [opend]}}\n"
    for action in ("check", "save"):
        refused = await world.post(path, action=action, document=faulty.replace("\n", "\r\n"), **form)
        assert refused.status_code == 422
        assert (
            "Line 6, column 19 : There is no node 'opend'. Did you mean opened? noted: {after: [ opend]}"
            in words_of(refused.text)
        )
        assert typed_in(refused.text) == faulty
    checked = await world.post(path, action="check", document=FIRST, **form)
    assert "No faults" in checked.text
    assert workflows.kept["acme", "first-hint"]["version"] == 1
    other = await world.post(path, action="check", document=document("other"), **form)
    assert (other.status_code, "this page of first-hint" in other.text) == (422, True)
    saved = await world.post(path, action="save", document=f"{FIRST}# mine\n", **form)
    assert (saved.status_code, saved.headers["location"]) == (303, "/orgs/acme/workflows/first-hint")
    assert workflows.kept["acme", "first-hint"]["document"] == f"{FIRST}# mine\n"


@pytest.mark.rule("AC-142")
async def test_a_document_is_checked_while_it_is_written(world: World, workflows: Workflows) -> None:
    workflows.save("acme", FIRST)
    workflows.graph = list(ALERT)
    await world.sign_in("acme", "admin")
    edit = await world.http.get("/orgs/acme/workflows/first-hint/edit")
    [form] = [said for _, said in elements(edit.text) if said.get("data-check")]
    check = str(form["data-check"])
    fine = await world.post(check, document=FIRST)
    assert (fine.status_code, "No faults" in fine.text, "failed: comment on a ticket" in fine.text) == (200, True, True)
    assert "<html" not in fine.text
    faulty = await world.post(check, document=f"{FIRST}  noted: {{after: [opend]}}\r\n")
    [fault] = [said for _, said in elements(faulty.text) if said.get("data-line")]
    assert (fault["data-line"], fault["data-column"], fault["data-says"]) == (
        "6", "19", "There is no node 'opend'. Did you mean opened?",
    )  # fmt: skip
    assert (faulty.status_code, 'class="graph"' in faulty.text) == (200, False)
    other = await world.post(check, document=document("other"))
    assert "this page of first-hint" in other.text
    await world.sign_in("acme", "operator")
    assert (await world.post(check, document=FIRST)).status_code == 403


@pytest.mark.rule("AC-150")
async def test_an_admin_removes_a_workflow_where_it_is_written(world: World, workflows: Workflows) -> None:
    workflows.save("acme", FIRST)
    await world.sign_in("acme", "operator")
    path = "/orgs/acme/workflows/first-hint/remove"
    assert (await world.post(path, command_id="1")).status_code == 403
    await world.sign_in("acme", "admin")
    edit = (await world.http.get("/orgs/acme/workflows/first-hint/edit")).text
    assert (f'action="{path}"' in edit, "Runs that have begun go on" in edit) == (True, True)
    assert "/remove" not in (await world.http.get("/orgs/acme/new-workflow")).text
    removed = await world.post(path, command_id="2", base=workflows.kept["acme", "first-hint"]["saved_at"])
    assert (removed.headers["location"], workflows.kept) == ("/orgs/acme/workflows", {})
    assert (await world.post(path, command_id="3", base="1")).status_code == 404


@pytest.mark.rule("AC-142")
async def test_the_editors_files_are_sent_compressed_and_kept(world: World) -> None:
    ace = await world.http.get("/static/vendor/ace-1.45.2/ace.js?v=1")
    assert (ace.headers["content-encoding"], "immutable" in ace.headers["cache-control"]) == ("gzip", True)


@pytest.mark.rule("AC-88")
async def test_what_somebody_saved_meanwhile_is_not_written_over_unseen(world: World, workflows: Workflows) -> None:
    workflows.save("acme", FIRST)["saved_at"] = "2026-11-23T10:15:30.250Z"
    await world.sign_in("acme", "admin")
    path = "/orgs/acme/workflows/first-hint/edit"
    workflows.save("acme", f"{FIRST}# theirs\n", "bob")
    form = {"command_id": "1", "action": "save", "document": f"{FIRST}# mine\n"}
    refused = await world.post(path, base="2026-11-23T10:15:30.250Z", **form)
    assert (refused.status_code, "bob has saved it meanwhile" in refused.text) == (412, True)
    assert ("# theirs" in refused.text, typed_in(refused.text)) == (True, f"{FIRST}# mine\n")
    assert (await world.post(path, base=base_of(refused), **form)).status_code == 303
    assert workflows.kept["acme", "first-hint"]["document"] == f"{FIRST}# mine\n"


@pytest.mark.rule("AC-173")
async def test_what_is_saved_between_the_look_and_the_save_is_not_written_over(
    world: World, workflows: Workflows
) -> None:
    workflows.save("acme", FIRST)
    await world.sign_in("acme", "admin")
    path = "/orgs/acme/workflows/first-hint"
    page = await world.http.get(f"{path}/edit")
    form = {"command_id": "1", "base": base_of(page), "action": "save", "document": f"{FIRST}# mine\n"}
    seconds = count(1)
    workflows.meanwhile = lambda: workflows.save("acme", f"{FIRST}# theirs\n", "bob").update(
        saved_at=f"{next(seconds)}"
    )
    refused = await world.post(f"{path}/edit", **form)
    assert (refused.status_code, typed_in(refused.text)) == (412, f"{FIRST}# mine\n")
    assert "bob has saved it meanwhile" in refused.text
    assert "# theirs</del>" in refused.text
    assert "# mine</ins>" in refused.text
    assert workflows.kept["acme", "first-hint"]["document"] == f"{FIRST}# theirs\n"

    switched = await world.post(f"{path}/switch", command_id="2", enabled="false")
    assert (switched.status_code, "at this very moment" in switched.text) == (409, True)
    assert workflows.kept["acme", "first-hint"]["document"] == f"{FIRST}# theirs\n"

    assert (await world.post(f"{path}/edit", **{**form, "base": ""})).status_code == 400

    workflows.meanwhile = workflows.kept.clear
    gone = await world.post(f"{path}/edit", **form)
    assert (gone.status_code, typed_in(gone.text)) == (412, f"{FIRST}# mine\n")
    assert 'action="/orgs/acme/new-workflow"' in gone.text


@pytest.mark.rule("AC-190")
async def test_nothing_is_restored_or_removed_that_somebody_saved_after_the_page_was_made(
    world: World, workflows: Workflows
) -> None:
    here, seconds = "/orgs/acme/workflows/first-hint", count(1)
    for text in (FIRST, f"{FIRST}# second\n"):
        workflows.save("acme", text)["saved_at"] = f"2026-11-23T10:15:0{next(seconds)}Z"
    await world.sign_in("acme", "admin")
    version, edit = await world.http.get(f"{here}/versions/1"), await world.http.get(f"{here}/edit")
    theirs = workflows.save("acme", f"{FIRST}# theirs\n", "bob")
    theirs["saved_at"] = f"2026-11-23T10:15:0{next(seconds)}Z"
    refused = await world.post(f"{here}/versions/1/restore", command_id="1", base=base_of(version))
    assert (refused.status_code, "bob has saved it meanwhile: nothing was restored" in refused.text) == (412, True)
    assert "<del># theirs</del>" in refused.text.partition('id="restoring"')[2]
    kept = await world.post(f"{here}/remove", command_id="2", base=base_of(edit))
    assert (kept.status_code, "bob has saved it meanwhile: nothing was removed" in kept.text) == (412, True)
    assert (typed_in(kept.text), base_of(kept)) == (theirs["document"], theirs["saved_at"])
    assert workflows.kept["acme", "first-hint"] == theirs
    for form in (f"{here}/versions/1/restore", f"{here}/remove"):
        assert (await world.post(form, command_id="3")).status_code == 400
    again = await world.post(f"{here}/versions/1/restore", command_id="4", base=base_of(refused))
    assert (again.status_code, workflows.kept["acme", "first-hint"]["document"]) == (303, FIRST)
    workflows.kept.clear()
    gone = await world.post(f"{here}/versions/1/restore", command_id="5", base=base_of(refused))
    assert (gone.status_code, "There is no such workflow" in gone.text) == (404, True)


@pytest.mark.rule("AC-88")
async def test_a_new_workflow_begins_with_one_that_can_be_saved(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "admin")
    page = await world.http.get("/orgs/acme/new-workflow")
    form = {"command_id": "1", "action": "save", "document": typed_in(page.text)}
    saved = await world.post("/orgs/acme/new-workflow", **form)
    assert (saved.status_code, saved.headers["location"]) == (303, "/orgs/acme/workflows/first-hint")
    again = await world.post("/orgs/acme/new-workflow", **form)
    assert (again.status_code, "There is a workflow" in again.text) == (409, True)
    empty = await world.post("/orgs/acme/new-workflow", **{**form, "document": " \n"})
    assert empty.status_code == 400
    await world.sign_in("acme", "operator")
    for refused in (
        await world.http.get("/orgs/acme/new-workflow"),
        await world.http.get("/orgs/acme/workflows/first-hint/edit"),
        await world.post("/orgs/acme/new-workflow", **form),
        await world.post("/orgs/acme/workflows/first-hint/edit", **form),
    ):
        assert refused.status_code == 403


@pytest.mark.rule("AC-89")
async def test_versions_show_what_changed_and_are_restored(world: World, workflows: Workflows) -> None:
    workflows.save("acme", FIRST)
    workflows.save("acme", FIRST.replace("First hint", "A hint"), "bob")
    await world.sign_in("acme", "admin")
    listed = words_of((await world.http.get("/orgs/acme/workflows/first-hint")).text)
    assert "Version 2 now by bob Version 1 now by ann" in listed
    newest = await world.http.get("/orgs/acme/workflows/first-hint/versions/2")
    assert "<del>title: First hint</del>" in newest.text
    assert "<ins>title: A hint</ins>" in newest.text
    assert "Restore" not in newest.text
    first = await world.http.get("/orgs/acme/workflows/first-hint/versions/1")
    assert "What it began with" in first.text
    path = "/orgs/acme/workflows/first-hint/versions/1/restore"
    assert f'action="{path}"' in first.text
    assert (await world.post(path, command_id="1", base=base_of(first))).status_code == 303
    assert workflows.kept["acme", "first-hint"]["document"] == FIRST
    await world.sign_in("acme", "operator")
    assert (await world.post(path, command_id="2")).status_code == 403
    assert (await world.http.get("/orgs/acme/workflows/first-hint/versions/9")).status_code == 404
    assert (await world.http.get("/orgs/acme/workflows/first-hint/versions/0")).status_code == 400


@pytest.mark.rule("AC-149")
async def test_a_version_says_what_restoring_it_would_change(world: World, workflows: Workflows) -> None:
    workflows.save("acme", FIRST)
    workflows.save("acme", document("first-hint", title="Second"))
    workflows.save("acme", document("first-hint", title="Third"))
    await world.sign_in("acme", "admin")
    page = (await world.http.get("/orgs/acme/workflows/first-hint/versions/2")).text
    restoring = page.partition('id="restoring"')[2]
    assert ("<del>title: Third</del>" in restoring, "<ins>title: Second</ins>" in restoring) == (True, True)
    assert 'action="/orgs/acme/workflows/first-hint/versions/2/restore"' in restoring
    newest = (await world.http.get("/orgs/acme/workflows/first-hint/versions/3")).text
    assert 'id="restoring"' not in newest


@pytest.mark.rule("AC-89")
async def test_each_stretch_of_a_difference_says_where_it_begins() -> None:
    kept = {"kind": "kept", "text": "nodes:"}
    hunks = [
        {"new_start": 1, "lines": [kept, {"kind": "added", "text": "  x: {}"}]},
        {"new_start": 30, "lines": [{"kind": "removed", "text": "  y: {}"}]},
    ]
    shown = Difference.of_hunks(hunks)
    assert [(line.kind, line.text) for line in shown.lines] == [
        ("head", "line 1"),
        ("kept", "nodes:"),
        ("come", "  x: {}"),
        ("head", "line 30"),
        ("gone", "  y: {}"),
    ]
    assert shown.words == "1 line in, 1 out"
    assert [line.kind for line in Difference.of_hunks(hunks[:1]).lines] == ["kept", "come"]


@pytest.mark.rule("AC-88")
async def test_a_fault_in_a_long_line_or_behind_the_end_is_shown_all_the_same() -> None:
    fault = {"message": "it is too long", "suggestion": None}
    text = f"workflow: a\nx: {'y' * 500}opend{'z' * 500}\n"
    long, behind = faults_of({"faults": [{"line": 2, "column": 504, **fault}, {"line": 9, "column": 1, **fault}]}, text)
    assert (long.text[long.offset :].startswith("opend"), len(long.text)) == (True, 120)
    assert (behind.line, behind.says, behind.text) == (9, "It is too long.", "")
    assert faults_of({"detail": "no"}, text) == []
