"""The ticket service with its relay and the workflow engine in this process, on real Kafka and Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy import Row, text

from fettle_chassis.database import Database
from fettle_chassis.kafka import build_producer
from fettle_chassis.signing import Signer
from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.orgs import ORG, Org
from fettle_contracts.ticket_events import TRIGGERS
from fettle_contracts.topics import COMMANDS, EVENTS, ORGS, RESULTS
from fettle_ticket_service.app import build_app as build_tickets
from fettle_ticket_service.app import build_relay
from fettle_ticket_service.settings import TicketSettings
from fettle_workflow_engine.app import build_app as build_engine
from fettle_workflow_engine.settings import WorkflowSettings

READ_BY: Mapping[str, Sequence[str]] = {
    "ticket-service.commands": (COMMANDS,),
    "workflow-engine.triggers": tuple(f"ticket.{entry}" for entry in TRIGGERS),
    "workflow-engine.results": (RESULTS,),
    "workflow-engine.tickets": (EVENTS,),
}
"""By group what it reads: whatever is on its way between the two services waits for one of these, or in an outbox."""


class Both:
    """Speaks to both, as an admin of any org and as Fettle's own services."""

    def __init__(self, settings: WorkflowSettings) -> None:
        self.settings = settings
        self.tickets_database = Database(settings.database_dsn("tickets"), any_time=True)
        self.engine_database = Database(settings.database_dsn("workflows"))
        self._producer = build_producer(settings, client_id="both")
        self._log = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
        self._http = httpx2.AsyncClient(timeout=30.0)

    async def start(self) -> None:
        await self._producer.start()
        await self._log.start()
        await self._admin.start()

    async def stop(self) -> None:
        await self._http.aclose()
        await self._admin.close()
        await self._log.stop()
        await self._producer.stop()
        await self.engine_database.close()
        await self.tickets_database.close()

    async def say(self, topic: str, type: str, source: str, id: str, data: bytes, org: str) -> None:
        """One signed event."""
        event = CloudEvent(id=id, source=source, type=type, time=datetime.now(UTC), data=data, key=org)
        headers, value = to_binary(Signer(self.settings.signing_keys).sign_event(event))
        await self._producer.send_and_wait(self.settings.topic(topic), value, key=org.encode(), headers=headers)

    async def add_orgs(self, names: Iterable[str]) -> None:
        """Returns once both know them all."""
        names = list(names)
        for name in names:
            data = Org(org=name, name=name.title(), created_at=datetime.now(UTC)).to_json()
            await self.say(ORGS, ORG, "fettle/console", f"org-{name}", data, name)
        await self.until(lambda: self._know(names), "both know the orgs")

    async def _know(self, names: Sequence[str]) -> bool:
        for name in names:
            if (await self.tickets(name, "GET", "/ticket-policy")).status_code != 200:
                return False
            if not (await self.engine(name, "GET", "/workflows")).json()["items"]:
                return False
        return True

    async def tickets(self, org: str, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return await self._ask(self.settings.tickets_port, org, method, path, {"json": body} if body else {}, headers)

    async def engine(
        self, org: str, method: str, path: str, document: str = "", body: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        """A workflow's `document`, or else a `body` of JSON."""
        port = self.settings.workflows_port
        if body is not None:
            return await self._ask(port, org, method, path, {"json": body}, {})
        return await self._ask(port, org, method, path, {"content": document}, {"content-type": "application/yaml"})

    async def _ask(
        self, port: int, org: str, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> httpx2.Response:
        token = issue(self.settings.signing_keys, Caller(org, Role.ADMIN, "ann@acme.test", "Ann"), datetime.now(UTC))
        said = {"authorization": f"Bearer {token}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        return await self._http.request(
            method, f"http://127.0.0.1:{port}/api/v1/orgs/{org}{path}", headers=said, **body
        )

    async def rows(self, statement: str, database: Database | None = None, **values: Any) -> list[Row[Any]]:
        """Of the engine's database, if no other is named."""
        async with (database or self.engine_database).reading() as connection:
            return list(await connection.execute(text(statement), values))

    async def quiet(self, within_s: float = 60) -> None:
        """Returns once nothing is on its way: both outboxes are empty and everything that is on Kafka has been taken
        in, seen twice, with nothing new on Kafka since before the first look. What is on its way could only have been
        overlooked by moving on, and it cannot go round without a new record."""

        async def is_quiet() -> bool:
            ends = await self._ends()
            return await self._all_taken(ends) and await self._all_taken(ends) and ends == await self._ends()

        await self.until(is_quiet, "nothing is on its way", within_s)

    async def _all_taken(self, ends: Mapping[TopicPartition, int]) -> bool:
        for database in (self.tickets_database, self.engine_database):
            if (await self.rows("SELECT count(*) AS left FROM outbox", database))[0].left:
                return False
        for group, topics in READ_BY.items():
            taken = await self._admin.list_consumer_group_offsets(self.settings.group(group))
            names = {self.settings.topic(topic) for topic in topics}
            for place, end in ends.items():
                if place.topic in names and end and (place not in taken or taken[place].offset < end):
                    return False
        return True

    async def _ends(self) -> dict[TopicPartition, int]:
        names = [self.settings.topic(topic) for topics in READ_BY.values() for topic in topics]
        described = await self._admin.describe_topics(names)
        places = [TopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]
        found: dict[TopicPartition, int] = await self._log.end_offsets(places)
        return found

    async def until(self, probe: Callable[[], Awaitable[bool]], what: str, within_s: float = 60) -> None:
        """Raises AssertionError when `what` has not come about in time."""
        try:
            async with asyncio.timeout(within_s):
                while not await probe():  # noqa: ASYNC110 - whoever is asked tells nobody
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {within_s:.0f} s") from None


@asynccontextmanager
async def both_services(environment: Mapping[str, str]) -> AsyncIterator[Both]:
    """Both, ready and stopped afterwards."""
    tickets, engine = TicketSettings.load(environment), WorkflowSettings.load(environment)
    async with AsyncExitStack() as stack:
        for service in (build_tickets(tickets), build_relay(tickets), build_engine(engine)):
            await stack.enter_async_context(service.running())
        both = Both(engine)
        await both.start()
        stack.push_async_callback(both.stop)
        yield both
