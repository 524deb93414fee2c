"""A consumer that has died silently is started again; one that does not come back fails the liveness."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from chassis_echo.app import HEARD, build, subscription
from chassis_echo.workbench import database_of, produce, until, until_heard

from fettle_chassis import consume, kafka
from fettle_chassis.consume import Consumers
from fettle_chassis.database import Database
from fettle_chassis.membership import Membership
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.watchdog import Watchdog


@pytest.fixture
def settings(environment: dict[str, str]) -> ServiceSettings:
    return ServiceSettings.load(environment)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    def quick(member: Membership) -> Watchdog:
        return Watchdog(member, check_every_s=0.5, stuck_after_s=2.0)

    monkeypatch.setattr(consume, "Watchdog", quick)
    monkeypatch.setattr(kafka, "_STOP_WITHIN_S", 2.0)


@asynccontextmanager
async def has_heard_one(settings: ServiceSettings) -> AsyncIterator[tuple[Service, Database]]:
    """A service that runs and has heard `a`, and its database."""
    service = build(settings, subscription())
    async with service.running(), database_of(settings) as database:
        await produce(settings, HEARD, ["a"])
        await until_heard(database, 1)
        yield service, database


def member(service: Service) -> Membership:
    [consumers] = [part for part in service._parts if isinstance(part, Consumers)]
    return consumers._members[0]


def kill_fetcher(consumer: Any) -> None:
    for task in (consumer._fetcher._fetch_task, *consumer._fetcher._pending_tasks):
        task.cancel()


@pytest.fixture
def restarts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with every restart."""
    real, seen = Membership.restart, list[str]()

    async def counted(restarted: Membership) -> None:
        seen.append(restarted.name)
        await real(restarted)

    monkeypatch.setattr(Membership, "restart", counted)
    return seen


def kill_coordinator(consumer: Any) -> None:
    """As after a heartbeat that was answered with an error the client does not know."""
    coordinator = consumer._coordinator
    coordinator._coordination_task.cancel()
    coordinator._heartbeat_task.cancel()
    coordinator._pending_exception = KafkaError("Unexpected exception in heartbeat task")
    coordinator.check_errors = _raise


def _raise() -> None:
    raise KafkaError("Unexpected exception in heartbeat task")


@pytest.mark.rule("OP-26")
async def test_a_consumer_whose_fetching_has_died_is_started_again(
    settings: ServiceSettings, restarts: list[str]
) -> None:
    async with has_heard_one(settings) as (service, database):
        kill_fetcher(member(service).consumer)
        await produce(settings, HEARD, ["b", "c"])
        assert sorted(await until_heard(database, 3)) == ["a", "b", "c"]
        assert service.not_live() == {}
    assert restarts == ["echo.heard"]


@pytest.mark.slow
@pytest.mark.rule("OP-26")
async def test_a_consumer_that_only_reports_errors_is_started_again(
    settings: ServiceSettings, restarts: list[str]
) -> None:
    async with has_heard_one(settings) as (service, database):
        kill_coordinator(member(service).consumer)
        await produce(settings, HEARD, ["b"])  # the fetch that is under way may still bring it
        await until_heard(database, 2)
        await produce(settings, HEARD, ["c"])
        assert sorted(await until_heard(database, 3)) == ["a", "b", "c"]
    assert restarts == ["echo.heard"]


async def _never(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.rule("OP-26")
async def test_a_consumer_that_no_longer_hears_a_broker_which_others_hear_is_started_again(
    settings: ServiceSettings, restarts: list[str]
) -> None:
    async with has_heard_one(settings) as (service, database):
        consumer = member(service).consumer
        kill_fetcher(consumer)
        consumer.end_offsets = _never
        await produce(settings, HEARD, ["b"])
        assert sorted(await until_heard(database, 2)) == ["a", "b"]
    assert restarts == ["echo.heard"]


@pytest.mark.rule("OP-26", "KF-54")
async def test_a_consumer_that_never_joins_again_is_started_again(
    settings: ServiceSettings, restarts: list[str]
) -> None:
    async with has_heard_one(settings) as (service, database):
        coordinator = member(service).consumer._coordinator
        coordinator._do_rejoin_group = _never
        coordinator.request_rejoin()
        await produce(settings, HEARD, ["b"])
        assert sorted(await until_heard(database, 2)) == ["a", "b"]
    assert restarts == ["echo.heard"]


@pytest.mark.rule("OP-26")
async def test_a_consumer_that_does_not_come_back_fails_the_liveness(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with has_heard_one(settings) as (service, _):

        async def in_vain(_member: Membership) -> None:
            return

        monkeypatch.setattr(Membership, "restart", in_vain)
        kill_fetcher(member(service).consumer)
        await produce(settings, HEARD, ["b"])

        async def dead() -> bool:
            return bool(service.not_live())

        await until(dead)
        assert service.not_live() == {"consumers": "does not come back: echo.heard"}
        monkeypatch.undo()


@pytest.mark.rule("OP-26")
async def test_a_consumer_with_nothing_to_do_is_left_alone(settings: ServiceSettings, restarts: list[str]) -> None:
    async with has_heard_one(settings) as (_, database):
        restarts.clear()  # while it had something to do, a slow machine may have taken too long
        await asyncio.sleep(4.0)  # twice what would be too long if there were anything to do
        assert restarts == []
        await produce(settings, HEARD, ["b"])
        await until_heard(database, 2)
