"""What twelve shards write about one org whose devices fall silent all at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import JUDGEMENTS
from fettle_health_monitor.domain.judgements import (
    CLOCK_INDEX,
    Change,
    Clock,
    Evidence,
    InForce,
    Judgement,
    Profile,
    encode,
)
from fettle_health_monitor.settings import HealthSettings

SHARDS = 12
DEVICES, INTEGRATIONS = 20_000, 40
SILENT_WITHIN_MS, DEBOUNCE_MS = 10_000, 60_000
VERSION = 2


class Shards:
    """What the shards would write about one org; `offsets` go on from org to org, as places of a log do."""

    def __init__(self, org: str, began_at: int, offsets: list[count[int]]) -> None:
        self.org, self.at, self._offsets = org, began_at, offsets

    def _placed(self, shard: int) -> dict[str, Any]:
        return {"shard": shard, "generation": 1, "place": (next(self._offsets[shard]), 0)}

    def in_force(self) -> Iterator[Judgement]:
        for shard in range(SHARDS):
            yield InForce(**self._placed(shard), org=self.org, version=VERSION, enabled=True, at=self.at)

    def clocks(self, at: int) -> Iterator[Judgement]:
        for shard in range(SHARDS):
            offset = next(self._offsets[shard])
            yield Clock(
                shard=shard,
                generation=1,
                place=(offset, CLOCK_INDEX),
                at=at,
                clock=at,
                offset=offset,
                address="http://127.0.0.1:1",
            )

    def profile(self, number: int) -> Judgement:
        return Profile(
            **self._placed(number % SHARDS),
            org=self.org,
            subject=f"device/d{number}",
            name=f"Sensor {number}",
            integration=f"cloud-{number % INTEGRATIONS}",
            space=None,
            model=None,
            interval_s=None,
            at=self.at,
        )

    def change(self, number: int, before: str | None, after: str, at: int, since: int) -> Judgement:
        placed = self._placed(number % SHARDS)
        return Change(
            **placed,
            id=str(uuid4()),
            org=self.org,
            subject=f"device/d{number}",
            from_state=before,
            to_state=after,
            condition=None if after == "healthy" else "device_offline",
            at=at,
            since=since,
            reason="silent",
            policy_version=VERSION,
            flap_count=0,
            evidence=Evidence(
                last_heard=since - 180_000,
                deadline=None if after == "healthy" else since,
                partition=number % SHARDS,
                offset=placed["place"][0],
                status="ok",
                timeout_s=180.0,
                debounce_s=DEBOUNCE_MS / 1000,
            ),
        )

    def fleet(self) -> Iterator[Judgement]:
        for number in range(DEVICES):
            yield self.profile(number)
            yield self.change(number, None, "healthy", self.at, self.at)
        yield from self.clocks(self.at + 1_000)

    def storm(self, begins: int, *, fires: bool | None = None) -> Iterator[Judgement]:
        """In the order of instants, with clocks each second as the judges would write them; only what falls silent, or
        only what fires, if that is said."""
        silent = [(begins + number * SILENT_WITHIN_MS // DEVICES, number) for number in range(DEVICES)]
        moments = [(at, number, False) for at, number in silent] if fires is not True else []
        if fires is not False:
            moments += [(at + DEBOUNCE_MS, number, True) for at, number in silent]
        moments.sort()
        shown = moments[0][0]
        for at, number, is_firing in moments:
            while at >= shown + 1_000:
                shown += 1_000
                yield from self.clocks(shown)
            if is_firing:
                yield self.change(number, "pending_open", "firing", at, at - DEBOUNCE_MS)
            else:
                yield self.change(number, "healthy", "pending_open", at, at)
        yield from self.clocks(moments[-1][0] + 1_000)
        if fires is not False:
            yield from self.clocks(moments[-1][0] + 6_000)


async def write(
    settings: HealthSettings, producer: AIOKafkaProducer, org: str, judgements: Iterator[Judgement]
) -> None:
    """Clocks go to every partition, all else to the org's."""
    topic = settings.topic(JUDGEMENTS)
    for judgement in judgements:
        for partition in range(SHARDS) if isinstance(judgement, Clock) else (home(org),):
            await producer.send(topic, encode(judgement), key=org.encode(), partition=partition)
    await producer.flush()


def home(org: str) -> int:
    """The partition of `health.judgements` that all about an org comes by."""
    return partition_for(org.encode(), SHARDS)
