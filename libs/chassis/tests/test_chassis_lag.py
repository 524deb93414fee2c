"""How far a subscription is behind is said as a metric, also while it waits, and by who has the partition alone."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from chassis_echo.app import HEARD, build, hear, subscription
from chassis_echo.workbench import database_of, produce, until, until_heard
from prometheus_client import REGISTRY

from fettle_chassis import consume
from fettle_chassis.consume import Record
from fettle_chassis.failures import TransientError
from fettle_chassis.lag import Lag
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_chassis.watchdog import Watchdog


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


def lag(partition: int) -> float | None:
    labels = {"subscription": "echo.heard", "topic": HEARD, "partition": str(partition)}
    return REGISTRY.get_sample_value("fettle_consumer_lag_records", labels)


def oldest_s() -> float:
    age_s = REGISTRY.get_sample_value("fettle_consumer_oldest_in_hand_seconds", {"subscription": "echo.heard"})
    assert age_s is not None
    return age_s


@pytest.mark.rule("OP-96")
async def test_what_waits_and_what_comes_meanwhile_is_counted_until_it_is_handled(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consume, "Watchdog", lambda member: Watchdog(member, check_every_s=0.2))
    away = True

    async def waiting(work: UnitOfWork, batch: Sequence[Record]) -> None:
        if away:
            raise TransientError("what it needs is away")
        await hear(work, batch)

    async with build(settings, subscription(waiting)).running(), database_of(settings) as database:

        async def shown(number: int) -> bool:
            return lag(1) == number

        async def older() -> bool:
            return oldest_s() > before_s

        async def nothing_in_hand() -> bool:
            return oldest_s() == 0

        await produce(settings, HEARD, ["a", "b"], partition=1)
        await until(lambda: shown(2))
        await produce(settings, HEARD, ["c"], partition=1)
        await until(lambda: shown(3))
        before_s = oldest_s()
        await until(older)
        assert lag(0) == 0
        away = False
        await until_heard(database, 3)
        await until(lambda: shown(0))
        await until(nothing_in_hand)  # it is told before the broker is asked for the other


class Client:
    """Has partitions, of each of which it is past ten records; the broker has twelve, while it answers."""

    def __init__(self) -> None:
        self.has, self.away = {0, 1}, False

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(TopicPartition(f"f.{HEARD}", number) for number in self.has)

    async def end_offsets(self, places: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        if self.away:
            raise KafkaError("away")
        return dict.fromkeys(places, 12)

    async def position(self, _place: TopicPartition) -> int:
        return 10


def handed_out(partition: int, offset: int) -> Any:
    return SimpleNamespace(topic=f"f.{HEARD}", partition=partition, offset=offset, timestamp=offset * 1000)


@pytest.mark.rule("OP-96")
async def test_of_a_partition_that_was_let_go_nothing_is_shown_also_while_the_broker_is_away() -> None:
    client = Client()
    standing: Any = SimpleNamespace(name="echo.heard", topic_prefix="f.", joined=True, consumer=client, in_hand=())
    measured = Lag(standing)
    standing.in_hand = [handed_out(0, 7), handed_out(1, 9), handed_out(0, 8)]
    await measured.look(now=20.0)
    assert (lag(0), lag(1), oldest_s()) == (5, 3, 13)
    standing.in_hand, client.has, client.away = (), {1}, True
    await measured.look(now=20.0)
    assert (lag(0), lag(1), oldest_s()) == (None, 3, 0)
    standing.joined, standing.consumer = False, None
    await measured.look(now=20.0)
    assert lag(1) is None
    client.away, standing.joined, standing.consumer = False, True, client
    await measured.look(now=20.0)
    assert lag(1) == 2
