"""Random sets of workflows against the real ticket service: loops are named when they are saved, and those that are
allowed end by their bounds."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from fettle_contracts.commands import OpenTicket, Verb
from fettle_contracts.people import Actor, ActorType
from fettle_contracts.topics import COMMANDS
from tests.outside import wait_for
from tests.workflows.both_services import Both, both_services
from tests.workflows.chains import Record, record_of
from tests.workflows.random_sets import Doing, Flow, allowing, check_named, comes_back, planted_ring, random_set

DEPTH_LIMIT = 8
ENDLESS = Flow("endless", ("ticket.opened",), (Doing("ticket.open", more=True),), allow_cycle=True, budget=1000)
"""Each ticket opens another one."""


@pytest.fixture
async def both(environment: dict[str, str]) -> AsyncIterator[Both]:
    async with both_services(environment) as found:
        yield found


@pytest.mark.slow
@pytest.mark.rule("WF-7", "WF-9", "WF-14", "WF-15", "WF-127")
async def test_no_chain_of_random_workflows_goes_beyond_its_bounds(both: Both) -> None:
    await try_sets(both, orgs=6, tickets=2)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.rule("WF-7", "WF-9", "WF-14", "WF-15", "WF-127")
async def test_no_chain_of_many_random_workflows_goes_beyond_its_bounds(both: Both) -> None:
    await try_sets(both, orgs=400, tickets=3)


async def try_sets(both: Both, *, orgs: int, tickets: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    sets = {f"org-{number}": random_set(chance) for number in range(orgs)}
    sets |= {"ring": planted_ring(chance), "deep": [ENDLESS], "costly": [replace(ENDLESS, budget=5)]}
    await both.add_orgs(sets)
    live = {org: await save_all(both, org, flows) for org, flows in sets.items()}
    assert any(flow.allow_cycle for flow in live["ring"].values()), "nobody closed the ring that was planted"
    for org in sets:
        for number in range(tickets):
            await open_ticket(both, org, f"{number}")
    await both.quiet(within_s=120 + 2 * orgs * tickets)
    record = await record_of(both)
    check_bounds(record, live)
    check_causes(record, live)
    codes = Counter(run.code for run in record.runs.values())
    assert codes["too_deep"], "no chain came to its end"
    assert codes["over_budget"], "no budget was spent"


async def save_all(both: Both, org: str, flows: Sequence[Flow]) -> dict[str, Flow]:
    """Saves them one by one. Whoever closes a loop is refused, with the loop named; it is saved with leave for it."""
    for name in [one["workflow"] for one in (await both.engine(org, "GET", "/workflows")).json()["items"]]:
        assert (await both.engine(org, "DELETE", f"/workflows/{name}")).status_code == 204
    live: dict[str, Flow] = {}
    for flow in flows:
        others = list(live.values())
        answer = await both.engine(org, "PUT", f"/workflows/{flow.name}", flow.document)
        if comes_back(flow, others) and not flow.allow_cycle:
            assert answer.status_code == 422, f"{flow.document}\nclosed a loop unseen with {others}"
            for fault in answer.json()["faults"]:
                check_named(fault["message"], flow, others)
            flow = allowing(flow)
            answer = await both.engine(org, "PUT", f"/workflows/{flow.name}", flow.document)
        assert answer.status_code == 201, f"{flow.document}\n{answer.text}\nbeside {others}"
        live[flow.name] = flow
    return live


async def open_ticket(both: Both, org: str, key: str) -> int:
    subject = {"type": "other", "id": f"lift-{key}"}
    answer = await both.tickets(org, "POST", "/tickets", {"title": "Noise", "subject": subject, "dedup_key": key})
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["number"]
    return number


def check_bounds(record: Record, live: dict[str, dict[str, Flow]]) -> None:
    """Every event has started each workflow that it is for once, and what was refused is on record."""
    expected = {
        (org, flow.name, id) for org, on, id in record.published() for flow in live[org].values() if on in flow.triggers
    }
    assert Counter((run.org, run.workflow, run.event) for run in record.runs.values()) == Counter(expected)
    started = Counter((run.org, run.workflow) for run in record.runs.values() if run.state != "refused")
    for run in record.runs.values():
        match run.code:
            case "too_deep":
                assert run.depth == DEPTH_LIMIT + 1, run
            case "over_budget":
                assert started[run.org, run.workflow] == live[run.org][run.workflow].budget, run
            case _:
                assert run.depth <= DEPTH_LIMIT, run
        assert run.state in ("done", "failed", "refused"), run
    for (org, workflow), count in started.items():
        assert count <= live[org][workflow].budget, (org, workflow)


def check_causes(record: Record, live: dict[str, dict[str, Flow]]) -> None:
    """The depth of a run is its place in the chain that ids tell of, and only what may do so comes to itself again."""
    for run in record.runs.values():
        causes = list(record.causes(run))
        assert run.depth == len(causes) + 1, run
        assert all(cause.org == run.org and cause.state != "refused" for cause in causes), run
        if not any(flow.allow_cycle for flow in live[run.org].values()):
            assert run.workflow not in {cause.workflow for cause in causes}, run


RESOLVES = Flow("resolves", ("ticket.reopened",), (Doing("ticket.resolve"),), budget=4)


@pytest.mark.slow
@pytest.mark.rule("WF-15", "WF-127")
async def test_who_always_resolves_what_the_monitor_reopens_is_refused_and_if_allowed_ends(both: Both) -> None:
    await both.add_orgs(["acme"])
    live = await save_all(both, "acme", [RESOLVES])
    assert live["resolves"].allow_cycle
    await keep_open(both, opens=RESOLVES.budget + 2)
    await both.quiet()
    runs = Counter((run.state, run.code, run.depth) for run in (await record_of(both)).runs.values())
    assert runs == {("done", None, 1): RESOLVES.budget, ("refused", "over_budget", 1): 1}
    assert (await both.tickets("acme", "GET", "/tickets/1")).json()["state"] == "open"


async def keep_open(both: Both, opens: int) -> None:
    """As the monitor does for a device that stays silent: opens its ticket, and again whenever somebody resolved it."""
    for number in range(opens):
        command = OpenTicket(
            org="acme",
            actor=Actor(type=ActorType.HEALTH_MONITOR),
            title="Device offline: t17",
            kind="device_offline",
            subject={"type": "device", "id": "t17"},
            dedup_key="device/t17:device_offline",
        )
        source, data = "fettle/health-monitor", command.to_json()
        await both.say(COMMANDS, Verb.OPEN.ce_type, source, str(UUID(int=number)), data, "acme")
        if number == 0:
            await both.until(lambda: is_there(both), "the ticket is there")
            answer = await both.tickets("acme", "POST", "/tickets/1/resolve", {"comment": "Ann was too early."})
            assert answer.status_code == 200, answer.text
        elif number < opens - 1:
            await both.until(partial(has_resolved, both, number), "the workflow has resolved it again")


async def is_there(both: Both) -> bool:
    return (await both.tickets("acme", "GET", "/tickets/1")).status_code == 200


async def has_resolved(both: Both, times: int) -> bool:
    return len(await both.rows("SELECT 1 FROM run WHERE state = 'done'")) >= times


RESTS = """
workflow: rests
enabled: true
nodes:
  opened: {trigger: ticket.opened}
  rest: {after: [opened], action: wait, with: {for: 1d}}
"""


@pytest.mark.slow
@pytest.mark.rule("WF-126", "TS-29")
async def test_a_command_under_the_id_that_a_run_waits_for_does_not_take_it_further(both: Both) -> None:
    await both.add_orgs(["acme"])
    assert (await both.engine("acme", "PUT", "/workflows/rests", RESTS)).status_code == 201
    number = await open_ticket(both, "acme", "1")
    await both.quiet()
    [step] = await both.rows("SELECT command_id FROM step WHERE state = 'waiting'")
    stranger = {"comment": "Nobody asked me to."}
    path, id = f"/tickets/{number}/comments", str(step.command_id)
    assert (await both.tickets("acme", "POST", path, stranger, idempotency_key=id)).status_code == 200
    results = both.settings.topic("ticket.command-results")
    result = await asyncio.to_thread(
        wait_for, both.settings.kafka_bootstrap_servers, results, lambda one: one.json()["command_id"] == id
    )
    assert result.json()["outcome"] == "applied"
    await both.quiet()
    assert [row.state for row in await both.rows("SELECT state FROM step WHERE node = 'rest'")] == ["waiting"]
