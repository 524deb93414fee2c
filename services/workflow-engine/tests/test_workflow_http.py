"""The engine's part of the API: documents in, faults and workflows and runs out."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from engine_api import NOTE, Api, api_of, refusal
from engine_world import APPLIED, event

from fettle_chassis.tokens import Role

WRONG = NOTE.replace("ticket.opened", "ticket.opend").replace("text:", "txt:")


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with api_of(environment) as api:
        yield api


async def test_a_workflow_is_made_changed_shown_and_deleted(api: Api) -> None:
    made = await api.call("POST", "/workflows", NOTE)
    assert made.status_code == 201
    assert made.json() == {
        "workflow": "note",
        "title": "Note",
        "description": "",
        "enabled": True,
        "version": 1,
        "triggers": ["ticket.opened"],
        "saved_at": "2026-11-23T10:15:30.250Z",
        "saved_by": "ann@acme.test",
        "condition_problem": None,
        "document": NOTE,
    }
    refusal(await api.call("POST", "/workflows", NOTE), 409, "conflict")
    louder = NOTE.replace("Seen.", "SEEN.")
    changed = await api.call("PUT", "/workflows/note", louder)
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert (await api.get("/workflows/note"))["document"] == louder
    alone = await api.call("GET", "/workflows/note", accept="application/yaml")
    assert (alone.text, alone.headers["content-type"]) == (louder, "application/yaml")
    versions = (await api.get("/workflows/note/versions"))["items"]
    assert [(one["version"], one["document"]) for one in versions] == [(2, louder), (1, NOTE)]
    assert (await api.call("DELETE", "/workflows/note")).status_code == 204
    for path in ("/workflows/note", "/workflows/note/versions", "/workflows/note/runs"):
        refusal(await api.call("GET", path), 404, "not_found")
    refusal(await api.call("DELETE", "/workflows/note"), 404, "not_found")
    again = await api.call("PUT", "/workflows/note", NOTE)
    assert (again.status_code, again.json()["version"]) == (201, 3)


@pytest.mark.rule("AC-173")
async def test_a_document_is_saved_over_the_one_that_was_seen_alone(api: Api) -> None:
    first = (await api.call("POST", "/workflows", NOTE)).json()
    api.world.now += timedelta(seconds=1)
    theirs = (await api.call("PUT", "/workflows/note", NOTE.replace("Seen.", "Theirs."))).json()
    mine, seen = NOTE.replace("Seen.", "Mine."), f'"{first["saved_at"]}"'
    answer = await api.call("PUT", "/workflows/note", mine, if_match=seen, idempotency_key="k1")
    refused = refusal(answer, 412, "stale")
    assert (refused["field"], refused["present"]) == ("If-Match", theirs)
    changed = {line["kind"]: line["text"] for hunk in refused["hunks"] for line in hunk["lines"]}
    assert ("Theirs." in changed["removed"], "Mine." in changed["added"]) == (True, True)
    assert await api.get("/workflows/note") == theirs
    same = await api.call("PUT", "/workflows/note", theirs["document"], if_match=seen)
    assert same.status_code == 200, "that is what it is already"
    for good in (f'"{same.json()["saved_at"]}"', "*"):
        assert (await api.call("PUT", "/workflows/note", mine, if_match=good)).status_code == 200
    refusal(await api.call("PUT", "/workflows/note", mine, if_match="3"), 400, "malformed")
    await api.call("DELETE", "/workflows/note")
    assert "present" not in refusal(await api.call("PUT", "/workflows/note", mine, if_match=seen), 412, "stale")
    assert (await api.call("PUT", "/workflows/note", mine)).status_code == 201


@pytest.mark.rule("AC-190")
async def test_what_was_seen_alone_is_replaced_by_a_version_or_deleted(api: Api) -> None:
    first = (await api.call("POST", "/workflows", NOTE)).json()
    api.world.now += timedelta(seconds=1)
    theirs = (await api.call("PUT", "/workflows/note", NOTE.replace("Seen.", "Theirs."))).json()
    seen = f'"{first["saved_at"]}"'
    for method, path in (("POST", "/workflows/note/versions/1/restore"), ("DELETE", "/workflows/note")):
        refused = refusal(await api.call(method, path, if_match=seen, idempotency_key=method), 412, "stale")
        assert (refused["field"], refused["present"]) == ("If-Match", theirs)
        gone = [line["text"] for hunk in refused["hunks"] for line in hunk["lines"] if line["kind"] == "removed"]
        assert any("Theirs." in line for line in gone)
        refusal(await api.call(method, path, if_match="3"), 400, "malformed")
    assert await api.get("/workflows/note") == theirs
    restored = await api.call("POST", "/workflows/note/versions/1/restore", if_match=f'"{theirs["saved_at"]}"')
    assert (restored.status_code, restored.json()["document"]) == (200, NOTE)
    again = await api.call("POST", "/workflows/note/versions/1/restore", if_match=seen)
    assert again.status_code == 200, "that is what it is already"
    newest = f'"{again.json()["saved_at"]}"'
    assert (await api.call("DELETE", "/workflows/note", if_match=newest)).status_code == 204
    refusal(await api.call("DELETE", "/workflows/note", if_match=newest), 404, "not_found")
    refusal(await api.call("POST", "/workflows/note/versions/1/restore", if_match=newest), 404, "not_found")


@pytest.mark.rule("WF-1")
async def test_a_refused_document_gets_every_fault(api: Api) -> None:
    for method, path in (("POST", "/workflows"), ("PUT", "/workflows/note")):
        body = refusal(await api.call(method, path, WRONG), 422, "invalid")
        assert body["detail"].startswith("Line 5, column 21: unknown trigger 'ticket.opend'")
        assert body["detail"].endswith("There are 2 more.")
        assert [(one["line"], one["column"], one["suggestion"]) for one in body["faults"]] == [
            (5, 21, "ticket.opened"),
            (6, 36, None),
            (6, 91, "text"),
        ]
    assert (await api.get("/workflows"))["items"] == []


@pytest.mark.rule("WF-1")
async def test_json_is_taken_as_yaml_is(api: Api) -> None:
    document = json.dumps({"workflow": "note", "nodes": {"opened": {"trigger": "ticket.opened"}}}, indent="\t")
    made = await api.call("POST", "/workflows", document, content_type="application/json")
    assert (made.status_code, made.json()["document"]) == (201, document)
    refusal(await api.call("POST", "/workflows", '{"workflow": ', content_type="application/json"), 422, "invalid")
    refusal(await api.call("POST", "/workflows", b"\xff\xfe"), 400, "malformed")
    refusal(await api.call("POST", "/workflows", b"a" * 2_000_000), 413, "too_large")


async def test_the_path_and_the_document_name_the_same_workflow(api: Api) -> None:
    body = refusal(await api.call("PUT", "/workflows/other", NOTE), 422, "invalid")
    assert (body["field"], body["detail"]) == ("workflow", "The document is of 'note', the path says 'other'.")
    assert (await api.get("/workflows"))["items"] == []


@pytest.mark.rule("WF-20")
async def test_a_dry_run_finds_what_a_save_would_and_keeps_nothing(api: Api) -> None:
    answer = await api.call("POST", "/workflows?dry_run=true", NOTE)
    assert (answer.status_code, answer.json()["faults"], answer.json()["workflow"]) == (200, [], "note")
    assert [node["node"] for node in answer.json()["nodes"]] == ["opened", "noted"]
    assert (await api.get("/workflows"))["items"] == []
    saved = refusal(await api.call("POST", "/workflows", WRONG), 422, "invalid")
    assert refusal(await api.call("POST", "/workflows?dry_run=true", WRONG), 422, "invalid") == saved
    await api.call("POST", "/workflows", NOTE)
    assert (await api.call("POST", "/workflows?dry_run=true", NOTE)).status_code == 200


FORKED = """\
workflow: note
nodes:
  opened: {trigger: ticket.opened}
  ask: {after: [opened], if: {all: [{value: {ref: event.ticket.title}, exists: true}]}}
  tell:
    after: [ask.true]
    action: notify
    with: {channel: ops, text: Look.}
  failed: {after: [ask.false, tell.error], action: fail, with: {message: Nobody was told.}}
