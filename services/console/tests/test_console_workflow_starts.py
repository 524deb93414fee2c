"""Runs that people start on a workflow's page, and its hook for other systems."""

from typing import Any

import pytest
import pytest_asyncio
from console_workflows_fake import Workflows, document
from console_world import World

from fettle_console.entrypoints.pages.workflow_start import Input

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def workflows(world: World) -> Workflows:
    world.workflows.on = True
    world.workflows.save("acme", document("by-hand"))["triggers"] = ["manual", "signal"]
    world.workflows.save("acme", document("draft", enabled=False))
    return world.workflows


@pytest.mark.rule("AC-147")
@pytest.mark.parametrize(
    ("given", "data"),
    [
        (Input(), {}),
        (Input("#42"), {"ticket": 42}),
        (Input(" 42 ", "integration", " hue-1 "), {"ticket": 42, "subject": {"type": "integration", "id": "hue-1"}}),
        (Input("1", more='{"floor": 3, "ticket": 2}'), {"ticket": 2, "floor": 3}),
        (Input("lift"), "A ticket has a number, like #42."),
        (Input(more="[1]"), "What else it works with is an object, in braces."),
    ],
)
async def test_what_a_form_comes_to(given: Input, data: dict[str, Any] | str) -> None:
    assert given.data() == data


@pytest.mark.rule("AC-147")
async def test_an_operator_starts_a_run_with_a_ticket_a_subject_and_more(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "operator")
    here = "/orgs/acme/workflows/by-hand"
    assert f'href="{here}/start"' in (await world.http.get(here)).text
    form = await world.http.get(f"{here}/start?ticket=42&subject=device/t17/a")
    assert ('value="42"' in form.text, 'value="t17/a"' in form.text, "disabled" in form.text) == (True, True, False)
    fields = {"ticket": "#42", "subject_id": "t17", "command_id": "1"}
    wrong = await world.post(f"{here}/start", more="{floor}", **fields)
    assert (wrong.status_code, "is no JSON" in wrong.text, "{floor}" in wrong.text) == (400, True, True)
    started = await world.post(f"{here}/start", more='{"floor": 3}', **fields)
    assert started.headers["location"] == f"/orgs/acme/runs/{workflows.runs[0]['id']}"
    assert workflows.runs[0]["event"] == {
        "data": {"ticket": 42, "subject": {"type": "device", "id": "t17"}, "floor": 3},
    }


@pytest.mark.rule("AC-147")
async def test_what_cannot_be_started_says_so(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "operator")
    here = "/orgs/acme/workflows/draft"
    page = await world.http.get(f"{here}/start")
    assert ("It has no manual trigger" in page.text, "disabled" in page.text) == (True, True)
    assert f"{here}/start" not in (await world.http.get(here)).text
    refused = await world.post(f"{here}/start", command_id="1", ticket="7")
    assert (refused.status_code, "The workflow is not enabled." in refused.text) == (409, True)
    assert 'value="7"' in refused.text
    await world.sign_in("acme", "viewer")
    assert (await world.http.get(f"{here}/start")).status_code == 403
    assert (await world.post(f"{here}/start", command_id="2")).status_code == 403
    assert "/start" not in (await world.http.get("/orgs/acme/workflows/by-hand")).text


@pytest.mark.rule("AC-146")
async def test_a_hook_shows_its_address_and_each_secret_once(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "admin")
    here = "/orgs/acme/workflows/by-hand/hook"
    assert f'href="{here}"' in (await world.http.get("/orgs/acme/workflows/by-hand")).text
    page = await world.http.get(here)
    assert f"<code>{world.url}/api/v1{here}</code>" in page.text
    assert ("nobody can knock yet" in page.text, "no trigger for signals" in page.text) == (True, False)
    made = await world.post(here, command_id="1")
    assert (made.status_code, made.text.count("whsec_abc"), made.headers["cache-control"]) == (200, 2, "no-store")
    again = await world.http.get(here)
    assert ("whsec_" in again.text, "the newest" in again.text) == (False, True)
    assert (await world.post(here, command_id="2", old_holds_s="3600")).status_code == 200
    assert "until" in (await world.http.get(here)).text
    ended = await world.post(f"{here}/{workflows.hook[1]['id']}/end", command_id="3")
    assert (ended.headers["location"], len(workflows.hook)) == (here, 1)
    draft = await world.http.get("/orgs/acme/workflows/draft/hook")
    assert "no trigger for signals" in draft.text
