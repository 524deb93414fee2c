"""The HTTP door: statuses, answers, repeats, conflicts, lists, counts, policy, and who may do what."""

import asyncio
import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from ticket_api import REPORT, Api, refused
from ticket_desk import MONITOR, THERMOSTAT, opening
from ticket_door import Door, asked, numbered, statements

from fettle_chassis.tokens import Role
from fettle_contracts.ticket import Ticket
from fettle_contracts.ticket_events import Entry
from fettle_ticket_service.domain.commands import Resolve


@pytest.mark.rule("TS-35")
async def test_a_new_ticket_is_created_and_one_with_a_held_key_is_answered(api: Api) -> None:
    created = await api.post("/tickets", {**REPORT, "dedup_key": "lift-3"})
    assert created.status_code == 201
    ticket = Ticket.model_validate(created.json())
    assert (ticket.number, ticket.opened_by.id, ticket.source) == (1, "ann@acme.test", "user")
    held = await api.post("/tickets", {**REPORT, "dedup_key": "lift-3"})
    assert (held.status_code, held.json()) == (200, created.json())
    await api.post("/tickets/1/resolve")
    reopened = await api.post("/tickets", {**REPORT, "dedup_key": "lift-3"})
    assert (reopened.status_code, reopened.json()["number"], reopened.json()["version"]) == (200, 1, 3)


@pytest.mark.rule("TS-35")
async def test_moves_and_comments_answer_with_the_ticket_as_it_then_is(api: Api) -> None:
    await api.post("/tickets", REPORT)
    states = []
    for path in ("start", "move-to-open", "resolve", "reopen"):
        answer = await api.post(f"/tickets/1/{path}", {"comment": f"Now {path}."})
        states.append((answer.status_code, answer.json()["state"], answer.json()["version"]))
    assert states == [(200, "in_progress", 3), (200, "open", 5), (200, "resolved", 7), (200, "open", 9)]
    without_body = await api.post("/tickets/1/start")
    assert without_body.json()["state"] == "in_progress"
    assert (await api.post("/tickets/1/comments", {"comment": "Hello"})).json()["version"] == 11
    shown = await api.get("/tickets/1")
    answered = (await api.post("/tickets/1/start")).json()
    assert shown == {**answered, "children": [], "more_children": False}


@pytest.mark.rule("WF-147")
async def test_what_a_request_causes_is_as_deep_as_the_request(api: Api, door: Door) -> None:
    await api.post("/tickets", REPORT, headers={"fettle-causation-depth": "3"})
    await api.post("/tickets/1/comments", {"comment": "Hello"}, headers={"fettle-causation-depth": "deep"})
    await api.post("/tickets/bulk", {"numbers": [1], "action": "start"}, headers={"fettle-causation-depth": "8"})
    assert [event.headers["ce_causationdepth"] for event in await door.events()] == ["3", "0", "8"]


