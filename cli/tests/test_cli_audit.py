"""`fettle audit` against a small real API."""

import json
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "id": "0198c0de-0000-7000-8000-000000000042",
        "at": AT,
        "actor": {"id": "token/17", "name": "Night shift", "role": "operator"},
        "door": "api",
        "method": "POST",
        "path": "/tickets/42/resolve",
        "key": None,
        "times": 1,
        "outcome": "done",
        "status": 200,
        **changes,
    }


@pytest.mark.rule("AC-60", "AC-131")
def test_the_audit_log_is_asked_for_as_the_arguments_say(fettle: Fettle, api: FettleApi) -> None:
    nobody = {"id": "installation", "name": None, "role": None}
    asked = entry(actor=nobody, outcome="asked", status=None, times=2, path="/tokens")
    api.on("GET", "orgs/acme/audit", {"items": [entry(), asked], "next_cursor": "c1"})
    ran = fettle("audit")
    assert ran.status == 0, ran.err
    assert api.last.query == {"limit": "50"}
    head, first, second = ran.out.splitlines()
    assert head.split() == ["AT", "OUTCOME", "STATUS", "BY", "ID", "ASKED"]
    assert first.split() == [AT, "done", "200", "Night", "shift", entry()["id"], "POST", "/tickets/42/resolve"]
    assert second.split() == [AT, "asked", "installation", entry()["id"], "POST", "/tokens", "(2", "times)"]
    assert ran.err == "More: --cursor c1\n"
    many = ("--actor", "token/17", "--outcome", "refused", "--since", AT, "--until", AT, "--limit", "2")
    shown = fettle("audit", "tickets/42", *many, "--cursor", "c1", "--json")
    assert json.loads(shown.out)["items"] == [entry(), asked]
    assert api.last.query == {
        "thing": "tickets/42",
        "actor": "token/17",
        "outcome": "refused",
        "since": AT,
        "until": AT,
        "limit": "2",
        "cursor": "c1",
    }


@pytest.mark.rule("AC-60", "AC-62")
def test_an_empty_log_says_so_and_an_unknown_outcome_is_wrong_usage(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/audit", {"items": [], "next_cursor": None})
    assert fettle("audit").out == "Nothing of that kind.\n"
    assert fettle("audit", "--outcome", "well").status == 2
