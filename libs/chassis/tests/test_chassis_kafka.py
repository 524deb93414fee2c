"""Whoever stops a client is not cancelled by it, also while the broker is away, and closes it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import NodeNotReadyError
from aiokafka.protocol.fetch import FetchRequest
from chassis_echo.app import HEARD
from chassis_echo.workbench import until

from fettle_chassis.fence import Fence
from fettle_chassis.kafka import build_consumer
from fettle_chassis.membership import Membership
from fettle_chassis.publisher import Publisher
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topics import Topics


@pytest_asyncio.fixture
async def settings(environment: dict[str, str]) -> ServiceSettings:
    settings = ServiceSettings.load(environment)
    await Topics(settings, HEARD).start()
    return settings


async def lose_the_broker(consumer: AIOKafkaConsumer) -> None:
    """Returns when a fetch has failed, and waits for its next attempt."""
    failed, send = asyncio.Event(), consumer._client.send

    async def away(node: int, request: Any, **more: Any) -> Any:
        if not isinstance(request, FetchRequest):
            return await send(node, request, **more)
        failed.set()
        raise NodeNotReadyError

    consumer._fetcher._retry_backoff = 5.0
    consumer._client.send = away
    await failed.wait()


@pytest.mark.rule("KF-54")
async def test_a_consumer_that_waits_for_the_broker_stops_and_closes_all(settings: ServiceSettings) -> None:
    consumer = build_consumer(settings, settings.topic(HEARD), client_id="waiting")
    await consumer.start()
    await lose_the_broker(consumer)
    connections = [*consumer._client._conns.values()]
    await consumer.stop()
    assert consumer._client._sync_task is None
    assert connections
    assert not any(each.connected() for each in connections)


@pytest.mark.rule("KF-54")
async def test_so_does_the_consumer_of_a_subscription(settings: ServiceSettings) -> None:
    member = Membership(
        settings,
        name="echo",
        topics=[HEARD],
        instance_id="1",
        max_records=1,
        fence=Fence("echo", {}),
        logs=None,  # type: ignore[arg-type]
    )
    await member.start()

    async def has_joined() -> bool:
        return bool(member.consumer.assignment())

    await until(has_joined)
    first = member.consumer
    await lose_the_broker(first)
    await member.restart()
    assert member.consumer is not first
    await member.stop()


async def cancelled(action: Coroutine[Any, Any, None]) -> None:
    """Begins it and cancels it; it must end so."""
    task = asyncio.create_task(action)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.rule("KF-54")
async def test_who_is_cancelled_while_it_stops_a_consumer_is_cancelled(settings: ServiceSettings) -> None:
    consumer = build_consumer(settings, settings.topic(HEARD), client_id="waiting")
    await consumer.start()
    await cancelled(consumer.stop())
    await consumer._client.close()


@pytest.mark.rule("KF-54")
async def test_a_producer_is_closed_also_when_its_relay_is_stopped_meanwhile(settings: ServiceSettings) -> None:
    publisher = Publisher(settings, "stopped")
    await publisher.start()
    await cancelled(publisher.discard())
    assert publisher._producer._closed
    assert not any(each.connected() for each in publisher._producer.client._conns.values())
