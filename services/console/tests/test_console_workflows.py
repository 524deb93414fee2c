"""The list of workflows: what starts each, how it went last, and switching them."""

import html
import re

import httpx2
import pytest
import pytest_asyncio
from console_workflows_fake import Workflows, document
from console_world import World

from fettle_console.domain.documents import switched
from fettle_console.views.workflows import starts

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVIL = '<script>alert(1)</script>"><b>'


@pytest_asyncio.fixture(loop_scope="session")
async def workflows(world: World) -> Workflows:
    world.workflows.on = True
    return world.workflows


def words_of(page: httpx2.Response) -> str:
    """What a reader sees."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.text)))


@pytest.mark.rule("AC-87")
async def test_the_list_says_what_starts_each_and_how_it_went_last(world: World, workflows: Workflows) -> None:
    workflows.save("acme", document("first-hint", title="First hint"))
    workflows.save("acme", document("tell-ops", enabled=False, title=EVIL))["condition_problem"] = {"message": "no x"}
    workflows.save("zoo", document("theirs"))
    for state, ago_s in (("done", 400.0), ("failed", 130.0)):
        workflows.run("acme", "first-hint", state, ago_s)
    await world.sign_in("acme", "viewer")
    page = await world.http.get("/orgs/acme/workflows")
    rows = [
        re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row)).strip()
        for row in page.text.partition('<tbody id="rows">')[2].partition("</tbody>")[0].split("</tr>")
    ]
    assert rows[0] == "Enabled First hint first-hint a ticket opens Failed 2 min ago"
    assert rows[1].startswith("Draft &lt;script&gt;alert(1)")
    assert rows[1].endswith("tell-ops condition undecided a ticket opens never")
    assert ("<script>alert" in page.text, "theirs" in page.text) == (False, False)
    assert "Enable" not in re.sub("Enabled", "", words_of(page))
    assert 'href="/orgs/acme/workflows" aria-current="page"' in page.text


@pytest.mark.rule("AC-87")
async def test_an_org_without_workflows_sees_how_to_write_one(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "viewer")
    empty = await world.http.get("/orgs/acme/workflows")
    assert "fettle workflows apply flows --org acme" in empty.text
    workflows.save("acme", document("first-hint", enabled=False))
    assert "None of them is enabled" in (await world.http.get("/orgs/acme/workflows")).text


@pytest.mark.rule("AC-87")
async def test_an_admin_switches_one_and_all(world: World, workflows: Workflows) -> None:
    workflows.save("acme", f"# ours\n{document('first-hint', enabled=False)}")
    await world.sign_in("acme", "admin")
    path = "/orgs/acme/workflows/first-hint/switch"
    done = await world.post(path, command_id="1", enabled="true")
    assert (done.status_code, done.headers["location"]) == (303, "/orgs/acme/workflows")
    assert workflows.kept["acme", "first-hint"]["document"] == f"# ours\n{document('first-hint')}"
    off = await world.post("/orgs/acme/workflow-policy", command_id="2", enabled="false")
    assert (off.status_code, workflows.policy["enabled"]) == (303, False)
    page = await world.http.get("/orgs/acme/workflows")
    assert "The workflows of Acme are switched off by admin of acme: nothing starts, runs stop" in words_of(page)

    await world.sign_in("acme", "operator")
    for refused in (
        await world.post(path, command_id="3", enabled="false"),
        await world.post("/orgs/acme/workflow-policy", command_id="4", enabled="true"),
    ):
        assert refused.status_code == 403
    assert (workflows.kept["acme", "first-hint"]["enabled"], workflows.policy["enabled"]) == (True, False)


@pytest.mark.rule("AC-87")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("workflow: a\nenabled: false # for now\n", "workflow: a\nenabled: true # for now\n"),
        ("# ours\nworkflow: a # named\nnodes: {}\n", "# ours\nworkflow: a # named\nenabled: true\nnodes: {}\n"),
        ("workflow: a\r\nnodes: {}\r\n", "workflow: a\r\nenabled: true\r\nnodes: {}\r\n"),
        (
            "description: |\n  enabled: false\nworkflow: a\n",
            "description: |\n  enabled: false\nworkflow: a\nenabled: true\n",
        ),
        ('{"workflow": "a", "enabled": false}', '{\n  "workflow": "a",\n  "enabled": true\n}'),
        ("{workflow: a, enabled: false}", None),
        ("'workflow': a\n", None),
    ],
)
async def test_switching_changes_one_word_of_a_document(before: str, after: str | None) -> None:
    assert switched(before, True) == after


@pytest.mark.rule("AC-87")
async def test_what_starts_a_workflow_is_said_once_and_unknown_kinds_by_their_name() -> None:
    assert starts(["schedule", "signal", "schedule", "moon.full"]) == (
        "its schedule is due, another system sends a signal or moon.full"
    )
