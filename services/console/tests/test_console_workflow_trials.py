"""Workflows tried out on their page: what a run would do, and what the last days would have come to."""

import html
import re
from typing import Any

import pytest
import pytest_asyncio
from console_workflows_fake import Workflows, document
from console_world import World

from fettle_console.views.trials import Preview, would

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVIL = '<script>alert(1)</script>"><b>'
TRIED: dict[str, Any] = {
    "state": "failed",
    "error": {"code": "channel_missing", "message": "There is no channel ops."},
    "triggers": [
        {"node": "opened", "trigger": "ticket.opened", "fires": True, "why_not": None},
        {
            "node": "later",
            "trigger": "schedule",
            "fires": False,
            "why_not": {"code": "other_kind", "message": "It is for schedule."},
        },
    ],
    "nodes": [
        {
            "node": "hint",
            "state": "done",
            "input": {"text": EVIL},
            "effect": {"kind": "command", "verb": "comment", "command": {"ticket": {"number": 7}, "comment": EVIL}},
            "output": {"outcome": "applied"},
            "assumed": True,
            "error": None,
        },
        {
            "node": "tell",
            "state": "failed",
            "input": {"channel": "ops"},
            "effect": {"kind": "notify", "message": {"channel": "ops", "text": "It is down."}},
            "output": None,
            "assumed": False,
            "error": {"code": "channel_missing", "message": "There is no channel ops."},
        },
    ],
}
PREVIEW: dict[str, Any] = {
    "asked_from": "2026-11-16T10:15:30.250Z",
    "from": "2026-11-18T10:15:30.250Z",
    "until": "2026-11-23T10:15:30.250Z",
    "left_out": [{"code": "manual", "message": "Runs that people would have started."}],
    "events": 118,
    "started": 2,
    "too_deep": 0,
    "over_budget": 1,
    "days": [{"day": "2026-11-22", "started": 2, "too_deep": 0, "over_budget": 1}],
    "triggers": [
        {
            "node": "opened",
            "trigger": "ticket.opened",
            "events": 118,
            "fired": 3,
            "days": [],
            "undecided": 1,
            "problem": "no such key: space",
        }
    ],
    "newest": [
        {
            "at": "2026-11-22T08:00:00.000Z",
            "trigger": "ticket.opened",
            "event_id": "1",
            "fired": ["opened"],
            "refused": {"code": "over_budget", "message": "More than 1,000 runs an hour."},
            "event": {},
            "test_run": TRIED,
        }
    ],
}


@pytest_asyncio.fixture(loop_scope="session")
async def workflows(world: World) -> Workflows:
    world.workflows.on = True
    world.workflows.save("acme", document("first-hint"))
    return world.workflows


