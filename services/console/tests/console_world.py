"""A console in this process on the session's real servers, with fake services behind it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx2
from aiokafka import AIOKafkaProducer
from console_fakes import Tickets, echo_service, ticket_service
from console_workflows_fake import Workflows

from fettle_chassis.kafka import build_producer
from fettle_console.app import build_app
from fettle_console.settings import ConsoleSettings
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.topics import EVENTS, TRANSITIONS
from fettle_contracts.transitions import TRANSITION

BOOTSTRAP = "bootstrap-token-of-this-test"


@dataclass
class World:
    """Everything that a test of the console talks to."""

    settings: ConsoleSettings
    http: httpx2.AsyncClient
    producer: AIOKafkaProducer
    tickets: Tickets
    workflows: Workflows
    services: AsyncExitStack
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    async def call(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx2.Response:
        headers = {**({"authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def token(self, org: str, role: str = "admin", **more: Any) -> str:
        """A token of the org, which is made if need be; the same one for the same role."""
        if (org, role) not in self.tokens or more:
            await self.call("POST", "/api/v1/orgs", BOOTSTRAP, json={"org": org, "name": org.title()})
            body = {"role": role, "name": f"{role} of {org}", **more}
            answer = await self.call("POST", f"/api/v1/orgs/{org}/tokens", BOOTSTRAP, json=body)
            assert answer.status_code == 201, answer.text
            self.tokens[org, role] = answer.json()["token"]
        return self.tokens[org, role]

    async def ticket_event(self, event: Mapping[str, Any]) -> None:
        """Publishes an event of the fake tickets as the ticket service would."""
        entry, ticket = event["entry"], event["ticket"]
        await self._publish(
            EVENTS, f"fettle.ticket.{entry['type']}.v1", f"{event['org']}/{ticket['id']}", event, entry["id"]
        )

    async def transition(self, org: str, to: str = "firing") -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        data = {"org": org, "subject": {"type": "device", "id": "t17"}, "from": "pending_open", "to": to, "at": at}
        await self._publish(TRANSITIONS, TRANSITION, org, data, at)

    async def _publish(self, topic: str, ce_type: str, key: str, data: Mapping[str, Any], id: str) -> None:
        event = CloudEvent(
            id=id, source="fettle/test", type=ce_type, time=datetime.now(UTC), data=json.dumps(data).encode(), key=key
        )
        headers, value = to_binary(event)
        await self.producer.send_and_wait(self.settings.topic(topic), value, key=key.encode(), headers=headers)

    async def post(self, path: str, **fields: str) -> httpx2.Response:
        """Sends a form as one of our own pages does."""
        return await self.http.post(path, data=fields, headers={"origin": self.url})

    async def sign_in(self, org: str, role: str = "viewer") -> None:
        """Signs this client in as a person with a token of the role."""
        answer = await self.post("/sign-in", token=await self.token(org, role))
        assert answer.status_code == 303, answer.text

    async def forget(self) -> None:
        """Back to an installation without orgs, tickets and people."""
        self.http.cookies.clear()
        self.tokens.clear()
        self.tickets.forget()
        self.workflows.forget()
        connection = await asyncpg.connect(self.settings.database_dsn("console"))
        await connection.execute("TRUNCATE org, audit, answer CASCADE")
        await connection.close()

    async def stop(self) -> None:
        """Stops everything; the HTTP client last."""
        await self.services.aclose()

    @asynccontextmanager
    async def events(self, path: str, **headers: str) -> AsyncIterator["Events"]:
        """A server-sent stream, once it has begun."""
        timeout = httpx2.Timeout(60.0)
        async with self.http.stream("GET", path, headers=headers, timeout=timeout) as answer:
            assert answer.status_code == 200, await answer.aread()
            stream = Events(answer)
            await stream.begun()
            yield stream


@dataclass
class Event:
    name: str
    id: str
    data: Any


class Events:
    """Events of a stream one by one; comments only show that it is alive."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._lines = answer.aiter_lines()

    async def begun(self) -> None:
        """The first line is there: the stream stands at its place."""
        self._first = await anext(self._lines)

    async def next(self, *names: str) -> Event:
        """The next event that is not a beat (or the next of `names`)."""
        while True:
            event = await self._event()
            if event is not None and (event.name in names if names else event.name not in ("", "beat")):
                return event

    async def until(self, name: str, fits: Callable[[Any], bool]) -> Any:
        """The data of the next event of this name that fits."""
        while True:
            event = await self.next(name)
            if fits(event.data):
                return event.data

    async def _event(self) -> Event | None:
        fields: dict[str, str] = {}
        line = self._first or await anext(self._lines)
        self._first = ""
        while line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            line = await anext(self._lines)
        if "data" not in fields:
            return None
        return Event(fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"]))


@asynccontextmanager
async def console_world(
    environment: Mapping[str, str], *, with_kafka: bool = True, **more: str
) -> AsyncIterator[World]:
    """Starts the console and the services behind it; `more` are further settings (without `FETTLE_`).

    Without Kafka nothing waits until the console is ready, and the world's producer is of no use.
    """
    variables = {
        **environment,
        "FETTLE_BOOTSTRAP_TOKEN": BOOTSTRAP,
        **{f"FETTLE_{name}": value for name, value in more.items()},
    }
    settings = ConsoleSettings.load(variables)
    tickets, workflows = Tickets(), Workflows()
    async with AsyncExitStack() as stack, AsyncExitStack() as services:
        for service in (ticket_service(settings, tickets), echo_service(settings, workflows), build_app(settings)):
            await services.enter_async_context(service.running())
        http = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{settings.http_port}", timeout=60.0, trust_env=False)
        )
        producer = build_producer(settings, client_id="test")
        stack.push_async_callback(producer.stop)
        if with_kafka:
            await producer.start()
            while (await http.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - asked from outside
                await asyncio.sleep(0.05)
        yield World(settings, http, producer, tickets, workflows, services)
