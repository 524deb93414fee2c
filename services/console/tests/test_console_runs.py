"""Runs: the list, one node by node, and what people do to it."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from console_graphs import ALERT
from console_html import elements
from console_workflows_fake import Workflows, document
from console_world import World

from fettle_console.views.json_texts import laid_out
from fettle_console.views.run_nodes import RunInDepth
from fettle_console.views.runs import took
from fettle_contracts.times import rfc3339

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVIL = '<script>alert(1)</script>"><b>'
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest_asyncio.fixture(loop_scope="session")
async def workflows(world: World) -> Workflows:
    world.workflows.on = True
    world.workflows.save("acme", document("first-hint"))
    world.workflows.save("acme", document("tell-ops"))
    return world.workflows


def words_of(text: str) -> str:
    """What a reader sees of the page's own part."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text.partition("<main")[2])))


def node(name: str, state: str = "done", **more: Any) -> dict[str, Any]:
    return {
        "node": name,
        "state": state,
        "input": None,
        "output": None,
        "error": None,
        "attempts": 1,
        "started_at": rfc3339(NOW),
        "ended_at": None if state == "waiting" else rfc3339(NOW + timedelta(seconds=0.31)),
        "wake_at": None,
        "watches": None,
        **more,
    }


def failure(message: str) -> dict[str, Any]:
    return {"code": "x", "message": message, "unsure": False}


@pytest.mark.rule("AC-91")
async def test_runs_are_filtered_by_state_and_workflow(world: World, workflows: Workflows) -> None:
    workflows.run("acme", "first-hint", "done")
    workflows.run("acme", "tell-ops", "failed", error=failure(EVIL))
    workflows.run("zoo", "theirs", "done")
    await world.sign_in("acme", "viewer")
    shown = {}
    for query in ("", "?state=failed", "?workflow=first-hint", "?workflow=first-hint&state=failed", "?state=moon"):
        page = await world.http.get(f"/orgs/acme/runs{query}")
        shown[query] = re.findall(r'/runs/[0-9a-f-]{36}">([a-z-]+)</a>', page.text)
        assert "<script>alert" not in page.text
    assert shown == {
        "": ["tell-ops", "first-hint"],
        "?state=failed": ["tell-ops"],
        "?workflow=first-hint": ["first-hint"],
        "?workflow=first-hint&state=failed": [],
        "?state=moon": ["tell-ops", "first-hint"],
    }
    for _ in range(60):
        workflows.run("acme", "first-hint", "done")
    page = await world.http.get("/orgs/acme/runs?workflow=first-hint&state=done")
    assert 'href="/orgs/acme/runs?state=done&amp;workflow=first-hint&amp;cursor=more"' in page.text
    assert (await world.http.get("/orgs/acme/runs?workflow=nothing")).status_code == 404


@pytest.mark.rule("AC-91", "AC-92")
async def test_a_runs_page_shows_each_node_and_leads_on(world: World, workflows: Workflows) -> None:
    run = workflows.run(
        "acme",
        "first-hint",
        "failed",
        event={"ticket": {"number": 7, "title": EVIL}},
        error=failure("The channel is gone."),
        rerun_of="0198c0de-0000-7000-8000-000000000001",
        nodes=[
            node("noted", input={"text": EVIL}, output={"outcome": "applied"}),
            node("tell", "failed", error=failure("The channel is gone."), attempts=3),
        ],
    )
    await world.sign_in("acme", "operator")
    page = await world.http.get(f"/orgs/acme/runs/{run['id']}")
    said = words_of(page.text)
    assert "It failed at tell: The channel is gone." in said
    assert re.search(r"Done noted .* took 0\.31 s Input { \"text\"", said)
    assert re.search(r"Failed tell .*, 3 attempts The channel is gone\.", said)
    assert ("<script>alert" in page.text, EVIL.replace('"', '\\"') in said) == (False, True)
    for link in (
        "/orgs/acme/tickets/7",
        "/orgs/acme/workflows/first-hint/versions/1",
        "/orgs/acme/runs/0198c0de-0000-7000-8000-000000000001",
        f"/orgs/acme/workflows/first-hint/try?run={run['id']}",
    ):
        assert f'href="{link}"' in page.text
    assert "data-every" not in page.text
    at_once = {"started_at": rfc3339(NOW), "ended_at": rfc3339(NOW)}
    assert [took(one) for one in (at_once, {**at_once, "ended_at": None})] == ["under 0.01 s", ""]
    assert took({**at_once, "ended_at": rfc3339(NOW + timedelta(minutes=3))}) == "3 min"
    assert (await world.http.get("/orgs/zoo/runs/1")).status_code == 404
    assert (await world.http.get("/orgs/acme/runs/1")).status_code == 404


@pytest.mark.rule("AC-141")
async def test_a_runs_page_draws_how_far_it_came_and_leads_to_each_node(world: World, workflows: Workflows) -> None:
    workflows.graph = list(ALERT)
    steps = [
        node("opened"),
        node("daytime", output={"holds": True}),
        node("tell", "failed", attempts=3, input={"a": 1}),
    ]
    run = workflows.run("acme", "first-hint", "failed", nodes=steps)
    gone = workflows.run("acme", "gone", "failed", nodes=steps)
    await world.sign_in("acme", "viewer")
    here = f"/orgs/acme/runs/{run['id']}"
    page = await world.http.get(f"{here}?node=tell")
    drawn = {said["aria-label"]: said for _, said in elements(page.text) if "node" in (said.get("class") or "").split()}
    tell = drawn["tell: tell a channel, after daytime (true). Failed after 3 attempts"]
    assert (tell["href"], tell["data-state"], tell["aria-current"]) == (f"{here}?node=tell#node-tell", "open", "true")
    failed = drawn["failed: comment on a ticket, after tell (error). Not reached"]
    assert ("href" in failed, failed["class"]) == (False, "node unreached")
    said = {said["id"]: said for _, said in elements(page.text) if said.get("id")}
    assert ("open" in said["input-tell"], said["node-tell"]["aria-current"]) == (True, "true")
    assert "aria-current" not in said["node-opened"]
    assert page.text.count('class="arrow done untaken"') == 1
    without = await world.http.get(f"/orgs/acme/runs/{gone['id']}")
    assert (without.status_code, "graph" in said, 'id="graph"' in without.text) == (200, True, False)