"""


@pytest.mark.rule("AC-140")
async def test_a_graph_says_what_follows_what_of_the_document_and_of_each_version(api: Api) -> None:
    await api.call("POST", "/workflows", NOTE)
    await api.call("PUT", "/workflows/note", FORKED)
    assert await api.get("/workflows/note/graph") == {
        "workflow": "note",
        "nodes": [
            {"node": "opened", "kind": "trigger", "does": "ticket.opened", "after": [], "line": 3},
            {"node": "ask", "kind": "if", "does": None, "after": [{"node": "opened", "way": "done"}], "line": 4},
            {"node": "tell", "kind": "action", "does": "notify", "after": [{"node": "ask", "way": "true"}], "line": 7},
            {
                "node": "failed",
                "kind": "action",
                "does": "fail",
                "after": [{"node": "ask", "way": "false"}, {"node": "tell", "way": "error"}],
                "line": 9,
            },
        ],
    }
    assert await api.get("/workflows/note/graph?version=2") == await api.get("/workflows/note/graph")
    await api.call("PUT", "/workflows/note", f"# Of one version, a line further down.\n{FORKED}")
    assert [node["line"] for node in (await api.get("/workflows/note/graph"))["nodes"]] == [4, 5, 8, 10]
    assert (await api.get("/workflows/note/graph?version=2"))["nodes"][0]["line"] == 3
    first = await api.get("/workflows/note/graph?version=1")
    assert [node["node"] for node in first["nodes"]] == ["opened", "noted"]
    refusal(await api.call("GET", "/workflows/note/graph?version=3"), 404, "not_found")
    refusal(await api.call("GET", "/workflows/other/graph"), 404, "not_found")
    refusal(await api.call("GET", "/workflows/note/graph", of="zoo"), 404, "not_found")
    await api.call("DELETE", "/workflows/note")
    refusal(await api.call("GET", "/workflows/note/graph?version=1"), 404, "not_found")


@pytest.mark.rule("WF-7")
async def test_a_loop_with_what_is_saved_is_refused(api: Api) -> None:
    await api.call("POST", "/workflows", NOTE)
    back = NOTE.replace("workflow: note", "workflow: back").replace("ticket.opened", "ticket.comment-added")
    back = back.replace(
        "ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Seen.}",
        "ticket.open, with: {title: a, kind: b, subject: {ref: event.ticket.subject}}",
    )
    body = refusal(await api.call("POST", "/workflows", back), 422, "invalid")
    assert body["faults"][0]["message"].startswith(
        "starts this workflow again: ticket.open -> ticket.opened -> note -> ticket.comment-added -> back"
    )
    allowed = back.replace("enabled: true", "enabled: true\nallow_cycle: true")
    assert (await api.call("POST", "/workflows", allowed)).status_code == 201
    await api.call("PUT", "/workflows/note", NOTE.replace("enabled: true", "enabled: false"))
    assert (await api.call("PUT", "/workflows/back", back)).status_code == 200


@pytest.mark.rule("WF-23")
async def test_a_repeated_write_gets_its_first_answer(api: Api) -> None:
    first = await api.call("POST", "/workflows", NOTE, idempotency_key="k1")
    second = await api.call("POST", "/workflows", NOTE, idempotency_key="k1")
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    other = await api.call("POST", "/workflows", NOTE.replace("Seen", "Read"), idempotency_key="k1")
    refusal(other, 422, "idempotency_key_reused")
    refusal(await api.call("PUT", "/workflows/note", NOTE, idempotency_key="k1"), 422, "idempotency_key_reused")
    gone = [await api.call("DELETE", "/workflows/note", idempotency_key="k2") for _ in range(2)]
    assert [(one.status_code, one.content) for one in gone] == [(204, b""), (204, b"")]
    refusal(await api.call("POST", "/workflows", NOTE, idempotency_key="k" * 257), 400, "malformed")
    # What was refused may be mended under the same key, and keys of another org are others.
    refusal(await api.call("POST", "/workflows", WRONG, idempotency_key="k3"), 422, "invalid")
    assert (await api.call("POST", "/workflows", NOTE, idempotency_key="k3")).status_code == 201
    assert (await api.call("POST", "/workflows", NOTE, idempotency_key="k1", org="other")).status_code == 201
    at_once = await asyncio.gather(
        *(api.call("PUT", "/workflows/note", NOTE.replace("Seen", "Told"), idempotency_key="k4") for _ in range(3))
    )
    assert {(one.status_code, one.json()["version"]) for one in at_once} == {(200, 3)}


@pytest.mark.rule("WF-19")
@pytest.mark.parametrize("role", list(Role))
async def test_viewers_read_and_admins_write(api: Api, role: Role) -> None:
    await api.call("POST", "/workflows", NOTE)
    reads = 200 if role is not Role.INGEST else 403
    for path in ("/workflows", "/workflows/note", "/workflows/note/versions", "/workflows/note/runs", "/runs"):
        assert (await api.call("GET", path, role=role)).status_code == reads
    writes = [
        await api.call("POST", "/workflows?dry_run=true", NOTE, role=role),
        await api.call("PUT", "/workflows/note", NOTE, role=role),
        await api.call("DELETE", "/workflows/note", role=role),
    ]
    allowed = role is Role.ADMIN
    assert [one.status_code for one in writes] == ([200, 200, 204] if allowed else [403, 403, 403])


@pytest.mark.rule("WF-18")
async def test_orgs_do_not_see_each_other(api: Api) -> None:
    await api.call("POST", "/workflows", NOTE)
    await api.world.happen(event())
    (run,) = (await api.get("/runs"))["items"]
    assert (await api.get("/workflows", org="other"))["items"] == []
    assert (await api.get("/runs", org="other"))["items"] == []
    unknown = refusal(await api.call("GET", f"/runs/{'0' * 32}"), 404, "not_found")
    for path in (f"/runs/{run['id']}", "/workflows/note", "/workflows/note/runs"):
        assert (await api.call("GET", path, org="other")).status_code == 404
        refusal(await api.call("GET", path, org="other", of="acme"), 404, "not_found")
    assert refusal(await api.call("GET", f"/runs/{run['id']}", org="other"), 404, "not_found") == unknown
    refusal(await api.call("GET", "/runs/nonsense"), 404, "not_found")
    assert (await api.call("DELETE", "/workflows/note", org="other")).status_code == 404
    assert (await api.get("/workflows/note"))["enabled"]


@pytest.mark.rule("AC-75")
async def test_runs_are_found_by_the_entries_that_started_them(api: Api) -> None:
    for name in ("note", "too"):
        await api.call("PUT", f"/workflows/{name}", NOTE.replace("workflow: note", f"workflow: {name}"))
    first, other = event(number=1), event(number=2)
    await api.world.happen(first, other)
    await api.call("DELETE", "/workflows/too")

    async def started_by(*events: str, org: str = "acme") -> list[tuple[str, str]]:
        query = "&".join(f"event={id}" for id in events)
        return [(one["workflow"], one["event_id"]) for one in (await api.get(f"/runs?{query}", org=org))["items"]]

    assert sorted(await started_by(first.id)) == [("note", first.id), ("too", first.id)]
    assert len(await started_by(first.id, other.id)) == 4
    assert await started_by(first.id, org="other") == []
    assert await started_by("0" * 32) == []
    refusal(await api.call("GET", "/runs?event=nonsense"), 400, "malformed")
    refusal(await api.call("GET", "/runs?" + "&".join([f"event={first.id}"] * 51)), 400, "malformed")


@pytest.mark.rule("WF-16")
async def test_runs_are_listed_and_shown(api: Api) -> None:
    await api.call("POST", "/workflows", NOTE)
    await api.call("POST", "/workflows", NOTE.replace("workflow: note", "workflow: too"))
    for number in range(1, 4):
        await api.world.later(seconds=1)
        await api.world.happen(event(number=number))
        if number == 2:
            await api.world.answer_all(APPLIED)
    first = await api.get("/runs?limit=4")
    rest = await api.get(f"/runs?limit=4&cursor={first['next_cursor']}")
    listed = [*first["items"], *rest["items"]]
    assert (len(first["items"]), len(listed), rest["next_cursor"]) == (4, 6, None)
    assert [run["started_at"] for run in listed] == sorted((run["started_at"] for run in listed), reverse=True)
    of_one = await api.get("/workflows/too/runs")
    assert {run["workflow"] for run in of_one["items"]} == {"too"}
    assert len((await api.get("/runs?state=done"))["items"]) == 4
    assert len((await api.get("/workflows/note/runs?state=running"))["items"]) == 1
    refusal(await api.call("GET", "/runs?state=lost"), 400, "malformed")
    refusal(await api.call("GET", "/runs?cursor=nonsense"), 400, "malformed")
    refusal(await api.call("GET", "/runs?limit=201"), 400, "malformed")
    shown = await api.get(f"/runs/{first['items'][0]['id']}")
    assert shown["event"]["ticket"]["number"] == 3
    assert [(node["node"], node["state"]) for node in shown["nodes"]] == [("opened", "done"), ("noted", "waiting")]


async def test_workflows_and_versions_come_in_pages(api: Api) -> None:
    for name in ("b", "a", "c"):
        await api.call("POST", "/workflows", NOTE.replace("workflow: note", f"workflow: {name}"))
    first = await api.get("/workflows?limit=2")
    rest = await api.get(f"/workflows?limit=2&cursor={first['next_cursor']}")
    assert [one["workflow"] for one in (*first["items"], *rest["items"])] == ["a", "b", "c"]
    assert "document" not in first["items"][0]
    for text in ("Two.", "Three."):
        await api.call("PUT", "/workflows/a", NOTE.replace("workflow: note", "workflow: a").replace("Seen.", text))
    first = await api.get("/workflows/a/versions?limit=2")
    rest = await api.get(f"/workflows/a/versions?limit=2&cursor={first['next_cursor']}")
    assert [one["version"] for one in (*first["items"], *rest["items"])] == [3, 2, 1]
    refusal(await api.call("GET", f"/workflows?cursor={first['next_cursor']}"), 400, "malformed")


def cursor(*place: object) -> str:
    return urlsafe_b64encode(json.dumps(place).encode()).decode()


@pytest.mark.rule("OP-47")
async def test_names_and_cursors_that_no_column_can_hold_are_malformed(api: Api) -> None:
    calls = [(method, f"/workflows/a%00{rest}") for method, rest in (("GET", ""), ("PUT", ""), ("DELETE", ""))]
    calls += [("GET", f"/workflows/a%00/{rest}") for rest in ("runs", "versions")]
    for method, path in calls:
        answer = await api.call(method, path, NOTE if method == "PUT" else None)
        assert refusal(answer, 400, "malformed")["field"] == "name", (method, path)
    wrong = [
        f"/runs?cursor={cursor('0001-01-01T00:00:00+14:00', '0' * 32)}",
        f"/runs?cursor={cursor('9999-12-31T23:59:59-14:00', '0' * 32)}",
        f"/workflows?cursor={cursor('a' + chr(0))}",
        f"/workflows?cursor={cursor(chr(0xD800))}",
    ]
    for path in wrong:
        assert refusal(await api.call("GET", path), 400, "malformed")["field"] == "cursor", path
