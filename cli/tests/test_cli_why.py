"""`fettle health why` against a small real API."""

import json
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle

NUMBER: dict[str, Any] = {
    "what": "timeout_s",
    "present": 180,
    "wanted": 239,
    "from_the_beginning": False,
    "size": 0.3278,
    "silence": None,
    "starts_at": None,
    "length_s": None,
    "text": "timeout_s 180 -> 239",
}
SILENCE: dict[str, Any] = {**NUMBER, "what": "silence", "starts_at": AT, "text": "a silence of 90 s"}
FOUND: dict[str, Any] = {
    "subject": "device/gw/7",
    "at": AT,
    "as_of": AT,
    "called_for": True,
    "ticket": {"id": "0198", "number": 42, "state": "in_progress"},
    "because": "Last heard long ago.",
    "suppressed_by": None,
    "state": "firing",
    "condition": "device_offline",
    "since": AT,
    "last_heard": AT,
    "reported": "ok",
    "timer": {"what": "silence", "at": AT, "ran_out": True},
    "policy": {
        "version": 3,
        "enabled": True,
        "publish_tickets": False,
        "numbers": {"timeout_s": {"value": 180, "set_by": "model T100"}},
    },
    "verdict": {"outcome": "already_open", "at": AT, "reason": "ticket #42 is unresolved"},
    "blind": [{"kind": "unobserved", "since": AT, "until": None}],
    "replayed": {"since": AT, "heartbeats": 7, "refused": {"not_json": 2}, "ignored": {"list_only": 1}},
    "change": NUMBER,
    "others": [SILENCE],
    "no_change": None,
}


@pytest.mark.rule("HM-185")
def test_the_answer_comes_before_what_it_rests_on(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/why", FOUND)
    ran = fettle("health", "why", "device/gw/7", "--at", "2026-11-23T10:17:00Z")
    assert api.last.query == {"subject": "device/gw/7", "at": "2026-11-23T10:17:00.000Z"}
    lines = ran.out.splitlines()
    assert lines[:4] == [
        "Last heard long ago.",
        "Otherwise: timeout_s 180 -> 239 would have meant no ticket.",
        f"       or: a silence of 90 s from {AT}.",
        "",
    ]
    assert [" ".join(line.split()) for line in lines[4:]] == [
        f"at {AT}",
        "ticket #42, now in progress",
        "state firing",
        "condition device offline",
        f"since {AT}",
        f"last heard {AT}",
        "reported ok",
        f"timer silence ran out at {AT}",
        f"verdict already open at {AT}: ticket #42 is unresolved",
        "policy version 3, enabled on, publish_tickets off",
        "timeout_s 180 (model T100)",
        f"unobserved {AT} to now",
        f"judged again from {AT}, 7 heartbeats of its own",
        "refused 2 as not_json",
        "not judged 1, list only",
        f"as of {AT}",
    ]
    assert json.loads(fettle("health", "why", "device/gw/7", "--json").out) == FOUND


@pytest.mark.rule("HM-185", "HM-182")
def test_where_none_would_have_it_says_so(fettle: Fettle, api: FettleApi) -> None:
    nothing = dict.fromkeys(("ticket", "state", "condition", "since", "last_heard", "reported", "timer", "policy"))
    api.on(
        "GET",
        "orgs/acme/why",
        {
            **FOUND,
            **nothing,
            "verdict": None,
            "replayed": None,
            "change": None,
            "others": [],
            "blind": [],
            "called_for": False,
            "suppressed_by": "never_heard",
            "no_change": "no single change would have decided otherwise",
        },
    )
    out = fettle("health", "why", "device/gw/7").out.splitlines()
    assert out[1] == "No single change would have decided otherwise."
    assert "held back  never heard" in out
    assert fettle("health", "why", "gw7").status == 2
    assert fettle("health", "why", "device/gw/7", "--at", "once").status == 2
