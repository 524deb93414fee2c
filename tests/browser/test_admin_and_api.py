"""What the pages of policies, people, channels and the audit log show is what the API answers."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from fettle_console.views.channels import ShownChannel
from fettle_console.views.policy import overrides
from fettle_console.views.tokens import ROLES
from fettle_contracts.health_policy import RULES
from tests.browser.test_screen_and_api import agreeing
from tests.browser.test_values_and_api import Thing, rows, said
from tests.browser.window import Window
from tests.installation import OrgApi


@pytest.mark.slow
@pytest.mark.rule("AC-160")
def test_every_value_of_policies_people_and_channels_is_the_apis(window: Window, org: OrgApi) -> None:
    override = {"match": {"model": "lct015"}, "timeout_s": 120}
    changed = {**org.get("/health-policy"), "open_debounce_s": 70, "overrides": [override]}
    assert org.put("/health-policy", changed).status_code in (200, 202)
    org.new_token("viewer", "Dashboard")
    assert org.put("/members", {"person": "ann@acme.example", "role": "operator"}).status_code < 300
    mail = {"host": "mail.acme.example", "from": "fettle@acme.example", "to": ["ops@acme.example"]}
    assert org.put("/channels/duty", {"kind": "email", "settings": mail, "hourly_cap": 7}).status_code == 201
    assert org.put("/secrets/pager", {"value": "as long as it must be"}).status_code == 201
    agrees = partial(agreeing, window, org)

    agrees("/health/policies", partial(_policies_shown, window), lambda: _policies(org))
    agrees(
        "/tokens",
        lambda: [row[:4] for row in rows(window, "#tokens", 4)],
        lambda: [_token(one) for one in org.get("/tokens")["items"]],
    )
    agrees(
        "/members",
        lambda: [row[:2] for row in rows(window, "#members", 4)],
        lambda: [(one["person"], ROLES[one["role"]][0]) for one in org.get("/members")["items"]],
    )
    agrees(
        "/channels",
        lambda: (rows(window, "#channels", 4), said(window, ".secrets .line code")),
        lambda: (
            [_channel(ShownChannel.of(one)) for one in org.get("/channels")["items"]],
            [one["name"] for one in org.get("/secrets")["items"]],
        ),
    )
    agrees(
        "/audit",
        lambda: [(row[0], row[1]) for row in rows(window, "#audit", 5)],
        lambda: [
            (one["at"], one["actor"]["name"] or "The installation") for one in org.get("/audit", limit="50")["items"]
        ],
    )


_FILLED = """
return Object.fromEntries([...document.querySelectorAll("form .rules input[name]:not([type=checkbox])")]
  .filter((one) => one.value).map((one) => [one.name, Number(one.value)]));
"""


def _policies_shown(window: Window) -> dict[str, Any]:
    return {
        "rules": window.script(_FILLED),
        "whom": said(window, ".overrides tbody th"),
        "sets": said(window, ".overrides tbody td:nth-of-type(1)"),
    }


def _policies(org: OrgApi) -> dict[str, Any]:
    policy, tickets = org.get("/health-policy"), org.get("/ticket-policy")
    shown = overrides(policy)
    return {
        "rules": {
            **{name: policy[name] for name in RULES if policy[name] != RULES[name]},
            "subject_cap": policy["subject_cap"],
            **{name: tickets[name] for name in ("reopen_window_s", "retention_days")},
        },
        "whom": [f"{one.kind} {one.value}" for one in shown],
        "sets": ["; ".join(one.sets) for one in shown],
    }


def _token(one: Thing) -> tuple[str, ...]:
    return one["name"], ROLES[one["role"]][0], one["used_at"] or "never", one["expires_at"]


def _channel(one: ShownChannel) -> tuple[str, ...]:
    return one.name, one.kind, one.where, f"{one.sent} of {one.cap}"