@pytest.mark.rule("TS-36")
async def test_a_repeat_gets_the_first_answer_and_has_no_effect(api: Api, door: Door) -> None:
    key = {"idempotency-key": "k-1"}
    first = await api.post("/tickets", REPORT, headers=key)
    await api.post("/tickets/1/start")
    again = await api.post("/tickets", REPORT, headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert [event.name for event in await door.events()] == ["opened", "started"]
    assert (await door.results())[0].data["command_id"] == "k-1"


@pytest.mark.rule("TS-36")
async def test_a_key_with_another_request_is_refused(api: Api) -> None:
    key = {"idempotency-key": "k-1"}
    await api.post("/tickets", REPORT, headers=key)
    refused(await api.post("/tickets", {**REPORT, "title": "Other"}, headers=key), 422, "idempotency_key_reused")
    refused(await api.post("/tickets/1/start", headers=key), 422, "idempotency_key_reused")
    refused(await api.post("/tickets", REPORT, headers=key, person="bob"), 422, "idempotency_key_reused")
    answer = await api.post("/tickets", REPORT, headers={"idempotency-key": "k" * 257})
    refused(answer, 400, "malformed", "Idempotency-Key")


BREAKING: list[tuple[dict[str, Any], int, str, str]] = [
    ({"title": " "}, 400, "title_empty", "title"),
    ({"title": "x" * 201}, 400, "title_too_long", "title"),
    ({"kind": ""}, 400, "kind_invalid", "kind"),
    ({"description": "x" * 65_537}, 413, "text_too_long", "description"),
    ({"kind": "device_offline"}, 403, "kind_reserved", "kind"),
    ({"dedup_key": "device/t17:x"}, 403, "key_reserved", "dedup_key"),
    ({"dedup_key": ""}, 400, "key_invalid", "dedup_key"),
    ({"links": [{"label": "x", "url": "ftp://x"}]}, 400, "link_invalid", "links"),
    ({"title": 3}, 400, "malformed", "title"),
    ({"title": "half \ud800"}, 400, "title_too_long", "title"),
    ({"links": [{"label": "x", "url": "https://x.test/\ud800"}]}, 400, "link_invalid", "links"),
    ({"subject": {"type": "door", "id": "x"}}, 400, "malformed", "subject.type"),
    ({"subject": None}, 400, "malformed", "subject"),
]


@pytest.mark.rule("TS-37")
async def test_what_breaks_a_rule_is_refused_naming_field_and_rule(api: Api) -> None:
    for change, status, code, field in BREAKING:
        problem = refused(await api.post("/tickets", {**REPORT, **change}), status, code, field)
        assert problem["detail"], change


@pytest.mark.rule("TS-37", "OP-47")
async def test_what_the_ticket_does_not_allow_is_a_conflict_and_what_is_not_there_not_found(api: Api) -> None:
    refused(await api.post("/tickets/1/start"), 404, "ticket_not_found")
    await api.post("/tickets", REPORT)
    await api.post("/tickets/1/resolve")
    refused(await api.post("/tickets/1/start"), 409, "wrong_state")
    refused(await api.post("/tickets/1/comments", {}), 400, "comment_empty", "comment")
    refused(await api.post("/tickets/1/comments", {"comment": "x" * 65_537}), 413, "text_too_long", "comment")
    refused(await api.call("GET", "/tickets/9"), 404, "not_found")
    for number in (2**70, -(2**70), -1, 0):
        refused(await api.call("GET", f"/tickets/{number}"), 404, "not_found")
        refused(await api.call("GET", f"/tickets/{number}/timeline"), 404, "not_found")
        refused(await api.post(f"/tickets/{number}/start"), 404, "ticket_not_found")
        refused(await api.put(f"/tickets/{number}/links", {"links": []}, "*"), 404, "ticket_not_found")
    refused(await api.call("GET", "/tickets/9/timeline"), 404, "not_found")


@pytest.mark.rule("TS-22", "TS-37")
async def test_an_outdated_edit_gets_the_text_as_it_is_now(api: Api) -> None:
    await api.post("/tickets", {**REPORT, "description": "one"})
    edited = await api.put("/tickets/1/description", {"description": "two"}, '"1"')
    assert (edited.status_code, edited.json()["description_version"]) == (200, 2)
    late = refused(
        await api.put("/tickets/1/description", {"description": "zwei"}, '"1"'),
        412,
        "description_changed",
        "description",
    )
    assert (late["description"], late["description_version"]) == ("two", 2)
    refused(await api.put("/tickets/1/description", {"description": "x"}), 428, "precondition_missing", "If-Match")
    refused(await api.put("/tickets/1/description", {"description": "x"}, "two"), 400, "malformed", "If-Match")
    assert (await api.put("/tickets/1/description", {"description": "x"}, "*")).json()["description"] == "x"
    links = {"links": [{"label": "WO-7", "url": "https://orders.test/7"}]}
    refused(await api.put("/tickets/1/links", links, '"2"'), 412, "description_changed", "description")
    assert (await api.put("/tickets/1/links", links, '"3"')).json()["links"] == links["links"]
    lost = refused(await api.put("/tickets/1/links", {"links": []}, '"3"'), 412, "description_changed", "description")
    assert (lost["links"], lost["description_version"]) == (links["links"], 4)
    refused(await api.put("/tickets/1/links", {"links": []}), 428, "precondition_missing", "If-Match")
    assert (await api.put("/tickets/1/links", {"links": []}, "*")).json()["links"] == []


def patterns(pattern: str, url: str = "https://x.test", **more: str) -> dict[str, Any]:
    return {"link_patterns": [{"pattern": pattern, "url": url, **more}]}


@pytest.mark.rule("TS-18", "TS-38", "TS-120")
async def test_the_policy_is_the_admins_and_holds_from_the_next_command_on(api: Api) -> None:
    assert await api.get("/ticket-policy", role=Role.VIEWER) == {
        "reopen_window_s": 3600,
        "retention_days": 365,
        "report_issue_enabled": True,
        "link_patterns": [],
        "version": 0,
    }
    refused(await api.put("/ticket-policy", {}), 403, "forbidden")
    for window, status in ((432_001, 400), (432_000, 200)):
        kept = {"retention_days": 5, "reopen_window_s": window}
        assert (await api.put("/ticket-policy", kept, role=Role.ADMIN)).status_code == status
    off = {"report_issue_enabled": False, "reopen_window_s": 60}
    saved = await api.put("/ticket-policy", off, role=Role.ADMIN)
    assert (saved.status_code, saved.json()) == (200, await api.get("/ticket-policy"))
    assert refused(await api.post("/tickets", REPORT), 403, "report_issue_disabled")["detail"]
    refused(await api.put("/ticket-policy", {"retention_days": 4}, role=Role.ADMIN), 400, "malformed", "retention_days")
    for pattern in ("(", "a{99999999999999}", "a\x00"):
        answer = await api.put("/ticket-policy", patterns(pattern), role=Role.ADMIN)
        refused(answer, 400, "malformed", "link_patterns.0.pattern")
    answer = await api.put("/ticket-policy", patterns("WO", url="https://x.test/\x00"), role=Role.ADMIN)
    refused(answer, 400, "malformed", "link_patterns.0.url")


@pytest.mark.rule("TS-42")
async def test_a_field_that_no_ticket_policy_has_is_refused(api: Api) -> None:
    answer = await api.put("/ticket-policy", {"retention_day": 30}, role=Role.ADMIN)
    assert "no field 'retention_day'" in refused(answer, 400, "malformed", "retention_day")["detail"]
    answer = await api.put("/ticket-policy", patterns("WO", colour="red"), role=Role.ADMIN)
    refused(answer, 400, "malformed", "link_patterns.0.colour")
    assert (await api.put("/ticket-policy", await api.get("/ticket-policy"), role=Role.ADMIN)).status_code == 200


@pytest.mark.rule("TS-108")
async def test_a_policy_is_put_over_the_version_that_was_seen_and_no_other(api: Api) -> None:
    async def put(body: dict[str, Any], seen: str | None) -> httpx2.Response:
        return await api.put("/ticket-policy", body, seen, role=Role.ADMIN)

    first = await put({"retention_days": 30}, '"0"')
    assert (first.status_code, first.json()["version"], first.headers["etag"]) == (200, 1, '"1"')
    stale = refused(await put({"reopen_window_s": 60}, '"0"'), 412, "stale")
    assert (stale["detail"], stale["version"]) == ("The policy is at version 1.", 1)
    assert await api.get("/ticket-policy") == first.json()

    same = await put(first.json(), '"1"')
    assert same.json() == first.json()
    answers = await asyncio.gather(*(put({"retention_days": days}, '"1"') for days in (40, 50, 60)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]
    for seen in ("*", None):
        present = (await api.get("/ticket-policy"))["version"]
        other = await put(patterns(f"WO-{present}"), seen)
        assert (other.status_code, other.json()["version"]) == (200, present + 1)
        assert (await put(patterns(f"WO-{present}"), seen)).json() == other.json()
    for malformed in ("4", "W", '"-1"'):
        refused(await put({}, malformed), 400, "malformed", "If-Match")


@pytest.mark.rule("TS-36", "TS-108")
async def test_a_policy_under_a_key_that_came_before_changes_nothing(api: Api) -> None:
    async def put(days: int, key: str) -> httpx2.Response:
        body, header = {"retention_days": days}, {"idempotency-key": key}
        return await api.call("PUT", "/ticket-policy", body, role=Role.ADMIN, headers=header)

    assert (await put(30, "k-1")).status_code == 200
    other = await put(60, "k-2")
    again = await put(30, "k-1")
    assert (again.status_code, again.json()) == (200, other.json())
    refused(await put(90, "k-1"), 422, "idempotency_key_reused")
    assert (await api.get("/ticket-policy"))["retention_days"] == 60
    assert (await api.post("/tickets", REPORT, headers={"idempotency-key": "k-1"})).status_code == 201


@pytest.mark.rule("TS-24", "TS-39")
async def test_a_viewer_reads_an_operator_works_and_strangers_find_nothing(api: Api) -> None:
    await api.post("/tickets", REPORT)
    refused(await api.post("/tickets/1/start", role=Role.VIEWER), 403, "forbidden")
    refused(await api.post("/tickets", REPORT, role=Role.INGEST), 403, "forbidden")
    assert (await api.call("GET", "/tickets", role=Role.VIEWER)).status_code == 200
    for path in ("/tickets", "/tickets/1", "/tickets/1/timeline", "/tickets/count", "/ticket-policy"):
        refused(await api.call("GET", path, org="globex"), 404, "not_found")


@pytest.mark.rule("TS-40")
async def test_the_timeline_comes_in_pages_oldest_first(api: Api) -> None:
    await api.post("/tickets", REPORT)
    for number in range(4):
        await api.post("/tickets/1/comments", {"comment": f"Number {number}."})
    first = await api.get("/tickets/1/timeline", limit=3)
    rest = await api.get("/tickets/1/timeline", limit=3, cursor=first["next_cursor"])
    entries = [Entry.model_validate(item) for item in first["items"] + rest["items"]]
    assert [entry.version for entry in entries] == [1, 2, 3, 4, 5]
    assert (entries[4].body, entries[4].actor.name, rest["next_cursor"]) == ("Number 3.", "Ann", None)


@pytest.mark.rule("TS-105")
async def test_a_timeline_comes_from_its_newest_entry_back_while_others_write(api: Api) -> None:
    await api.post("/tickets", REPORT)

    async def comment(number: int) -> None:
        assert (await api.post("/tickets/1/comments", {"comment": f"Number {number}."})).status_code == 200

    for number in range(11):
        await comment(number)
    found: list[int] = []
    query: dict[str, Any] = {"sort": "-version", "limit": 5}
    while True:
        page, *_ = await asyncio.gather(api.get("/tickets/1/timeline", **query), *map(comment, range(4)))
        found += [item["version"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == list(range(found[0], 0, -1))
    assert 12 <= found[0] <= 16
    newest = await api.get("/tickets/1/timeline", sort="-version", limit=1)
    assert newest["items"][0]["version"] == 12 + 4 * len(range(0, len(found), 5))


@pytest.mark.rule("TS-105")
@pytest.mark.parametrize("sort", ["version", "-version"])
async def test_a_page_of_a_timeline_is_asked_for_once_also_at_its_end(api: Api, door: Door, sort: str) -> None:
    await api.post("/tickets", REPORT)
    for number in range(6):
        await api.post("/tickets/1/comments", {"comment": f"Number {number}."})
    query: dict[str, Any] = {"sort": sort, "limit": 3}
    for full in (True, True, False):
        with statements(door.database) as sent:
            page = await api.get("/tickets/1/timeline", **query)
        assert len([statement for statement in sent if "FROM entry" in statement]) == 1
        assert (len(page["items"]) == 3, page["next_cursor"] is not None) == (full, full)
        query["cursor"] = page["next_cursor"]


@pytest.mark.rule("TS-106")
async def test_a_timeline_can_be_asked_for_what_is_seldom_in_it(api: Api) -> None:
    await api.post("/tickets", REPORT)
    for deed in ("resolve", "reopen", "resolve", "reopen", "comments"):
        assert (await api.post(f"/tickets/1/{deed}", {"comment": "So it is."})).status_code == 200
    assert (await api.put("/tickets/1/description", {"description": "Louder"}, '"1"')).status_code == 200

    async def versions(**query: Any) -> list[tuple[str, int]]:
        page = await api.get("/tickets/1/timeline", **query)
        return [(item["type"], item["version"]) for item in page["items"]]

    whole = await versions()
    twice = [entry for entry in whole if entry[0] == "reopened"]
    assert (len(twice), await versions(type="reopened")) == (2, twice)
    assert await versions(type="reopened", sort="-version", limit=1) == twice[1:]
    assert await versions(type="description-edited") == whole[-1:]


async def fill(door: Door) -> None:
    """Nine tickets a minute apart; every third is resolved, every second the monitor's."""
    for number in range(1, 10):
        command = opening(title=f"Report {number}", space=f"oslo/hq/{number}", kind="user_report")
        if number % 2 == 0:
            command = opening(
                actor=MONITOR,
                title=f"Device offline: Thermostat {number}",
                kind="device_offline",
                subject=THERMOSTAT,
                integration="hue-1",
                space="oslo/annex",
                dedup_key=f"device/t{number}:device_offline",
            )
        await door.ask(asked(command))
        if number % 3 == 0:
            await door.ask(asked(Resolve(actor=command.actor), ticket=numbered(number)))
        door.now += timedelta(minutes=1)


@pytest.mark.rule("TS-41", "TS-121")
async def test_lists_are_filtered(api: Api, door: Door) -> None:
    await fill(door)
    monitors = [8, 4, 2]
    for query in ({}, *({name: ""} for name in ("source", "kind", "subject", "integration", "space", "q"))):
        assert await api.numbers(**query) == [8, 7, 5, 4, 2, 1], query
    assert await api.numbers(state="resolved") == [9, 6, 3]
    assert await api.numbers(state="in_progress") == []
    assert await api.numbers(state="all") == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    for query in (
        {"source": "health_monitor"},
        {"kind": "device_offline"},
        {"subject": "device/t17"},
        {"integration": "hue-1"},
        {"space": "oslo/annex"},
        {"q": "THERMOSTAT"},
        {"q": "t17"},
    ):
        assert await api.numbers(**query) == monitors, query
    assert await api.numbers(space="oslo") == [8, 7, 5, 4, 2, 1]
    assert await api.numbers(space="oslo/hq/") == [7, 5, 1]
    assert await api.numbers(space="oslo/h") == []
    assert await api.numbers(q="port 7") == [7]
    assert await api.numbers(q="100%") == []
    assert await api.numbers(kind="device_offline", state="all", q="Thermostat 6") == [6]


@pytest.mark.rule("TS-41")
async def test_lists_are_sorted_both_ways_over_all_pages(api: Api, door: Door) -> None:
    await fill(door)
    await door.ask(asked(Resolve(actor=MONITOR), ticket=numbered(2)))
    ordered = {"open": [8, 7, 5, 4, 1], "all": [9, 8, 7, 6, 5, 4, 3, 2, 1]}
    expected = {(state, key): numbers for state, numbers in ordered.items() for key in ("opened", "updated", "number")}
    expected["all", "updated"] = [2, 9, 8, 7, 6, 5, 4, 3, 1]
    for (state, key), numbers in expected.items():
        assert await api.numbers(state=state, sort=f"-{key}") == numbers
        assert await api.numbers(state=state, sort=key) == numbers[::-1]


@pytest.mark.rule("TS-41")
async def test_an_item_has_its_latest_entry_and_no_description(api: Api, door: Door) -> None:
    await api.post("/tickets", {**REPORT, "description": "Long."})
    await api.post("/tickets/1/start", {"comment": "c" * 300})
    [item] = (await api.get("/tickets", state="in_progress"))["items"]
    latest = Entry.model_validate(item["latest_entry"])
    assert (latest.type, latest.version, latest.body) == ("comment-added", 3, "c" * 200)
    assert ("description" in item, Ticket.model_validate(item).number) == (False, 1)


def cursor(*place: object) -> dict[str, str]:
    return {"cursor": urlsafe_b64encode(json.dumps(place).encode()).decode()}


IMPOSSIBLE: list[dict[str, Any]] = [
    *({"q": "ab"}, {"subject": "t17"}, {"state": "closed"}, {"sort": "title"}, {"limit": 201}, {"limit": 0}),
    *({"kind": "nul\x00"}, {"cursor": "nonsense"}, {"cursor": "W10"}, {"cursor": "ø"}),
    cursor("opened", 2**63, "2026-01-01T00:00:00+00:00"),
    cursor("opened", -(2**70), None),
    cursor("opened", 1, "0001-01-01T00:00:00+14:00"),
    cursor("opened", 1, "9999-12-31T23:59:59-14:00"),
]


@pytest.mark.rule("TS-41", "OP-47")
async def test_a_list_that_cannot_be_is_refused(api: Api) -> None:
    for query in IMPOSSIBLE:
        refused(await api.call("GET", "/tickets", **query), 400, "malformed", next(iter(query)))


@pytest.mark.rule("TS-41")
async def test_a_cursor_belongs_to_its_order(api: Api, door: Door) -> None:
    await fill(door)
    given = (await api.get("/tickets", limit=1))["next_cursor"]
    refused(await api.call("GET", "/tickets", cursor=given, sort="-number"), 400, "malformed", "cursor")


@pytest.mark.rule("TS-25")
async def test_counts_are_there_by_state(api: Api, door: Door) -> None:
    await fill(door)
    assert await api.get("/tickets/count") == {"open": 6, "in_progress": 0, "resolved": 3}
    assert await api.get("/tickets/count", state="open") == {"open": 6}
