"""A judge on real servers, with somebody who answers its hellos as the correlator does."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from judge_log import policy

from fettle_chassis.kafka import build_consumer, build_producer
from fettle_chassis.service import Service
from fettle_chassis.signing import Signer
from fettle_chassis.topics import ensure_topics
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import HEARTBEATS, JUDGEMENTS
from fettle_health_monitor.domain.control import (
    CONTROL_HEADER,
    NUMBER_HEADER,
    SIGNATURE_HEADER,
    Announced,
    Policy,
    Statement,
    encode,
    kind,
    shard_key,
)
from fettle_health_monitor.domain.judgements import Change, Hello, Judgement, decode
from fettle_health_monitor.judge.owned import Shards
from fettle_health_monitor.judge_app import judge_parts
from fettle_health_monitor.settings import HealthSettings

BRISK: dict[str, Any] = {"timeout_s": 2, "open_debounce_s": 1, "resolve_debounce_s": 1}
WITHIN_S = 60.0


class World:
    """`policies` are what every shard is told when it says hello."""

    def __init__(self, environment: Mapping[str, str], *policies: Policy) -> None:
        self.settings = HealthSettings.load(environment)
        self.policies = policies or (policy("acme", **BRISK),)
        self.judgements: list[Judgement] = []
        self.in_partition: defaultdict[int, list[Judgement]] = defaultdict(list)
        self._reached: dict[str, str] = {}
        self.partitions: dict[str, int] = {}
        self._arrived = asyncio.Condition()
        self._signer = Signer(self.settings.signing_keys)
        self._number = 0
        self._producer: AIOKafkaProducer | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator["World"]:
        self.partitions = await ensure_topics(self.settings, [HEARTBEATS, JUDGEMENTS])
        self._producer = build_producer(self.settings, client_id="world", idempotent=False)
        await self._producer.start()
        listening = asyncio.create_task(self._listen())
        try:
            yield self
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self._producer.stop()

    @asynccontextmanager
    async def judge(self) -> AsyncIterator[Shards]:
        shards = Shards()
        service = Service("health-judge")
        service.add(*judge_parts(self.settings, shards))
        async with service.running():
            yield shards

    async def beat(self, key: str, **said: Any) -> None:
        value = json.dumps(said).encode() if said else b""
        await self.send(key.encode(), value, partition_for(key.encode(), self.partitions[HEARTBEATS]))

    async def send(
        self, key: bytes, value: bytes, partition: int, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        assert self._producer is not None
        topic = self.settings.topic(HEARTBEATS)
        await self._producer.send_and_wait(topic, value, key=key, partition=partition, headers=headers or [])

    async def state(self, statement: Statement, key: str, partition: int, number: int | None = None) -> None:
        """Append a control record, signed as the correlator would."""
        if number is None:
            self._number += 1
            number = self._number
        body = encode(statement)
        topic = self.settings.topic(HEARTBEATS)
        signature = self._signer.sign_control(
            topic=topic, partition=partition, key=key.encode(), number=number, body=body
        )
        headers = [
            (CONTROL_HEADER, kind(statement).encode()),
            (NUMBER_HEADER, str(number).encode()),
            (SIGNATURE_HEADER, signature.encode()),
        ]
        await self.send(key.encode(), body, partition, headers)

    async def until(self, seen: Callable[[list[Judgement]], bool]) -> None:
        """Wait until what the judge has said satisfies `seen`."""
        async with asyncio.timeout(WITHIN_S), self._arrived:
            await self._arrived.wait_for(lambda: seen(self.judgements))

    def judgements_of(self, shard: int) -> list[Judgement]:
        """Each once, also what stands in every partition of the topic."""
        once = {(one.generation, one.place): one for one in self.judgements if one.shard == shard}
        return list(once.values())

    def changes(self, subject: str | None = None) -> list[Change]:
        """Each change once, in the order of its place, shard by shard."""
        once = {change.id: change for change in self.judgements if isinstance(change, Change)}
        return [change for change in once.values() if subject in (None, change.subject)]

    def states(self, subject: str) -> list[str | None]:
        return [change.to_state for change in self.changes(subject)]

    async def reaches(self, subject: str, state: str | None) -> None:
        """Returns when the subject is in this state, or has been in it since the change that was last waited for: what
        comes at once is not passed over."""

        def found() -> Change | None:
            changes = self.changes(subject)
            since = next((n for n, one in enumerate(changes, 1) if one.id == self._reached.get(subject)), 0)
            return next((one for one in [*changes[since:], *changes[-1:]] if one.to_state == state), None)

        await self.until(lambda _: found() is not None)
        change = found()
        assert change is not None
        self._reached[subject] = change.id

    async def _listen(self) -> None:
        topic = self.settings.topic(JUDGEMENTS)
        consumer = build_consumer(self.settings, client_id="world-listens")
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, number) for number in range(self.partitions[JUDGEMENTS])])
            greeted: set[str] = set()
            async for record in consumer:
                judgement = decode(record.value)
                async with self._arrived:
                    self.judgements.append(judgement)
                    self.in_partition[record.partition].append(judgement)
                    self._arrived.notify_all()
                if isinstance(judgement, Hello) and judgement.nonce not in greeted:
                    greeted.add(judgement.nonce)
                    await self._announce(judgement)
        finally:
            await consumer.stop()

    async def _announce(self, hello: Hello) -> None:
        for statement in self.policies:
            await self.state(statement, statement.org, hello.shard)
        await self.state(Announced(nonce=hello.nonce), shard_key(hello.shard), hello.shard)
