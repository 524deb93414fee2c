"""An engine on a database of its own, without Kafka: events and results are handed over, commands are read back."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from ticket_event import AT, ticket_event

from fettle_chassis.consume import Record
from fettle_chassis.database import Database
from fettle_chassis.outbox import headers_from_text
from fettle_chassis.signing import Signer
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.cloudevents import CloudEvent, from_record, to_binary
from fettle_contracts.ticket_events import EntryType
from fettle_devstack.templates import copied
from fettle_workflow_engine.adapters import run_lists, workflow_rows
from fettle_workflow_engine.adapters.command_events import CommandWriter
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.definitions import Definitions
from fettle_workflow_engine.adapters.run_lists import Wanted
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.adapters.workflow_rows import SavedWorkflow
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.run import Failure, Result
from fettle_workflow_engine.domain.waits import Sighting
from fettle_workflow_engine.entrypoints.kafka_triggers import decode_trigger
from fettle_workflow_engine.handler import Engine, Event
from fettle_workflow_engine.interventions import Interventions
from fettle_workflow_engine.library import Library
from fettle_workflow_engine.progress import Progress
from fettle_workflow_engine.scheduling import Scheduler
from fettle_workflow_engine.settings import WorkflowSettings

TICKET = {"id": str(UUID(int=9)), "number": 9, "state": "open", "version": 1, "url": "http://console/9"}
APPLIED: Mapping[str, Any] = {"outcome": "applied", "ticket": TICKET}


def event(
    entry: EntryType = EntryType.OPENED, *, org: str = "acme", number: int = 42, depth: int = 0, **ticket: Any
) -> Event:
    """An event as the engine gets it from Kafka."""
    return decode_trigger(record(entry, org=org, number=number, depth=depth, **ticket))


def record(
    entry: EntryType = EntryType.OPENED, *, org: str = "acme", number: int = 42, depth: int = 0, **ticket: Any
) -> Record:
    message = ticket_event(entry, org=org, number=number, **ticket)
    cloud_event = CloudEvent(
        id=str(message.entry.id),
        source="fettle/ticket-service",
        type=entry.ce_type,
        time=AT,
        data=message.to_json(),
        key=f"{org}/{message.ticket.id}",
        causation_id="what-caused-it" if depth else None,
        causation_depth=depth,
    )
    return record_of(cloud_event, f"ticket.{entry}")


def record_of(cloud_event: CloudEvent, topic: str) -> Record:
    headers, value = to_binary(cloud_event)
    return Record(topic, 0, 0, 0, (cloud_event.key or "").encode(), value, tuple(headers))


@dataclass
class World:
    """`now` is the engine's clock."""

    database: Database
    settings: WorkflowSettings
    now: datetime = AT
    languages: Languages = field(default_factory=lambda: Languages(JinjaTemplates(), CelConditions()))

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """An engine that remembers nothing."""
        definitions = Definitions(self.languages)
        progress = Progress(CommandWriter(Signer(self.settings.signing_keys)), self.languages)
        self.engine = Engine(definitions, self.languages, progress, lambda: self.now)
        self.scheduler = Scheduler(self.engine, lambda: self.now)
        self.library = Library(definitions, self.languages, lambda: self.now)
        self.interventions = Interventions(definitions, self.languages, progress, lambda: self.now)

    async def save(self, document: str, *, org: str = "acme") -> SavedWorkflow:
        async with unit_of_work(self.database) as work:
            name = document.partition("workflow:")[2].split()[0]
            return (await self.library.save(work.connection, org, document, "ann", replaces=name)).workflow

    async def delete(self, name: str, *, org: str = "acme") -> bool:
        async with unit_of_work(self.database) as work:
            return await self.library.delete(work.connection, org, name, "ann")

    async def workflow(self, name: str, *, org: str = "acme") -> SavedWorkflow:
        async with self.database.reading() as connection:
            found = await workflow_rows.find(connection, org, name)
        assert found is not None
        return found

    async def happen(self, *events: Event) -> None:
        async with unit_of_work(self.database) as work:
            await self.engine.take_events(work, events)

    async def answer(self, *results: Result) -> None:
        async with unit_of_work(self.database) as work:
            await self.engine.take_results(work, results)

    async def see(self, *sightings: Sighting) -> None:
        """Changes of tickets come by."""
        async with unit_of_work(self.database) as work:
            await self.engine.take_tickets(work, sightings)

    async def answer_all(self, outcome: Mapping[str, Any] | Failure = APPLIED) -> int:
        """One answer for every command that has not been taken yet; returns how many there were."""
        commands = await self.commands()
        await self.answer(*(Result(UUID(command.id), outcome) for command in commands))
        return len(commands)

    async def later(self, **time: float) -> int:
        """Time passes; returns how many runs it woke or ended."""
        self.now += timedelta(**time)
        async with unit_of_work(self.database) as work:
            return await self.engine.take_due(work)

    async def ring(self, *, limit: int = 200, **time: float) -> int:
        """Time passes, and schedules that are due start their runs; returns how many were."""
        self.now += timedelta(**time)
        async with unit_of_work(self.database) as work:
            return await self.scheduler.fire_due(work, limit)

    async def commands(self) -> list[CloudEvent]:
        """Takes the commands that wait for the relay, in their order."""
        async with unit_of_work(self.database) as work:
            rows = await work.connection.execute(text("DELETE FROM outbox RETURNING id, topics, key, headers, value"))
            found = sorted(rows, key=lambda row: row.id)
        assert {row.topics for row in found} <= {"ticket.commands"}
        return [from_record(headers_from_text(row.headers), bytes(row.key), bytes(row.value)) for row in found]

    async def runs(self, *, org: str = "acme", workflow: str | None = None) -> list[dict[str, Any]]:
        """Runs with their nodes, the newest first."""
        async with self.database.reading() as connection:
            listed = await run_lists.page(connection, org, Wanted(workflow), 200)
            found = [await run_lists.find(connection, org, UUID(one["id"])) for one in listed]
        return [run for run in found if run is not None]


def body(command: CloudEvent) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command.data)
    return found


def states(run: Mapping[str, Any]) -> dict[str, str]:
    nodes: Sequence[Mapping[str, Any]] = run["nodes"]
    return {node["node"]: node["state"] for node in nodes}


@asynccontextmanager
async def world_of(environment: Mapping[str, str]) -> AsyncIterator[World]:
    settings = WorkflowSettings.load(environment)
    database = Database(settings.database_dsn("workflows"))
    await copied(environment["FETTLE_WORKFLOWS_DATABASE_URL"], "fettle_workflow_engine", Database)
    try:
        yield World(database, settings)
    finally:
        await database.close()
