"""`if` nodes in a real engine: kept with what they compared, followed after a restart, part of what a version is."""

from collections.abc import AsyncIterator

import pytest
from engine_api import Api, api_of
from engine_world import APPLIED, event

ROUTED = """\
workflow: routed
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  taken:  {after: [opened], action: ticket.start, with: {ticket: {ref: event.ticket.id}}}
  hours:
    after: [taken]
    if:
      all:
        - {value: {ref: event.entry.at}, time_of_day: ["07:00", "19:00"], zone: Europe/Oslo}
        - any:
            - {value: {ref: event.entry.evidence.last_heard}, before: "2026-11-24T00:00:00Z"}
            - cel: 'taken.outcome == "applied" && event.ticket.number > 40'
  noted:  {after: [hours.true], action: ticket.comment, with: {ticket: 1, text: By day.}}
  late:   {after: [hours.false], action: ticket.comment, with: {ticket: 1, text: By night.}}
"""


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    async with api_of(environment) as api:
        yield api


@pytest.mark.rule("WF-30", "WF-33")
async def test_a_run_keeps_what_an_if_compared_and_goes_on_after_a_restart(api: Api) -> None:
    assert (await api.call("POST", "/workflows", ROUTED)).status_code == 201
    await api.world.happen(event(number=42), event(number=7))
    api.world.restart()
    await api.world.answer_all(APPLIED)
    runs = {}
    for run in (await api.get("/runs"))["items"]:
        shown = await api.get(f"/runs/{run['id']}")
        runs[shown["event"]["ticket"]["number"]] = {node["node"]: node for node in shown["nodes"]}
    day, night = runs[42], runs[7]
    assert day["hours"]["state"] == "done"
    assert day["hours"]["input"]["rows"][0] == {
        "value": "2026-11-23T10:15:30.250Z",
        "time_of_day": ["07:00", "19:00"],
    }
    mismatch = "the value is text, but no time such as 2026-11-23T10:15:30.250Z"
    for nodes, cel in ((day, True), (night, False)):
        assert nodes["hours"]["output"] == {
            "holds": cel,
            "rows": [{"holds": True}, {"holds": cel, "rows": [{"holds": False, "mismatch": mismatch}, {"holds": cel}]}],
        }
    assert (day["noted"]["state"], "late" in day) == ("waiting", False)
    assert (night["noted"]["state"], night["late"]["input"]["text"]) == ("skipped", "By night.")


@pytest.mark.rule("WF-8")
async def test_another_row_is_another_version(api: Api) -> None:
    await api.call("POST", "/workflows", ROUTED)
    for zone, version in (("Europe/Oslo", 1), ("Europe/Paris", 2), ("Europe/Paris", 2)):
        answer = await api.call("PUT", "/workflows/routed", ROUTED.replace("Europe/Oslo", zone))
        assert answer.json()["version"] == version