@pytest.mark.rule("AC-91")
@pytest.mark.parametrize(
    ("state", "last", "error", "said"),
    [
        ("running", node("pause", "waiting", wake_at=rfc3339(NOW)), None, "pause waits for time to pass."),
        (
            "running",
            node("pause", "waiting", wake_at=rfc3339(NOW), watches={"change": "comment-added"}),
            None,
            "pause waits until its ticket is commented on.",
        ),
        ("running", node("pause", "waiting", watches={"change": "any"}), None, "pause waits until its ticket changes."),
        ("running", node("call", "waiting", error=failure("503")), None, "call waits to be tried again."),
        ("running", node("call", "waiting"), None, "call waits for what it asked for."),
        ("running", node("noted"), None, "It has been running for 12 min."),
        ("done", node("noted"), None, "It went well, in 2.00 s."),
        ("failed", node("noted"), failure("It took too long."), "It failed: It took too long."),
        ("refused", node("noted"), failure("Too deep."), "It was not started: Too deep."),
        ("cancelled", node("noted"), failure("Cancelled by ann."), "Cancelled by ann."),
    ],
)
async def test_a_run_is_summed_up_in_a_sentence(
    state: str, last: dict[str, Any], error: dict[str, Any] | None, said: str
) -> None:
    run = Workflows().run("acme", "a", state, error=error, nodes=[node("first"), last])
    began = rfc3339(NOW - timedelta(minutes=12))
    ended = None if state == "running" else rfc3339(NOW - timedelta(minutes=12) + timedelta(seconds=2))
    depth = RunInDepth.of({**run, "started_at": began, "ended_at": ended}, NOW)
    assert depth.sentence.endswith(said)
    assert (depth.going, depth.retriable) == (state == "running", False)


@pytest.mark.rule("AC-92")
async def test_a_run_is_cancelled_retried_and_rerun_as_it_stands(world: World, workflows: Workflows) -> None:
    going = workflows.run("acme", "first-hint", "running", nodes=[node("pause", "waiting")])
    failed = workflows.run("acme", "first-hint", "failed", nodes=[node("tell", "failed")], error=failure("no"))
    refused = workflows.run("acme", "first-hint", "refused", error=failure("no"))
    await world.sign_in("acme", "operator")
    offered = {}
    for run in (going, failed, refused):
        page = await world.http.get(f"/orgs/acme/runs/{run['id']}")
        offered[run["state"]] = re.findall(rf'action="/orgs/acme/runs/{run["id"]}/(\w+)"', page.text)
    assert offered == {"running": ["cancel"], "failed": ["retry", "rerun"], "refused": ["rerun"]}

    late = await world.post(f"/orgs/acme/runs/{failed['id']}/cancel", command_id="1")
    assert (late.status_code, "The run has ended already: it is failed." in late.text) == (409, True)
    for run, act, state in ((going, "cancel", "cancelled"), (failed, "retry", "running")):
        done = await world.post(f"/orgs/acme/runs/{run['id']}/{act}", command_id="2")
        assert (done.headers["location"], run["state"]) == (f"/orgs/acme/runs/{run['id']}", state)
    again = await world.post(f"/orgs/acme/runs/{refused['id']}/rerun", command_id="3")
    assert (again.headers["location"], workflows.runs[0]["rerun_of"]) == (
        f"/orgs/acme/runs/{workflows.runs[0]['id']}",
        refused["id"],
    )
    assert (await world.post(f"/orgs/acme/runs/{refused['id']}/delete", command_id="4")).status_code == 404

    await world.sign_in("acme", "viewer")
    page = await world.http.get(f"/orgs/acme/runs/{failed['id']}")
    assert (page.text.count("<form method"), "try?run" in page.text) == (2, False)  # sign out, and close the keys
    assert (await world.post(f"/orgs/acme/runs/{failed['id']}/cancel", command_id="5")).status_code == 403
    assert failed["state"] == "running"


@pytest.mark.rule("AC-148")
async def test_a_run_is_rerun_by_a_version_that_is_chosen(world: World, workflows: Workflows) -> None:
    workflows.save("acme", document("first-hint", title="Another"))
    run = workflows.run("acme", "first-hint", "done")
    await world.sign_in("acme", "operator")
    page = await world.http.get(f"/orgs/acme/runs/{run['id']}")
    chosen = re.findall(r'<option value="(\d)">([^<]*)', page.text)
    assert chosen == [("2", "version 2, the newest"), ("1", "version 1, its own")]
    assert (await world.post(f"/orgs/acme/runs/{run['id']}/rerun", command_id="1", version="1")).status_code == 303
    assert (workflows.runs[0]["rerun_of"], workflows.runs[0]["version"]) == (run["id"], 1)


@pytest.mark.rule("AC-91")
async def test_what_is_very_long_is_cut_and_says_so() -> None:
    assert laid_out("x" * 20_001) == f"{'x' * 20_000}\n… (1 characters more)"
    assert (laid_out(None), laid_out({}), laid_out({"a": "ø"})) == ("", "", '{\n  "a": "ø"\n}')
