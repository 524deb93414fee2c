"""`fettle members` against a small real API."""

import json
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle


def member(**changes: Any) -> dict[str, Any]:
    return {
        "person": "ann@acme.test",
        "role": "operator",
        "given_by": "org",
        "name": None,
        "added_at": AT,
        "added_by": "bob@acme.test",
        "signed_in_at": None,
        **changes,
    }


@pytest.mark.rule("AC-159", "AC-60")
def test_members_are_listed_page_by_page(fettle: Fettle, api: FettleApi) -> None:
    bob = member(person="bob@acme.test", role="admin", given_by="provider", name="Bob", signed_in_at=AT)
    api.on("GET", "orgs/acme/members", {"items": [member(), bob], "next_cursor": "bob@acme.test"})
    ran = fettle("members", "list", "--limit", "2", "--cursor", "a")
    assert (ran.status, api.last.query) == (0, {"limit": "2", "cursor": "a"})
    head, first, second = ran.out.splitlines()
    assert head.split() == ["PERSON", "ROLE", "GIVEN", "BY", "ADDED", "BY", "SIGNED", "IN", "NAME"]
    assert first.split() == ["ann@acme.test", "operator", "org", AT, "bob@acme.test"]
    assert second.split() == ["bob@acme.test", "admin", "provider", AT, "bob@acme.test", AT, "Bob"]
    assert ran.err == "More: --cursor bob@acme.test\n"
    assert json.loads(fettle("members", "list", "--json").out)["items"] == [member(), bob]
    api.on("GET", "orgs/acme/members", {"items": [], "next_cursor": None})
    assert fettle("members", "list").out.startswith("Nobody yet")


@pytest.mark.rule("AC-159", "AC-60")
def test_a_person_is_given_a_role_and_taken_out(fettle: Fettle, api: FettleApi) -> None:
    api.on("PUT", "orgs/acme/members", member())
    ran = fettle("members", "set", "ann@acme.test", "operator")
    assert (ran.status, ran.out) == (0, "ann@acme.test is operator.\n")
    assert api.last.json == {"person": "ann@acme.test", "role": "operator"}
    assert api.last.headers["idempotency-key"]
    assert json.loads(fettle("members", "set", "ann@acme.test", "operator", "--json").out) == member()
    api.on("PUT", "orgs/beta/members", member(role=None))
    ran = fettle("members", "remove", "ann@acme.test", "--org", "beta")
    assert (ran.status, ran.out) == (0, "ann@acme.test is out of the org.\n")
    assert api.last.json == {"person": "ann@acme.test", "role": None}
    assert json.loads(fettle("members", "remove", "ann@acme.test", "--org", "beta", "--json").out)["role"] is None


@pytest.mark.rule("AC-159", "AC-61", "AC-62")
def test_the_last_admin_stays_and_a_role_that_is_none_is_wrong_usage(fettle: Fettle, api: FettleApi) -> None:
    last = "ann@acme.test is the org's last admin among its members: make somebody else one first."
    api.refuse("PUT", "orgs/acme/members", 409, "conflict", last, field="role")
    ran = fettle("members", "remove", "ann@acme.test")
    assert (ran.status, ran.out, ran.err) == (1, "", f"fettle: role: {last} [conflict]\n")
    asked = len(api.requests)
    for role in ("ingest", "owner"):
        assert fettle("members", "set", "ann@acme.test", role).status == 2
    assert len(api.requests) == asked
