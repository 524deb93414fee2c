"""`fettle tickets` against a small real API: what is asked, what is shown, how it ends."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi, ticket
from cli.tests.ran import Fettle


@pytest.mark.rule("AC-60")
def test_list_shows_a_table_of_open_tickets(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/tickets", {"items": [ticket(42), ticket(7, state="in_progress")], "next_cursor": "c2"})
    ran = fettle("tickets", "list")
    assert ran.status == 0
    header, first, second = ran.out.splitlines()
    assert header.split() == ["NO", "STATE", "TITLE", "SUBJECT", "SPACE", "SOURCE", "OPENED"]
    for word in ("#42", "open", "Device offline: Thermostat 17", "device/t17", "oslo/hq/3", "health monitor"):
        assert word in first
    assert "in progress" in second
    assert "--cursor c2" in ran.err
    assert api.last.query == {"state": "open", "limit": "50"}
    assert api.last.headers["authorization"] == "Bearer s3cret"


@pytest.mark.rule("AC-60")
def test_list_passes_every_filter_on(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/tickets", {"items": [], "next_cursor": None})
    wanted = {
        "state": "all",
        "source": "user",
        "kind": "user_report",
        "subject": "other/lift-3",
        "integration": "hue-1",
        "space": "oslo/hq",
        "sort": "updated",
        "limit": "3",
        "cursor": "c1",
    }
    options = [part for name, value in wanted.items() for part in (f"--{name}", value)]
    ran = fettle("tickets", "list", *options, "-q", "lift")
    assert (ran.status, ran.out) == (0, "No such tickets.\n")
    assert api.last.query == {**wanted, "q": "lift"}


@pytest.mark.rule("AC-60")
def test_json_is_the_answer_itself(fettle: Fettle, api: FettleApi) -> None:
    page = {"items": [ticket(42)], "next_cursor": None, "new_field": True}
    api.on("GET", "orgs/acme/tickets", page)
    assert json.loads(fettle("tickets", "list", "--json").out) == page


@pytest.mark.rule("AC-60")
def test_show_tells_the_tickets_story(fettle: Fettle, api: FettleApi) -> None:
    more = {"previous": {"id": "a", "number": 9}, "links": [{"label": "Order", "url": "https://orders.test/7"}]}
    api.on("GET", "orgs/acme/tickets/42", ticket(42, started_at=AT, started_by={"type": "user", "name": "Ann"}, **more))
    hint = {"type": "workflow", "id": "hint"}
    evidence = {"timeout_s": 180, "last_heard": AT}
    opened = {"type": "opened", "actor": {"type": "health_monitor"}, "body": None, "evidence": evidence}
    entries = [
        {"version": 1, "at": AT, **opened},
        {"version": 2, "at": AT, "type": "comment-added", "actor": hint, "body": "Look\nthere."},
    ]
    api.on("GET", "orgs/acme/tickets/42/timeline", {"items": entries[::-1], "next_cursor": None})
    shown = fettle("tickets", "show", "42")
    assert shown.status == 0
    for line in (
        f"{AT} by Ann",
        f"{AT} by health monitor",
        "Look **here**.",
        f"{AT}  comment-added  hint",
        "    there.",
        "Order: https://orders.test/7",
        "    timeout_s: 180",
        f"    last_heard: {AT}",
    ):
        assert line in shown.out
    assert re.search("before +#9\n", shown.out)
    assert shown.out.index("opened  health monitor") < shown.out.index("comment-added")
    assert "earlier" not in shown.out


@pytest.mark.rule("TS-107")
def test_show_reads_the_newest_entries_and_the_whole_timeline_where_asked_for(fettle: Fettle, api: FettleApi) -> None:
    def entries(*versions: int) -> list[dict[str, Any]]:
        entry = {"at": AT, "type": "comment-added", "actor": {"type": "user", "id": "a"}}
        return [{**entry, "version": version} for version in versions]

    def asked() -> list[dict[str, str]]:
        return [request.query for request in api.requests if request.path.endswith("/timeline")]

    api.on("GET", "orgs/acme/tickets/42", ticket(42))
    api.on("GET", "orgs/acme/tickets/42/timeline", {"items": entries(*range(70, 20, -1)), "next_cursor": "n"})
    shown = fettle("tickets", "show", "42").out
    assert shown.count("comment-added") == 50
    assert "\n20 earlier entries; --all shows the whole timeline\n" in shown
    assert asked() == [{"sort": "-version", "limit": "50"}]

    whole = entries(*range(1, 71))
    api.on("GET", "orgs/acme/tickets/42/timeline", {"items": whole, "next_cursor": None})
    shown = fettle("tickets", "show", "42", "--all").out
    assert (shown.count("comment-added"), "earlier" in shown) == (70, False)
    assert json.loads(fettle("tickets", "show", "42", "--json").out)["timeline"] == whole
    assert asked()[1:] == [{"limit": "200"}] * 2


@pytest.mark.rule("TS-59")
def test_show_tells_of_a_rollups_members_and_parts(fettle: Fettle, api: FettleApi) -> None:
    down = {"type": "device", "id": "t1", "name": "Thermostat 1", "recovered": False, "recovered_at": None}
    back = {"type": "device", "id": "t2", "name": None, "recovered": True, "recovered_at": AT}
    rollup = {
        "checklist": {"total": 3, "recovered": 1, "items": [down, back]},
        "children": [{"number": 40, "title": "x", "state": "resolved"}, {"number": 41, "title": "y", "state": "open"}],
        "more_children": True,
        "parent": {"id": "…", "number": 7},
        "flap_count": 5,
    }
    api.on("GET", "orgs/acme/tickets/42", ticket(42, **rollup))
    api.on("GET", "orgs/acme/tickets/42/timeline", {"items": [], "next_cursor": None})
    shown = fettle("tickets", "show", "42")
    assert shown.status == 0
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    for line in (
        *("checklist 1 of 3 recovered", "[ ] device/t1 Thermostat 1", "[x] device/t2", "and 1 more; --json has all"),
        *("parent #7", "parts #40, #41, and more", "flaps 5"),
    ):
        assert line in lines
    everyone = [down, back, {**down, "id": "t3"}]
    api.on("GET", "orgs/acme/tickets/42/checklist", {"items": everyone, "next_cursor": None})
    assert json.loads(fettle("tickets", "show", "42", "--json").out)["checklist"]["items"] == everyone


@pytest.mark.rule("AC-60")
def test_open_sends_what_a_person_says(fettle: Fettle, api: FettleApi) -> None:
    api.on("POST", "orgs/acme/tickets", ticket(43, title="Lift 3 makes a noise"), 201)
    ran = fettle(
        *("tickets", "open", "Lift 3 makes a noise", "--subject", "other/lift-3", "--subject-name", "Lift 3"),
        *("--description", "-", "--space", "oslo/hq"),
        stdin="Since *this morning*.",
    )
    assert (ran.status, ran.out) == (0, "#43 open: Lift 3 makes a noise\n")
    assert api.last.json == {
        "title": "Lift 3 makes a noise",
        "subject": {"type": "other", "id": "lift-3", "name": "Lift 3"},
        "description": "Since *this morning*.",
        "space": "oslo/hq",
    }


@pytest.mark.rule("AC-60")
@pytest.mark.parametrize("action", ["start", "move-to-open", "resolve", "reopen"])
def test_actions_take_a_comment_along(fettle: Fettle, api: FettleApi, action: str) -> None:
    api.on("POST", f"orgs/acme/tickets/42/{action}", ticket(42, state="in_progress"))
    assert fettle("tickets", action, "42").out.startswith("#42 in progress: ")
    assert api.last.json == {}
    assert fettle("tickets", action, "42", "--comment", "On my way.").status == 0
    assert api.last.json == {"comment": "On my way."}


@pytest.mark.rule("AC-60")
@pytest.mark.parametrize("action", ["start", "move-to-open", "resolve", "reopen", "comment"])
def test_many_tickets_are_worked_in_one_request(fettle: Fettle, api: FettleApi, action: str) -> None:
    done = {"outcome": "applied", "status": 200, "state": "in_progress", "version": 2}
    api.on("POST", "orgs/acme/tickets/bulk", {"items": [{"number": 42, **done}, {"number": 43, **done}]})
    text = ("On it.",) if action == "comment" else ("--comment", "On it.")
    ran = fettle("tickets", action, "42", "43", *text)
    assert (ran.status, ran.out) == (0, "#42 in progress\n#43 in progress\n")
    assert api.last.json == {"action": action, "numbers": [42, 43], "comment": "On it."}


@pytest.mark.rule("AC-60", "AC-61")
def test_of_many_tickets_each_refusal_is_said(fettle: Fettle, api: FettleApi) -> None:
    items = [
        {"number": 42, "outcome": "unchanged", "status": 200, "state": "resolved", "version": 2},
        {"number": 9, "outcome": "rejected", "status": 404, "code": "ticket_not_found", "detail": "There is none."},
    ]
    api.on("POST", "orgs/acme/tickets/bulk", {"items": items})
    ran = fettle("tickets", "resolve", "42", "9")
    assert (ran.status, ran.out) == (1, "#42 resolved\n#9 There is none. [ticket_not_found]\n")
    assert ran.err == "fettle: 1 of 2 were refused; the others are done\n"
    assert api.last.json == {"action": "resolve", "numbers": [42, 9]}
    assert json.loads(fettle("tickets", "resolve", "42", "9", "--json").out) == {"items": items}


@pytest.mark.rule("AC-60")
def test_the_ticket_policy_is_shown_and_changed(fettle: Fettle, api: FettleApi, tmp_path: Path) -> None:
    pattern = {"pattern": "WO-([0-9]+)", "url": "https://x.test/$1"}
    policy = {"reopen_window_s": 3600, "report_issue_enabled": True, "link_patterns": [pattern], "version": 4}
    api.on("GET", "orgs/acme/ticket-policy", policy)
    api.on("PUT", "orgs/acme/ticket-policy", {**policy, "reopen_window_s": 60})
    shown = fettle("tickets", "policy")
    assert shown.out.splitlines()[-1] == f"link pattern  {json.dumps(pattern)}"
    changed = fettle("tickets", "policy", "--set", "reopen_window_s=60")
    assert (changed.status, "60" in changed.out) == (0, True)
    assert (api.last.json, api.last.headers["if-match"]) == ({**policy, "reopen_window_s": 60}, '"4"')
    (tmp_path / "policy.json").write_text('{"retention_days": 30}')
    assert fettle("tickets", "policy", "--file", "policy.json", "--json").status == 0
    assert (api.last.method, api.last.json) == ("PUT", {"retention_days": 30})
    assert "if-match" not in api.last.headers


@pytest.mark.rule("AC-60")
def test_a_comment_may_come_from_stdin(fettle: Fettle, api: FettleApi) -> None:
    api.on("POST", "orgs/acme/tickets/42/comments", ticket(42), 201)
    assert fettle("tickets", "comment", "42", "-", stdin="Called the vendor.").status == 0
    assert api.last.json == {"comment": "Called the vendor."}


@pytest.mark.rule("AC-60")
def test_edit_names_the_version_that_it_saw(fettle: Fettle, api: FettleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.on("GET", "orgs/acme/tickets/42", ticket(42))
    api.on("PUT", "orgs/acme/tickets/42/description", ticket(42, description="New."))
    assert fettle("tickets", "edit", "42", "--description", "New.").status == 0
    assert (api.last.json, api.last.headers["if-match"]) == ({"description": "New."}, '"3"')
    monkeypatch.setenv("VISUAL", "sed -i s/here/there/")
    assert fettle("tickets", "edit", "42").status == 0
    assert api.last.json == {"description": "Look **there**."}


@pytest.mark.rule("AC-61")
def test_a_refusal_says_what_rule_and_ends_with_one(fettle: Fettle, api: FettleApi) -> None:
    api.refuse("POST", "orgs/acme/tickets/42/start", 409, "wrong_state", "A resolved ticket cannot be started.")
    ran = fettle("tickets", "start", "42")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "fettle: A resolved ticket cannot be started. [wrong_state]\n"


@pytest.mark.rule("AC-61")
def test_a_refused_field_is_named(fettle: Fettle, api: FettleApi) -> None:
    api.refuse("POST", "orgs/acme/tickets", 422, "title_empty", "A ticket needs a title.", field="title")
    ran = fettle("tickets", "open", "", "--subject", "other/x")
    assert (ran.status, ran.err) == (1, "fettle: title: A ticket needs a title. [title_empty]\n")


@pytest.mark.rule("AC-61")
def test_a_failed_editor_changes_nothing(fettle: Fettle, api: FettleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.on("GET", "orgs/acme/tickets/42", ticket(42))
    monkeypatch.setenv("VISUAL", "false")
    ran = fettle("tickets", "edit", "42")
    assert ran.status == 1
    assert "nothing was changed" in ran.err
    assert [request.method for request in api.requests] == ["GET"]
