"""The whole correlator on a real broker and database, with a client for its API."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import httpx2
from aiokafka import AIOKafkaProducer, ConsumerRecord
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.signing import Signer
from fettle_chassis.tokens import Caller, Role, issue
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.orgs import ORG, Org
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import JUDGEMENTS, ORGS
from fettle_health_monitor.correlator_app import build_app
from fettle_health_monitor.domain import judgements
from fettle_health_monitor.domain.judgements import Judgement
from fettle_health_monitor.settings import HealthSettings

PARTITIONS = 3
WITHIN_S = 60.0


@dataclass(frozen=True)
class Told:
    """A record that the correlator published."""

    partition: int
    key: str
    headers: Mapping[str, str]
    value: bytes

    @property
    def body(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.value)
        return loaded


class CorrelatorService:
    def __init__(self, settings: HealthSettings, producer: AIOKafkaProducer, client: httpx2.AsyncClient) -> None:
        self.settings, self.producer, self.client = settings, producer, client

    @classmethod
    @asynccontextmanager
    async def open(cls, environment: Mapping[str, str], **more: str) -> AsyncIterator[Self]:
        """The service is running; topics have `PARTITIONS` partitions."""
        settings = HealthSettings.load({**environment, "FETTLE_TOPIC_PARTITIONS": str(PARTITIONS), **more})
        address = f"http://127.0.0.1:{settings.health_port}"
        async with build_app(settings).running(), httpx2.AsyncClient(base_url=address, timeout=60.0) as client:
            producer = build_producer(settings, client_id="test")
            await producer.start()
            try:
                yield cls(settings, producer, client)
            finally:
                await producer.stop()

    async def call(
        self, method: str, path: str, *, org: str = "acme", role: Role = Role.ADMIN, of: str | None = None, **more: Any
    ) -> httpx2.Response:
        """A request as the console passes it on: for somebody of org `of` with this role."""
        token = issue(self.settings.signing_keys, Caller(of or org, role, "ann@acme.test", "Ann"), datetime.now(UTC))
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        return await self.client.request(method, f"/api/v1/orgs/{org}{path}", headers=headers, **more)

    async def get(self, path: str, **more: Any) -> Any:
        answer = await self.call("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def tell_org(self, org: str, *, signed: bool = True, deleted: bool = False) -> None:
        """As the console tells of an org; waits until the correlator knows it, unless it never will."""
        word = Org(org=org, name=org.title(), created_at=datetime.now(UTC), deleted=deleted)
        id, now = f"org-{org}-{deleted}", datetime.now(UTC)
        event = CloudEvent(id=id, source="fettle/console", type=ORG, time=now, data=word.to_json(), key=org)
        headers, value = to_binary(Signer(self.settings.signing_keys).sign_event(event) if signed else event)
        await self.producer.send_and_wait(self.settings.topic(ORGS), value, key=org.encode(), headers=headers)
        if signed:
            await self.eventually(lambda: self._knows(org))

    async def _knows(self, org: str) -> bool:
        return (await self.call("GET", "/health-policy", org=org)).status_code == 200

    async def nobody_sees(self, since: int, until: int) -> None:
        """Puts on record that no shard was observed between two instants."""
        database = Database(self.settings.database_dsn("health"))
        async with unit_of_work(database) as work:
            gap = text("INSERT INTO shard_gap VALUES (:shard, 'unobserved', :since, :until)")
            rows = [{"shard": shard, "since": since, "until": until} for shard in range(PARTITIONS)]
            await work.connection.execute(gap, rows)
        await database.close()

    async def say(self, *said: Judgement) -> None:
        """As judges write: keyed by org, or to every partition."""
        for judgement in said:
            org = getattr(judgement, "org", None)
            places = range(PARTITIONS) if org is None else [partition_for(org.encode(), PARTITIONS)]
            for partition in places:
                await self.producer.send(
                    self.settings.topic(JUDGEMENTS), judgements.encode(judgement), partition=partition
                )
        await self.producer.flush()

    async def eventually(self, happened: Callable[[], Any]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not await happened():  # noqa: ASYNC110 - another process's doing gives no event to wait for
                await asyncio.sleep(0.05)

    async def read(self, topic: str, enough: Callable[[list[Told]], bool]) -> list[Told]:
        """Everything on the topic, read until it is enough."""
        consumer = build_consumer(self.settings, self.settings.topic(topic), client_id="test-reader")
        await consumer.start()
        found: list[Told] = []
        try:
            async with asyncio.timeout(WITHIN_S):
                while not enough(found):
                    batches = await consumer.getmany(timeout_ms=200)
                    found += [_told(record) for records in batches.values() for record in records]
        finally:
            await consumer.stop()
        return found


def _told(record: "ConsumerRecord[bytes, bytes]") -> Told:
    headers: Iterable[tuple[str, bytes]] = record.headers
    key = (record.key or b"").decode()
    return Told(record.partition, key, {name: value.decode() for name, value in headers}, record.value or b"")
