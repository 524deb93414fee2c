"""A run that failed while its command was under way goes on when it is retried, and the command has one effect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters import run_rows
from fettle_workflow_engine.domain.run import Failure
from tests.workflows.both_services import Both, both_services

NOTES = """\
workflow: notes
enabled: true
nodes:
  pressed: {trigger: manual}
  noted: {after: [pressed], action: ticket.comment, with: {ticket: {ref: event.data.ticket}, text: Seen.}}
"""
LIFT = {"title": "Noise", "subject": {"type": "other", "id": "lift-3"}}


@pytest.fixture
async def both(environment: dict[str, str]) -> AsyncIterator[Both]:
    async with both_services(environment) as found:
        yield found


async def newest(both: Both) -> dict[str, Any]:
    listed = (await both.engine("acme", "GET", "/runs")).json()["items"]
    run: dict[str, Any] = (await both.engine("acme", "GET", f"/runs/{listed[0]['id']}")).json() if listed else {}
    return run


@pytest.mark.rule("TS-1", "WF-76")
async def test_an_answer_that_nobody_waited_for_is_given_again(both: Both) -> None:
    await both.add_orgs(["acme"])
    assert (await both.engine("acme", "PUT", "/workflows/notes", NOTES)).status_code == 201
    assert (await both.tickets("acme", "POST", "/tickets", LIFT)).status_code == 201
    async with unit_of_work(both.tickets_database) as holding:
        await holding.connection.execute(text("SELECT FROM org WHERE org = 'acme' FOR UPDATE"))
        started = await both.engine("acme", "POST", "/workflows/notes/runs", body={"data": {"ticket": 1}})
        assert started.status_code == 201, started.text

        async def asked() -> bool:
            return [node["state"] for node in (await newest(both)).get("nodes", ())][1:] == ["waiting"]

        await both.until(asked, "the run waits for its answer")
        run = await newest(both)
        async with unit_of_work(both.engine_database) as work:
            bug = Failure("internal", "Its answer could not be read.")
            assert await run_rows.set_aside(work.connection, [run["id"]], bug, datetime.now(UTC))
    await both.quiet()
    entries = (await both.tickets("acme", "GET", "/tickets/1/timeline")).json()["items"]
    assert [entry["type"] for entry in entries] == ["opened", "comment-added"], "the command has had its effect"
    assert (await newest(both))["state"] == "failed"

    retried = await both.engine("acme", "POST", f"/runs/{run['id']}/retry")
    assert retried.json()["nodes"][1]["state"] == "waiting", retried.text

    async def done() -> bool:
        return bool((await newest(both))["state"] == "done")

    await both.until(done, "the run has its answer")
    assert (await newest(both))["nodes"][1]["output"]["ticket"]["number"] == 1
    await both.quiet()
    assert (await both.tickets("acme", "GET", "/tickets/1/timeline")).json()["items"] == entries, "and no other effect"
