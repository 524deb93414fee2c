"""How pages ask the services: by the client that everybody has, over the console's own connections."""

import ast
from pathlib import Path
from typing import get_type_hints

import pytest
from console_workflows_fake import document
from console_world import World
from test_console_unheard import SAID, Dying

import fettle_console
from fettle_client import AsyncFettle
from fettle_console.entrypoints.pages.visits import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = Path(fettle_console.__file__).parent / "entrypoints/pages"
PASSED_ON = {"org_page.py"}
"""Its export goes to the browser as it comes."""


@pytest.mark.rule("AC-194")
async def test_no_page_reaches_a_service_by_another_way() -> None:
    assert get_type_hints(Visit)["client"] is AsyncFettle
    found = {
        path.name
        for path in PAGES.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "services"
    }
    assert found == PASSED_ON | {"visits.py"}, "visits.py makes the client"


@pytest.mark.rule("AC-194")
async def test_a_refusal_without_words_names_no_address_of_ours(world: World) -> None:
    await world.sign_in("acme", "operator")
    async with Dying(SAID % b"409 Conflict").running(world.settings.health_port):
        answer = await world.post("/orgs/acme/silence", subject="device/t17", length_s="3600", command_id="c1")
    assert (answer.status_code, "It was refused without a reason." in answer.text) == (409, True)
    assert "/api/v1" not in answer.text


@pytest.mark.rule("AC-194", "AC-128")
async def test_what_answers_in_the_place_of_a_service_has_done_nothing(world: World) -> None:
    await world.sign_in("acme", "admin")
    for turn, said in enumerate((b"301 Moved Permanently", b"200 OK")):
        answer = (SAID % said).replace(b"application/json", b"text/html")
        async with Dying(answer).running(world.settings.health_port):
            page = await world.post("/orgs/acme/silence", subject="device/t17", length_s="3600", command_id=f"c{turn}")
        assert (page.status_code, "is something else" in page.text) == (502, True)
    entries = (await world.call("GET", "/api/v1/orgs/acme/audit", await world.token("acme"))).json()["items"]
    assert [one["outcome"] for one in entries if one["path"] == "/silences"] == ["failed", "failed"]


@pytest.mark.rule("AC-196")
async def test_a_hooks_secret_that_one_form_ends_twice_is_one_entry(world: World) -> None:
    world.workflows.on = True
    world.workflows.save("acme", document("alarm"))
    await world.sign_in("acme", "admin")
    for _ in range(2):
        assert (await world.post("/orgs/acme/workflows/alarm/hook/s1/end", command_id="c1")).status_code == 303
    entries = (await world.call("GET", "/api/v1/orgs/acme/audit", await world.token("acme"))).json()["items"]
    ends = [(one["path"], one["times"]) for one in entries if one["method"] == "DELETE"]
    assert ends == [("/workflows/alarm/hook/secrets/s1", 2)]


@pytest.mark.rule("AC-195", "AC-128")
async def test_a_name_of_dots_is_nobodys_and_one_without_end_no_address(world: World) -> None:
    world.workflows.on = True
    await world.sign_in("acme", "admin")
    for name, status in (("..", 404), (".", 404), ("x" * 70_000, 400)):
        answer = await world.post("/orgs/acme/secrets", command_id="1", name=name, value="hunter2-hunter2")
        assert (answer.status_code, "hunter2" in answer.text) == (status, False), name[:10]
    assert world.workflows.secrets == []
    entries = (await world.call("GET", "/api/v1/orgs/acme/audit", await world.token("acme"))).json()["items"]
    asked = [one["path"] for one in entries if one["path"].startswith("/secrets/")]
    assert sorted(asked) == ["/secrets/.", "/secrets/.."], "the longest is asked of nothing"
    for path in ("/orgs/acme/workflows/%2e%2e/edit", "/orgs/acme/health/device/%2e%2e/%2e%2e/tickets"):
        assert (await world.http.get(path)).status_code == 404, path
