"""Random graphs on two engines that share a database and die between any two steps: every run ends as it would have
ended alone, every command is one command, every call keeps its id."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from engine_world import World, event, states, world_of
from made_calls import KIND
from ticket_event import AT

from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.cloudevents import CloudEvent
from fettle_workflow_engine.adapters import call_rows
from fettle_workflow_engine.domain.advance import advance, begin, run_id_for
from fettle_workflow_engine.domain.calls import Done, Failed, Outcome, OutsideCall, Retry, after
from fettle_workflow_engine.domain.run import Cause, Failure, GiveCommand, Result, Run, RunState
from fettle_workflow_engine.domain.validate import load
from fettle_workflow_engine.domain.waits import Sighting
from fettle_workflow_engine.entrypoints.outside import LEASE

TABLES = ("run", "inbox", "call", "ticket_seen", "workflow_minute", "workflow", "workflow_version", "outbox")
NO = Failure("wrong_state", "No.")
DEEDS = (
    "action: ticket.comment, with: {ticket: 1, text: a}",
    "action: ticket.start, with: {ticket: {ref: event.ticket.id}}",
    "action: http.request, with: {url: {ref: event.ticket.number}}",
    "action: wait, with: {for: 10m}",
    "action: wait, with: {for: 10m, until_ticket: {ticket: {ref: event.ticket.id}, change: any}}",
    "action: fail, with: {message: No.}",
)
WEIGHTS = (3, 3, 4, 2, 2, 1)


class Died(Exception):
    """The engine was killed here."""


def graph(chance: random.Random) -> str:
    """One to eight actions after a trigger, each after some before it."""
    lines, ways = ["  opened: {trigger: ticket.opened}"], ["opened"]
    for index in range(chance.randint(1, 8)):
        deed = chance.choices(DEEDS, WEIGHTS)[0]
        behind = chance.sample(ways, min(len(ways), chance.randint(1, 2)))
        lines.append(f"  a{index}: {{after: [{', '.join(behind)}], {deed}}}")
        if "fail" not in deed:
            ways += [f"a{index}", f"a{index}.error"]
    return "workflow: w\nenabled: true\ntimeout_s: 2000000\nnodes:\n" + "\n".join(lines)


class Outside:
    """The ticket service and whoever is called, who do the same whenever they are asked the same."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.commands: dict[str, CloudEvent] = {}
        self.calls: defaultdict[UUID, list[OutsideCall]] = defaultdict(list)

    def answer(self, command_id: str) -> Any:
        return NO if random.Random(f"{self._seed} {command_id}").random() < 0.3 else {"outcome": "applied"}

    def command(self, command: CloudEvent) -> Result:
        known = self.commands.setdefault(command.id, command)
        assert known.data == command.data, "one id, two commands"
        return Result(UUID(command.id), self.answer(command.id))

    def outcome(self, call_id: UUID, attempt: int) -> Outcome:
        lot = random.Random(f"{self._seed} {call_id}")
        if attempt <= lot.choice((0, 0, 1, 2)):
            return Retry(Failure("away", "Nobody there."), 1.0)
        return Failed(NO) if lot.random() < 0.3 else Done({"status": 200})

    def call(self, call: OutsideCall) -> Outcome:
        self.calls[call.id].append(call)
        return self.outcome(call.id, call.attempt)


