"""What is said of a ticket is on it, whichever door it came by."""

from typing import Any

import pytest
from test_ticket_commands_door import but, command, read
from ticket_api import Api
from ticket_door import Door

from fettle_contracts.commands import Verb

SAID: dict[str, Any] = {
    "title": "Lift 3 makes a noise",
    "kind": "lift_noise",
    "subject": {"type": "space", "id": "oslo/hq", "name": "Headquarters"},
    "space": "oslo/hq",
    "description": "Since *this morning*.",
    "links": [{"label": "WO-7", "url": "https://orders.test/7"}, {"label": "Manual", "url": "http://manuals.test/3"}],
}
OTHERS = ("id", "number", "url", "dedup_key")
DONE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "start", {"comment": "On it."}),
    ("POST", "move-to-open", {"comment": "Not I."}),
    ("PUT", "description", {"description": "Since yesterday."}),
    ("PUT", "links", {"links": SAID["links"][1:]}),
    ("POST", "comments", {"comment": "Called the *vendor*."}),
    ("POST", "resolve", {"comment": "It is the cable."}),
    ("POST", "reopen", {"comment": "It is not."}),
)
VERBS = {"description": Verb.EDIT_DESCRIPTION, "links": Verb.SET_LINKS, "comments": Verb.COMMENT}


@pytest.mark.rule("TS-2", "TS-5", "TS-35")
async def test_both_doors_make_the_same_of_the_same(api: Api, door: Door) -> None:
    assert (await api.post("/tickets", {**SAID, "dedup_key": "lift-1"})).status_code == 201
    opened = await door.ask_one(read(but(command(**SAID, dedup_key="lift-2"), id="open")))
    assert opened.outcome == "applied"
    assert {name: (await api.get("/tickets/1"))[name] for name in SAID} == SAID
    for method, what, body in DONE:
        by_http = await api.call(method, f"/tickets/1/{what}", body, headers={"if-match": "*"})
        assert by_http.status_code == 200, by_http.text
        verb = VERBS.get(what) or Verb(what)
        by_kafka = await door.ask_one(read(but(command(verb, ticket={"number": 2}, **body), id=what)))
        assert by_kafka.outcome == "applied", by_kafka
        one, two = [await api.get(f"/tickets/{number}") for number in (1, 2)]
        assert {name: one[name] for name in one if name not in OTHERS} == {
            name: two[name] for name in two if name not in OTHERS
        }
    first, second = [(await api.get(f"/tickets/{number}/timeline"))["items"] for number in (1, 2)]
    kept = ("type", "version", "at", "actor", "body", "evidence")
    assert [[entry[name] for name in kept] for entry in first] == [[entry[name] for name in kept] for entry in second]
    assert [entry["type"] for entry in first if entry["type"] != "comment-added"] == [
        *("opened", "started", "moved-to-open", "description-edited", "links-edited", "resolved", "reopened")
    ]
    assert sum(entry["type"] == "comment-added" for entry in first) == 5
