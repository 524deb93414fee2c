"""Workflows that are tried on a ticket see what its real events said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.workflows.both_services import Both, both_services

SEES = """\
workflow: sees
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  started: {trigger: ticket.started}
  told: {trigger: ticket.comment-added}
  resolved: {trigger: ticket.resolved}
  reopened: {trigger: ticket.reopened}
  pressed: {trigger: manual}
  rest: {after: [opened, started, told, resolved, reopened, pressed], action: wait, with: {for: 1s}}
"""
LINK = {"label": "Manual", "url": "https://example.com/lift-3"}
LIFT = {"title": "Noise", "subject": {"type": "other", "id": "lift-3"}, "description": "It *rattles*.", "links": [LINK]}
ACTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("ticket.opened", "/tickets", LIFT),
    ("ticket.started", "/tickets/1/start", {}),
    ("ticket.comment-added", "/tickets/1/comments", {"comment": "On my way."}),
    ("ticket.resolved", "/tickets/1/resolve", {}),
    ("ticket.reopened", "/tickets/1/reopen", {}),
)


@pytest.fixture
async def both(environment: dict[str, str]) -> AsyncIterator[Both]:
    async with both_services(environment) as found:
        yield found


async def tried(both: Both, org: str = "acme", status: int = 200, **asked: Any) -> dict[str, Any]:
    answer = await both.engine(org, "POST", "/workflows/sees/test-runs", body={"document": SEES, **asked})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def run_of(both: Both, entry: str) -> dict[str, Any]:
    """The run that an entry has started, once it is there."""
    found: list[dict[str, Any]] = []

    async def started() -> bool:
        found[:] = (await both.engine("acme", "GET", f"/runs?event={entry}")).json()["items"]
        return bool(found)

    await both.until(started, f"a run by {entry}")
    run: dict[str, Any] = (await both.engine("acme", "GET", f"/runs/{found[0]['id']}")).json()
    return run


@pytest.mark.rule("WF-165", "WF-166")
async def test_a_try_on_a_ticket_sees_what_its_real_event_said(both: Both) -> None:
    await both.add_orgs(["acme", "globex"])
    assert (await both.engine("acme", "PUT", "/workflows/sees", SEES)).status_code == 201
    for done, (trigger, path, body) in enumerate(ACTS):
        answer = await both.tickets("acme", "POST", path, body)
        assert answer.status_code in (200, 201), answer.text
        found = await tried(both, ticket=1, trigger=trigger)
        run = await run_of(both, found["event_id"])
        assert run["event"]["chain"], "the record's own place, which no answer by HTTP has"
        assert {**run["event"], "chain": None} == found["event"]
        assert (found["trigger"], found["state"], found["nodes"][-1]["state"]) == (trigger, "done", "done")
        for later, _, _ in ACTS[done + 1 :]:
            refused = await tried(both, ticket=1, trigger=later, status=422)
            assert (refused["code"], refused["field"]) == ("invalid", "ticket")

    await both.tickets("acme", "POST", "/tickets/1/comments", {"comment": "Again."})
    told = await tried(both, ticket=1, trigger="told")
    assert told["event"]["entry"]["body"] == "Again.", "the newest of them"
    opened = await tried(both, ticket=1)
    assert (opened["trigger"], opened["event"]["entry"]["version"]) == ("ticket.opened", 1), "the first trigger's"
    assert opened["event"]["ticket"]["version"] == told["event"]["entry"]["version"], "the ticket as it is now"

    for org, ticket in (("globex", 1), ("acme", 2)):
        refused = await tried(both, org, ticket=ticket, status=404)
        assert (refused["code"], refused["field"]) == ("not_found", "ticket")
    assert "not about tickets" in (await tried(both, ticket=1, trigger="pressed", status=422))["detail"]