@pytest.fixture
async def world(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


class Storm:
    """Two engines and everything that can happen to them, one thing or two at a time."""

    def __init__(self, worlds: tuple[World, World], chance: random.Random, outside: Outside, numbers: int) -> None:
        self.worlds, self.chance, self.outside = worlds, chance, outside
        self.numbers = range(1, numbers + 1)
        self.events = [event(number=number) for number in self.numbers for _ in range(2)]
        self.results: list[Result] = []
        self.version = 1

    async def step(self) -> None:
        things = (self.happen, self.relay, self.answer, self.call, self.time, self.sight)
        chosen = self.chance.choices(things, (2, 3, 4, 4, 2, 1), k=self.chance.choice((1, 1, 2)))
        await asyncio.gather(*(self._lived(thing) for thing in chosen))

    async def _lived(self, thing: Callable[[World], Awaitable[None]]) -> None:
        try:
            await thing(self.chance.choice(self.worlds))
        except Died:
            self.chance.choice(self.worlds).restart()

    async def _transaction(self, world: World, deed: Callable[[UnitOfWork], Awaitable[Any]]) -> Any:
        """What a transaction does, which may die before it is committed, or before anybody hears that it was."""
        lot = self.chance.random()
        async with unit_of_work(world.database) as work:
            done = await deed(work)
            if lot < 0.15:
                raise Died
        if lot > 0.85:
            raise Died
        return done

    async def happen(self, world: World) -> None:
        if not self.events:
            return
        taken = self.chance.choice(self.events)

        async def deed(work: UnitOfWork) -> None:
            if (await work.first_time("triggers", [(taken.source, taken.id)]))[0]:
                await world.engine.take_events(work, [taken])

        await self._transaction(world, deed)
        if taken in self.events:
            self.events.remove(taken)

    async def relay(self, world: World) -> None:
        for command in await world.commands():
            self.results += [self.outside.command(command)] * self.chance.choice((1, 1, 2))

    async def answer(self, world: World) -> None:
        if self.results:
            some = self.chance.sample(self.results, self.chance.randint(1, len(self.results)))
            await self._transaction(world, lambda work: world.engine.take_results(work, some))
            for result in some:
                if result in self.results:
                    self.results.remove(result)

    async def call(self, world: World) -> None:
        me = f"engine-{self.worlds.index(world)}"
        taken = await self._transaction(
            world,
            lambda work: call_rows.take(work.connection, world.now, by=me, lease=LEASE, limit=2, of_one_org=8, busy={}),
        )
        made = [(call, after(call, self.outside.call(call), jitter=0.0)) for call in taken]
        for _ in range(self.chance.choice((0, 1, 1, 1, 2))):
            await self._transaction(world, lambda work: world.engine.take_outcomes(work, made))

    async def time(self, world: World) -> None:
        later = self.worlds[0].now + timedelta(seconds=self.chance.choice((1, 60, 300)))
        for one in self.worlds:
            one.now = later
        await self._transaction(world, world.engine.take_due)

    async def sight(self, world: World) -> None:
        self.version += 1
        ticket = UUID(event(number=self.chance.choice(self.numbers)).data["ticket"]["id"])
        seen = Sighting("acme", ticket, self.version, "open", "comment-added")
        await self._transaction(world, lambda work: world.engine.take_tickets(work, [seen] * 2))


def alone(document: str, world: World, outside: Outside, number: int) -> tuple[Run, set[UUID], set[UUID]]:
    """How the run ends when nothing disturbs it, with the ids of its commands and calls."""
    definition, happened = load(document, world.languages), event(number=number)
    run_id = run_id_for("acme", "w", happened.source, happened.id)
    cause = Cause(happened.trigger, happened.data, happened.id, 1)
    run = begin(definition, {"opened"}, cause, run_id=run_id, org="acme", version=1, now=AT)
    commands, calls, result = set[UUID](), set[UUID](), None
    while True:
        done = advance(definition, run, result, now=AT, languages=world.languages)
        run = done.run
        step = run.waiting
        if run.state is not RunState.RUNNING or step is None or step.command_id is None:
            return run, commands, calls
        assert step.command_id == uuid5(run_id, step.node)
        for effect in done.effects:
            (commands if isinstance(effect, GiveCommand) else calls).add(effect.id)
        if step.command_id in commands:
            result = Result(step.command_id, outside.answer(str(step.command_id)))
        elif step.command_id in calls:
            last = after(
                OutsideCall(step.command_id, "acme", KIND, {}), outside.outcome(step.command_id, 9), jitter=0.0
            )
            assert isinstance(last, Result)
            result = last
        else:
            result = Result(step.command_id, {"ended_by": "elapsed"})


async def weather(world: World, second: World, seed: int) -> None:
    print(f"seed {seed}")
    chance, outside, org_runs = random.Random(seed), Outside(seed), 3
    document = graph(chance)
    async with unit_of_work(world.database) as work:
        await world.library.save(work.connection, "acme", document, "ann", replaces="w")
    storm = Storm((world, second), chance, outside, org_runs)
    for steps in range(3_000):
        await storm.step()
        if steps % 10 == 0 and not storm.events and all(run["ended_at"] for run in await world.runs()):
            break
    runs = {run["event"]["ticket"]["number"]: run for run in await world.runs()}
    assert runs.keys() == set(storm.numbers), document
    all_commands, all_calls = set[UUID](), set[UUID]()
    for number, run in runs.items():
        plain, commands, calls = alone(document, world, outside, number)
        assert (run["state"], states(run)) == (
            plain.state.value,
            {name: step.state.value for name, step in plain.steps.items()},
        ), document
        for node in run["nodes"]:
            expected = plain.steps[node["node"]]
            assert (node["error"] or {}).get("code") == (expected.error and expected.error.code), document
            if not node["wake_at"]:
                assert node["output"] == expected.output
        all_commands |= commands
        all_calls |= calls
    storm.results.clear()
    for command in await world.commands():
        outside.command(command)
    assert {UUID(id) for id in outside.commands} == all_commands
    assert outside.calls.keys() == all_calls
    for attempts in outside.calls.values():
        assert len({str(call.request) for call in attempts}) == 1
        assert len({call.attempt for call in attempts}) == len(attempts)


@pytest.mark.rule("WF-9", "WF-12", "WF-73", "WF-71")
async def test_runs_end_as_they_would_have_ended_alone(world: World, environment: dict[str, str]) -> None:
    await weathers(world, environment, 6)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.rule("WF-9", "WF-12", "WF-73", "WF-71")
async def test_a_thousand_graphs_end_as_they_would_have_ended_alone(world: World, environment: dict[str, str]) -> None:
    await weathers(world, environment, 1_000)


async def weathers(world: World, environment: dict[str, str], count: int) -> None:
    async with world_of(environment) as second:
        for _ in range(count):
            async with world.database.engine.begin() as connection:
                for table in TABLES:
                    await connection.exec_driver_sql(f"TRUNCATE {table} CASCADE")
            for one in (world, second):
                one.now = AT
                one.restart()
            await weather(world, second, random.SystemRandom().randrange(2**32))
