"""`fettle health` and `fettle events` against a small real API."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from cli.tests.fettle_api import AT, FettleApi, ticket
from cli.tests.ran import Fettle
from typer.main import get_group

from fettle_cli.commands import events
from fettle_cli.commands.health import app
from fettle_client.shapes.health import HealthState

SUBJECT = {
    "type": "device",
    "id": "gw/7",
    "name": "Gateway 7",
    "state": "pending_open",
    "condition": "device_offline",
    "since": AT,
    "last_heard": AT,
    "integration": "hue-1",
    "space": "oslo/hq",
    "interval_s": 30,
    "as_of": AT,
}
TRANSITION = {
    "org": "acme",
    "subject": {"type": "device", "id": "gw/7"},
    "from": "healthy",
    "to": "pending_open",
    "condition": "device_offline",
    "at": AT,
    "evidence": {"reason": "silent", "timeout_s": 90.0, "debounce_s": 60.0, "status": "silent"},
}


@pytest.mark.rule("AC-105")
def test_heartbeats_of_an_hour_are_listed(fettle: Fettle, api: FettleApi) -> None:
    beats = [{"at": "2026-11-26T12:02:11.020Z", "status": "ok"}, {"at": "2026-11-26T12:03:00.000Z", "status": None}]
    since = "2026-11-26T11:10:00.000Z"
    hour = {"heartbeats": beats, "since": since, "until": "2026-11-26T12:10:00.000Z", "as_of": AT}
    api.on("GET", "orgs/acme/heard", hour)
    out = fettle("health", "heard", "device/t17", "--at", "2026-11-26T12:10:00Z").out
    for words in ("2026-11-26T12:02:11.020Z", "ok", "not readable", f"From {since} to", f"As of {AT}."):
        assert words in out
    assert api.last.query == {"subject": "device/t17", "at": "2026-11-26T12:10:00.000Z"}


@pytest.mark.rule("AC-94")
def test_the_overview_says_how_the_fleet_stands(fettle: Fettle, api: FettleApi) -> None:
    states = {"healthy": 37, "firing": 3, "pending_open": 0}
    hue = {"id": "hue-1", "name": None, "state": None, "devices": states, "unhealthy": [0, 9, 3]}
    shown = {"states": states, "integrations": [hue], "more_integrations": 2, "enabled": True, "as_of": AT}
    api.on("GET", "orgs/acme/overview", shown)
    out = fettle("health", "overview").out
    for words in ("37 healthy, 3 firing\n", "hue-1", "40", " 9", "and 2 more", f"As of {AT}."):
        assert words in out
    assert "switched off" not in out
    assert json.loads(fettle("health", "overview", "--json").out) == shown
    api.on("GET", "orgs/acme/overview", {**shown, "enabled": False})
    assert "The org's health monitor is switched off" in fettle("health", "overview").out


@pytest.mark.rule("AC-60")
def test_subjects_are_listed_with_the_time_up_to_which_they_are_judged(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/subjects", {"items": [SUBJECT], "next_cursor": None, "as_of": AT})
    ran = fettle("health", "subjects", "--state", "pending_open", "--type", "device")
    assert ran.status == 0
    for word in ("pending open", "device/gw/7", "Gateway 7", "hue-1", f"As of {AT}."):
        assert word in ran.out
    assert api.last.query == {"state": "pending_open", "type": "device", "limit": "50"}


@pytest.mark.rule("HM-86", "AC-60")
@pytest.mark.parametrize("why", ["subject_cap", "list_only"])
def test_one_that_is_not_judged_is_listed_and_shown_with_the_reason(fettle: Fettle, api: FettleApi, why: str) -> None:
    listed = {**SUBJECT, "state": None, "condition": None, "since": None, "unwatched": why}
    api.on("GET", "orgs/acme/subjects", {"items": [listed], "next_cursor": None, "as_of": AT})
    api.on("GET", "orgs/acme/subjects/device/gw/7", listed)
    api.on("GET", "orgs/acme/transitions", {"items": [], "next_cursor": None, "as_of": AT})
    for command in (["subjects"], ["show", "device/gw/7"]):
        assert f"not watched ({why.replace('_', ' ')})" in fettle("health", *command).out


@pytest.mark.rule("AC-60")
def test_the_help_names_every_state_that_subjects_can_be_listed_by() -> None:
    explained = {each.name: getattr(each, "help", None) for each in get_group(app).commands["subjects"].params}
    assert explained["state"] == ", ".join(get_args(HealthState)) + "."


@pytest.mark.rule("AC-60")
def test_a_subject_is_shown_with_its_transitions(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/subjects/device/gw/7", SUBJECT)
    api.on("GET", "orgs/acme/transitions", {"items": [TRANSITION], "next_cursor": None, "as_of": AT})
    ran = fettle("health", "show", "device/gw/7")
    assert ran.status == 0
    for word in (
        "Gateway 7",
        "pending open",
        "device offline",
        "last heard",
        "30 s",
        f"{AT}  healthy → pending open  silent for 90 s",
    ):
        assert word in ran.out
    assert api.last.query["subject"] == "device/gw/7"
    shown = json.loads(fettle("health", "show", "device/gw/7", "--json").out)
    assert shown["transitions"] == [TRANSITION]


@pytest.mark.rule("AC-60")
@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        ({"reason": "debounce_passed", "debounce_s": 4.0}, "  so for 4 s"),
        ({"reason": "reported", "status": "credentials_invalid"}, "  reported credentials invalid"),
        ({"reason": "first_heard"}, "  first heard"),
        (None, ""),
    ],
)
def test_each_transition_says_why(fettle: Fettle, api: FettleApi, evidence: dict[str, Any] | None, why: str) -> None:
    api.on("GET", "orgs/acme/subjects/device/gw/7", SUBJECT)
    items = [{**TRANSITION, "evidence": evidence}]
    api.on("GET", "orgs/acme/transitions", {"items": items, "next_cursor": None, "as_of": AT})
    assert fettle("health", "show", "device/gw/7").out.splitlines()[-1] == f"{AT}  healthy → pending open{why}"


@pytest.mark.rule("AC-60")
def test_the_policy_is_shown_and_single_fields_are_changed(fettle: Fettle, api: FettleApi) -> None:
    policy = {"enabled": False, "timeout_s": None, "version": 3, "overrides": [{"match": {"model": "a"}}]}
    api.on("GET", "orgs/acme/health-policy", policy)
    api.on("PUT", "orgs/acme/health-policy", {**policy, "enabled": True, "timeout_s": 30})
    shown = fettle("health", "policy")
    assert "override" in shown.out
    changed = fettle("health", "policy", "--set", "enabled=true", "--set", "timeout_s=30", "--set", "discover=judge")
    assert changed.status == 0
    assert api.last.json == {**policy, "enabled": True, "timeout_s": 30, "discover": "judge"}
    assert api.last.headers["if-match"] == f'"{policy["version"]}"'


@pytest.mark.rule("HM-76")
@pytest.mark.parametrize(
    ("versions", "line"),
    [
        ((3, 3, 3), "version 3 in all 3 shards"),
        ((3, 2, 3, None), "version 3 in shards 0, 2; version 2 in shard 1; none yet in shard 3"),
        ((None, None), "none yet in all 2 shards"),
        ((7,), "version 7 in shard 0"),
    ],
)
def test_the_policy_is_shown_with_what_each_shard_judges_by(
    fettle: Fettle, api: FettleApi, versions: tuple[int | None, ...], line: str
) -> None:
    in_force = [{"shard": shard, "version": version} for shard, version in enumerate(versions)]
    api.on("GET", "orgs/acme/health-policy", {"enabled": True, "version": 3, "in_force": in_force})
    assert fettle("health", "policy").out.splitlines()[-1] == f"in force  {line}"


@pytest.mark.rule("AC-60")
def test_a_policy_comes_whole_from_a_file(fettle: Fettle, api: FettleApi, tmp_path: Path) -> None:
    api.on("GET", "orgs/acme/health-policy", {"enabled": False, "version": 2})
    api.on("PUT", "orgs/acme/health-policy", {"enabled": True})
    (tmp_path / "policy.json").write_text('{"enabled": true}')
    assert fettle("health", "policy", "--file", "policy.json").status == 0
    assert "if-match" not in api.last.headers
    assert api.last.json == {"enabled": True}
    for text in ("{", "[]"):
        (tmp_path / "policy.json").write_text(text)
        assert fettle("health", "policy", "--file", "policy.json").status == 1


@pytest.mark.rule("AC-64")
def test_the_tail_goes_on_where_a_lost_connection_ended(
    fettle: Fettle, api: FettleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "AGAIN_S", 0.0)
    event = {"org": "acme", "entry": {"at": AT, "type": "opened"}, "ticket": ticket(42)}
    api.streams = [
        f"id: 1\nevent: fettle.ticket.opened.v1\ndata: {json.dumps(event)}\n\n: still here\n\n",
        f"id: 2\nevent: fettle.health.transition.v1\ndata: {json.dumps(TRANSITION)}\n\n"
        "id: 3\nevent: reset\ndata: {}\n\n",
    ]
    ran = fettle("events", "tail", "--count", "3")
    assert ran.status == 0
    assert ran.out.splitlines() == [
        f"{AT}  #42 opened: Device offline: Thermostat 17",
        f"{AT}  device/gw/7 healthy → pending_open",
        "reset  {}",
    ]
    assert [request.headers.get("last-event-id") for request in api.requests] == [None, "1"]


@pytest.mark.rule("AC-64")
def test_the_tail_as_json_is_one_object_a_line(fettle: Fettle, api: FettleApi) -> None:
    api.streams = [f"id: 2\nevent: fettle.health.transition.v1\ndata: {json.dumps(TRANSITION)}\n\n"]
    ran = fettle("events", "tail", "--count", "1", "--json", "--since", "1")
    assert json.loads(ran.out) == {"id": "2", "event": "fettle.health.transition.v1", "data": TRANSITION}
    assert api.last.headers["last-event-id"] == "1"


@pytest.mark.rule("AC-64")
def test_a_refused_tail_ends(fettle: Fettle, api: FettleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FETTLE_URL", "http://127.0.0.1:1")
    assert fettle("events", "tail").status == 1
