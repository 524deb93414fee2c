"""What comes again while Kafka does not have what came first: over HTTP, on a real database whose outbox stands."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from correlator_service import CorrelatorService
from test_correlator_api import BRISK
from test_correlator_import import CSV, lines_of

from fettle_chassis.database import Database
from fettle_chassis.lease import lock_key
from fettle_health_monitor.settings import HealthSettings

A, B = "/subjects/device/a", "/subjects/device/b"
FILE = "type,id,name\ndevice,a,A\ndevice,b,B\n"


class Standing:
    """The correlator, whose relay another process keeps from publishing."""

    def __init__(self, service: CorrelatorService, database: Database) -> None:
        self.service, self.database = service, database

    @classmethod
    @asynccontextmanager
    async def open(cls, environment: Mapping[str, str]) -> AsyncIterator["Standing"]:
        """With one org, of which Kafka has all."""
        database = Database(HealthSettings.load(environment).database_dsn("health"))
        await database.ensure_exists()
        relay = await database.session()
        try:
            await relay.execute("SELECT pg_advisory_lock($1)", lock_key("relay"))
            async with CorrelatorService.open(environment, FETTLE_ACKNOWLEDGED_WITHIN_S="0.2") as service:
                standing = cls(service, database)
                await service.tell_org("acme")
                await standing.kafka_has_all()
                yield standing
        finally:
            await relay.close()
            await database.close()

    async def kafka_has_all(self) -> None:
        """Empties the outbox, as the relay does."""
        session = await self.database.session()
        await session.execute("DELETE FROM outbox")
        await session.close()

    async def status(self, method: str, path: str, key: str | None = None, **more: Any) -> int:
        headers = {} if key is None else {"Idempotency-Key": key}
        return (await self.service.call(method, path, headers=headers, **more)).status_code

    async def imported(self) -> tuple[int, object]:
        """How many lines changed nothing, and whether Kafka has all."""
        answer = await self.service.call("POST", "/subjects/import", content=FILE.encode(), headers=CSV)
        _, summary = lines_of(answer)
        return summary["unchanged"], summary["acknowledged"]


@pytest.mark.rule("HM-315", "HM-73")
@pytest.mark.parametrize("key", ["once", None], ids=["a repeat", "what stands"])
async def test_a_policy_that_comes_again_is_accepted_until_kafka_has_it(
    environment: dict[str, str], key: str | None
) -> None:
    """What is told of a subject is nothing to it."""
    async with Standing.open(environment) as standing:
        assert await standing.status("PUT", A, json={}) == 202
        assert await standing.status("PUT", "/health-policy", json={}) == 200
        for _ in range(2):
            assert await standing.status("PUT", "/health-policy", key, json=BRISK) == 202
        await standing.kafka_has_all()
        assert await standing.status("PUT", "/health-policy", key, json=BRISK) == 200


@pytest.mark.rule("HM-315", "HM-301")
@pytest.mark.parametrize("key", ["once", None], ids=["a repeat", "what stands"])
async def test_an_entry_that_comes_again_is_accepted_until_kafka_has_it(
    environment: dict[str, str], key: str | None
) -> None:
    """What is told of another subject, or of the whole org, is nothing to it."""
    async with Standing.open(environment) as standing:
        assert await standing.status("PUT", B, json={}) == 202
        await standing.kafka_has_all()
        for _ in range(2):
            assert await standing.status("PUT", A, key, json={"name": "A"}) == 202
        assert await standing.status("PUT", "/health-policy", json=BRISK) == 202
        assert await standing.status("PUT", B, json={}) == 200
        await standing.kafka_has_all()
        assert await standing.status("PUT", A, key, json={"name": "A"}) == 200


@pytest.mark.rule("HM-315", "HM-301")
async def test_a_removal_that_comes_again_is_accepted_until_kafka_has_it(environment: dict[str, str]) -> None:
    async with Standing.open(environment) as standing:
        assert await standing.status("PUT", A, json={}) == 202
        await standing.kafka_has_all()
        for _ in range(2):
            assert await standing.status("DELETE", A, "once") == 202
        await standing.kafka_has_all()
        assert await standing.status("DELETE", A, "once") == 204


@pytest.mark.rule("HM-315", "HM-194")
async def test_an_import_that_comes_again_says_so_until_kafka_has_all_of_it(environment: dict[str, str]) -> None:
    """What is told of the org itself is nothing to it."""
    async with Standing.open(environment) as standing:
        assert await standing.imported() == (0, False)
        assert await standing.imported() == (2, False)
        await standing.kafka_has_all()
        assert await standing.status("PUT", "/health-policy", json=BRISK) == 202
        assert await standing.imported() == (2, True)