def words_of(text: str) -> str:
    """What a reader sees of the page's own part."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text.partition("<main")[2])))


@pytest.mark.rule("AC-90")
async def test_a_test_run_says_what_each_node_would_do(world: World, workflows: Workflows) -> None:
    workflows.test_run = TRIED
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/workflows/first-hint/try?on=ticket.opened")
    said = words_of(page.text)
    assert "later would not fire: It is for schedule." in said
    assert f"Done hint would comment on #7: {EVIL}" in said
    assert "Output, made up" in said
    assert "Failed tell would tell the channel ops: It is down. There is no channel ops." in said
    assert "<script>alert" not in page.text
    assert '"number": 7' in said
    await world.http.get("/orgs/acme/workflows/first-hint/try", params={"on": "ticket.opened", "event": '{"a": 1}'})
    await world.http.get("/orgs/acme/workflows/first-hint/try?run=42")
    page = await world.http.get("/orgs/acme/workflows/first-hint/try?on=ticket.opened&ticket=%2342&event=")
    assert 'value="#42"' in page.text
    assert "On what happened to #42" in words_of(page.text)
    assert "with the ticket as it is now" in page.text
    assert '<a href="/orgs/acme/tickets/42">#42</a>' in page.text
    assert '"number": 42' in words_of(page.text).partition("The event")[2]
    assert ">\n</textarea>" in page.text, "the ticket can be tried again"
    await world.http.get("/orgs/acme/workflows/first-hint/try?ticket=7")
    assert workflows.tried == [
        {"trigger": "ticket.opened"},
        {"trigger": "ticket.opened", "event": {"a": 1}},
        {"run": "42"},
        {"trigger": "ticket.opened", "ticket": 42},
        {"ticket": 7},
    ]


@pytest.mark.rule("AC-90")
async def test_a_preview_says_what_the_last_days_would_have_come_to(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "operator")
    path = "/orgs/acme/workflows/first-hint/try?days=7"
    busy = await world.http.get(path)
    assert (busy.status_code, "Other previews are being made" in busy.text) == (429, True)
    workflows.preview = PREVIEW
    said = words_of((await world.http.get(path)).text)
    assert "In the last 7 days it would have started 2 times, on 118 events; 1 more would have been refused." in said
    assert "Events were seen only since" in said
    assert "2026-11-22 2 1" in said
    assert "3 of 118 events; some could not be decided: no such key: space" in said
    assert "Left out: Runs that people would have started." in said
    assert "a ticket opens, refused: More than 1,000 runs an hour." in said
    assert workflows.tried == [{"days": 7}, {"days": 7}]
    one = Preview.of({**PREVIEW, "from": PREVIEW["asked_from"], "started": 1, "over_budget": 0, "events": 1}, 1)
    assert (one.sentence, one.whole) == ("In the last day it would have started once, on one event.", True)


@pytest.mark.rule("AC-90")
async def test_what_cannot_be_tried_is_said_and_stays_as_it_was_typed(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "operator")
    path = "/orgs/acme/workflows/first-hint/try"
    for event, said in (("{x", "The event is no JSON"), ("[1]", "An event is an object")):
        page = await world.http.get(path, params={"on": "ticket.opened", "event": event})
        assert (page.status_code, said in page.text, f">\n{event}</textarea>" in page.text) == (400, True, True)
    for ticket, event, said in (
        ("lift", "", "named by its number"),
        ("#", "", "named by its number"),
        ("0", "", "named by its number"),
        ("\uff14", "", "named by its number"),
        ("9" * 19, "", "named by its number"),
        ("42", "{}", "brings its event along"),
    ):
        page = await world.http.get(path, params={"on": "ticket.opened", "ticket": ticket, "event": event})
        assert (page.status_code, said in page.text, f'value="{ticket}"' in page.text) == (400, True, True)
    gone = await world.http.get(path, params={"run": "gone"})
    assert (gone.status_code, "There is no such run." in gone.text) == (404, True)
    asked = (await world.http.get(path)).text
    assert ("Choose what to try it on" in asked, 'name="ticket"' in asked) == (True, True)
    world.workflows.kept["acme", "first-hint"]["triggers"] = ["manual"]
    assert 'name="ticket"' not in (await world.http.get(path)).text, "nothing of it is about tickets"
    await world.sign_in("acme", "viewer")
    assert (await world.http.get(path)).status_code == 403


@pytest.mark.rule("AC-90")
@pytest.mark.parametrize(
    ("effect", "said"),
    [
        ({"kind": "command", "verb": "open", "command": {"title": "Lift 3"}}, "open a ticket: Lift 3"),
        (
            {"kind": "command", "verb": "resolve", "command": {"ticket": {"dedup_key": "check/a"}}},
            "resolve the ticket with the key check/a",
        ),
        ({"kind": "command", "verb": "start", "command": {"ticket": {"id": "1"}}}, "start work on the ticket"),
        (
            {"kind": "http.request", "request": {"method": "POST", "url": "https://a.test/"}},
            "call POST https://a.test/",
        ),
        ({"kind": "http.request", "cannot_be_sent": {"url": ""}}, "ask for what cannot be sent"),
        (
            {"kind": "wait", "until": "x", "until_ticket": {"ticket": "1", "change": "comment-added"}},
            "wait until its ticket is commented on, or until time is up",
        ),
        ({"kind": "wait", "until": "x", "until_ticket": None}, "wait"),
    ],
)
async def test_what_a_node_would_do_is_said_in_words(effect: dict[str, Any], said: str) -> None:
    assert would(effect) == said
