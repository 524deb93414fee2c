"""`fettle health verify` against a small real API."""

import json
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle

CHANGE: dict[str, Any] = {"subject": "device/gw/7", "from": "healthy", "to": "pending_open", "at": AT}
SAME: dict[str, Any] = {
    "partition": 3,
    "generation": 1,
    "since": AT,
    "until": AT,
    "records": 4_100,
    "same": True,
    "published_same": 12,
    "history_same": 11,
    "differences": [],
    "differences_count": 0,
    "states": [],
    "as_of": AT,
}
MISSING: dict[str, Any] = {
    "where": "history",
    "wrong": "missing",
    "id": "4f1c",
    "fields": [],
    "replayed": CHANGE,
    "found": None,
}


def answers(api: FettleApi, *lines: dict[str, Any]) -> None:
    api.on("GET", "orgs/acme/verify", b"".join(json.dumps(line).encode() + b"\n" for line in lines))


@pytest.mark.rule("HM-171")
def test_what_is_the_same_ends_with_status_0(fettle: Fettle, api: FettleApi) -> None:
    answers(api, {"done": 0.4}, {"verified": SAME})
    ran = fettle("health", "verify", "--partition", "3", "--since", "2026-11-23T10:00:00Z")
    assert ran.status == 0
    assert ran.out.splitlines() == [
        f"Replayed 4100 records of partition 3, {AT} to {AT}.",
        "12 changes were published and 11 stand in the history as judged.",
        f"As of {AT}.",
    ]
    assert api.last.query == {"partition": "3", "since": "2026-11-23T10:00:00.000Z"}
    assert json.loads(fettle("health", "verify", "--partition", "3", "--json").out) == SAME


@pytest.mark.rule("HM-171")
def test_what_differs_is_named_and_ends_with_status_1(fettle: Fettle, api: FettleApi) -> None:
    wrong = {**SAME, "same": False, "differences": [MISSING], "differences_count": 51, "states": ["device/gw/7"]}
    answers(api, {"verified": wrong})
    ran = fettle("health", "verify", "--partition", "3")
    assert ran.status == 1
    assert "partition 3 does not say what was published" in ran.err
    assert f"history  missing  {AT}  device/gw/7  healthy → pending_open  4f1c" in ran.out
    assert ran.out.splitlines()[-3] == "And 50 more."
    assert ran.out.splitlines()[-2] == "The newest checkpoint has otherwise: device/gw/7."


@pytest.mark.rule("HM-277")
def test_of_what_differs_both_values_are_named(fettle: Fettle, api: FettleApi) -> None:
    judged = {**CHANGE, "condition": None, "evidence": {"status": "silent", "timeout_s": 8.0, "deadline": AT}}
    there = {**judged, "condition": "device_offline", "evidence": {"status": "silent", "timeout_s": 80.0}}
    altered = {**MISSING, "wrong": "different", "fields": ["condition", "evidence"], "replayed": judged, "found": there}
    answers(api, {"verified": {**SAME, "same": False, "differences": [altered], "differences_count": 1}})
    ran = fettle("health", "verify", "--partition", "3")
    assert ran.status == 1
    assert (
        "4f1c  condition device_offline, judged missing; "
        f"evidence.deadline missing, judged {AT}; evidence.timeout_s 80.0, judged 8.0\n"
    ) in ran.out


@pytest.mark.rule("HM-277")
def test_a_replay_from_later_than_was_asked_for_says_so(fettle: Fettle, api: FettleApi) -> None:
    answers(api, {"verified": SAME})
    earlier = fettle("health", "verify", "--partition", "3", "--since", "2026-11-01T10:00:00Z")
    assert earlier.status == 0
    assert earlier.err == "No checkpoint of 2026-11-01T10:00:00Z or before is kept; this is from the oldest that is.\n"
    for since in ((), ("--since", AT)):
        assert fettle("health", "verify", "--partition", "3", *since).err == ""


@pytest.mark.rule("HM-171")
def test_a_long_replay_says_how_far_it_is(fettle: Fettle, api: FettleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fettle_cli.commands.verification.QUIET_S", 0.0)
    answers(api, {"done": 0.4}, {"verified": SAME})
    assert fettle("health", "verify", "--partition", "3").err.splitlines() == ["40% replayed"]


@pytest.mark.rule("HM-173")
def test_what_breaks_off_or_is_refused_is_one_line_and_status_1(fettle: Fettle, api: FettleApi) -> None:
    answers(api, {"done": 0.4})
    assert fettle("health", "verify", "--partition", "3").status == 1
    answers(api, {"problem": {"code": "unavailable", "detail": "Kafka is away."}})
    assert "Kafka is away. [unavailable]" in fettle("health", "verify", "--partition", "3").err
    api.refuse("GET", "orgs/acme/verify", 409, "conflict", "shard 3 has no checkpoint yet.")
    assert "shard 3 has no checkpoint yet. [conflict]" in fettle("health", "verify", "--partition", "3").err
    assert fettle("health", "verify", "--partition", "3", "--since", "yesterday").status == 2
