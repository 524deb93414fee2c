"""`fettle workflows channels`, `secrets` and `hook`, over a small real API."""

import json
from typing import Any

import pytest
from cli.tests.fettle_api import AT, FettleApi
from cli.tests.ran import Fettle

CHANNEL: dict[str, Any] = {
    "name": "ops",
    "kind": "email",
    "settings": {"host": "mail.acme.test", "password": {"secret": "smtp"}, "to": ["a@acme.test", "b@acme.test"]},
    "hourly_cap": 30,
    "saved_at": AT,
    "saved_by": "ann@acme.test",
    "sent_last_hour": 2,
    "held_back": 5,
    "digest_error": None,
}
SECRET = {"name": "smtp", "key_id": "k1", "saved_at": AT, "saved_by": "ann@acme.test"}
HOOK_SECRET = {"id": "0198", "made_at": AT, "made_by": "ann@acme.test", "ends_at": None, "usable": True}


@pytest.mark.rule("WF-129", "AC-60")
def test_channels_are_listed_and_shown_without_a_secrets_value(fettle: Fettle, api: FettleApi) -> None:
    broken = {**CHANNEL, "name": "sick", "digest_error": {"code": "smtp", "message": "No such host."}}
    api.on("GET", "orgs/acme/channels", {"items": [CHANNEL, broken], "next_cursor": None})
    rows = fettle("workflows", "channels", "list").out.splitlines()[1:]
    assert rows[0].split()[:5] == ["ops", "email", "2", "30", "5"]
    assert rows[1].endswith("No such host.")
    api.on("GET", "orgs/acme/channels/ops", CHANNEL)
    shown = fettle("workflows", "channels", "show", "ops").out
    assert "the secret smtp" in shown
    assert "a@acme.test, b@acme.test" in shown
    assert json.loads(fettle("workflows", "channels", "show", "ops", "--json").out) == CHANNEL


@pytest.mark.rule("WF-129", "AC-60")
def test_a_channel_is_made_of_fields_and_secrets(fettle: Fettle, api: FettleApi) -> None:
    api.on("PUT", "orgs/acme/channels/ops", CHANNEL, 201)
    settings = ("--set", "host=mail.acme.test", "--set", "port=465", "--set", 'to=["a@acme.test"]')
    put = ("workflows", "channels", "put", "ops", "--kind", "email")
    assert fettle(*put, *settings, "--secret", "password=smtp", "--cap", "30").status == 0
    wanted = {"host": "mail.acme.test", "port": 465, "to": ["a@acme.test"], "password": {"secret": "smtp"}}
    assert api.last.json == {"kind": "email", "settings": wanted, "hourly_cap": 30}
    for wrong in (("--set", "host"), ("--secret", "password"), ("--secret", "=smtp"), ("--cap", "61")):
        assert fettle(*put, *wrong).status == 2
    assert fettle("workflows", "channels", "put", "ops", "--kind", "pigeon").status == 2
    api.on("DELETE", "orgs/acme/channels/ops", None, 204)
    assert fettle("workflows", "channels", "delete", "ops").out == "Deleted ops.\n"


@pytest.mark.rule("WF-129", "AC-61")
def test_a_trial_that_fails_says_why_and_ends_with_one(fettle: Fettle, api: FettleApi) -> None:
    api.on("POST", "orgs/acme/channels/ops/test", {"outcome": "sent", "error": None, "refused": ["b@acme.test"]})
    ran = fettle("workflows", "channels", "test", "ops", "--to", "a@acme.test", "--to", "b@acme.test")
    assert (ran.status, ran.out) == (0, "Sent, but not to b@acme.test.\n")
    assert api.last.json == {"to": ["a@acme.test", "b@acme.test"]}
    error = {"code": "smtp_refused", "message": "The server knows nobody."}
    api.on("POST", "orgs/acme/channels/ops/test", {"outcome": "failed", "error": error, "refused": []})
    ran = fettle("workflows", "channels", "test", "ops")
    assert (ran.status, ran.err) == (1, "fettle: ops sent nothing: The server knows nobody. [smtp_refused]\n")


@pytest.mark.rule("WF-129")
def test_a_secret_is_asked_for_or_read_and_never_shown(
    fettle: Fettle, api: FettleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.on("PUT", "orgs/acme/secrets/smtp", SECRET, 201)
    ran = fettle("workflows", "secrets", "put", "smtp", stdin="two\nlines\n")
    assert (ran.out, api.last.json) == ("Kept smtp.\n", {"value": "two\nlines"})
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: "typed-unseen")
    ran = fettle("workflows", "secrets", "put", "smtp", typed=True)
    assert api.last.json == {"value": "typed-unseen"}
    assert "typed-unseen" not in ran.out + ran.err
    assert fettle("workflows", "secrets", "put", "smtp", "an-argument").status == 2
    api.on("GET", "orgs/acme/secrets", {"items": [SECRET], "next_cursor": None})
    assert fettle("workflows", "secrets", "list").out.splitlines()[1].split()[0] == "smtp"
    api.refuse("DELETE", "orgs/acme/secrets/smtp", 409, "conflict", "The channel ops names this secret.")
    assert fettle("workflows", "secrets", "delete", "smtp").status == 1
    api.on("DELETE", "orgs/acme/secrets/smtp", None, 204)
    assert fettle("workflows", "secrets", "delete", "smtp").out == "Deleted smtp.\n"


@pytest.mark.rule("WF-129")
def test_secrets_of_hooks_are_made_shown_once_and_ended(fettle: Fettle, api: FettleApi) -> None:
    path = "orgs/acme/workflows/alarm/hook"
    api.on("GET", path, {"path": f"/api/v1/{path}", "secrets": [HOOK_SECRET]})
    address, _, row = fettle("workflows", "hook", "show", "alarm").out.splitlines()
    assert address == f"{api.url}/api/v1/{path}"
    assert (row.split()[0], row.split()[-1]) == ("0198", "yes")
    api.on("POST", f"{path}/secrets", {**HOOK_SECRET, "secret": "whsec_x"}, 201)
    assert fettle("workflows", "hook", "secret", "alarm", "--old-holds-s", "0").out == "whsec_x\n"
    assert api.last.json == {"old_holds_s": 0}
    api.on("DELETE", f"{path}/secrets/0198", None, 204)
    assert fettle("workflows", "hook", "end", "alarm", "0198").out == "Ended 0198.\n"
