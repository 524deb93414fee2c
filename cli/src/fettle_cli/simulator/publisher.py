"""Sends a simulation's heartbeats to Kafka as time goes by."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from fettle_cli.simulator.heartbeats import Beat, Simulation

STEP_S = 0.1
BEHIND_S = 5.0


@dataclass(slots=True)
class Sent:
    """What came of it so far. `lost` were not sent, because Kafka was away or this process too slow."""

    beats: int = 0
    lost: int = 0


async def publish(
    simulation: Simulation,
    producer: AIOKafkaProducer,
    topic: str,
    *,
    until_s: float | None = None,
    told: Callable[[float, Sent], None] | None = None,
) -> Sent:
    """Send what is due, ten times a second, until `until_s` (never, if None) or until cancelled.

    Heartbeats are not kept for later: what is more than 5 s behind is counted as lost, because a device does not
    live in the past either. `told` hears after each step how far the scenario is. Raises nothing when Kafka is away.
    """
    loop = asyncio.get_running_loop()
    began, done_s, sent = loop.time(), 0.0, Sent()
    while until_s is None or done_s < until_s:
        now_s = loop.time() - began
        if until_s is not None:
            now_s = min(now_s, until_s)
        if now_s - done_s > BEHIND_S:
            sent.lost += len(simulation.beats(done_s, now_s - BEHIND_S))
            done_s = now_s - BEHIND_S
        await _send(simulation.beats(done_s, now_s), producer, topic, sent)
        done_s = now_s
        if told is not None:
            told(done_s, sent)
        await asyncio.sleep(max(0.0, STEP_S - (loop.time() - began - now_s)))
    await producer.flush()
    return sent


async def _send(beats: list[Beat], producer: AIOKafkaProducer, topic: str, sent: Sent) -> None:
    for beat in beats:
        try:
            # Waits only while the producer's buffer is full; delivery itself is not waited for.
            future = await producer.send(topic, value=beat.value, key=beat.key)
        except (KafkaError, TimeoutError):
            sent.lost += 1
            continue
        future.add_done_callback(lambda done: _settle(done, sent))


def _settle(done: "asyncio.Future[object]", sent: Sent) -> None:
    if done.cancelled() or done.exception() is not None:
        sent.lost += 1
    else:
        sent.beats += 1
