"""Silences whose Idempotency-Key is not remembered any more."""

from typing import Any

import pytest
from correlator_service import CorrelatorService
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import unit_of_work

DAYS_90 = 90 * 86_400


@pytest.mark.rule("HM-275", "HM-133")
async def test_a_key_that_comes_when_it_was_forgotten_makes_another_silence(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.call("PUT", "/subjects/device/a", json={"space": "oslo"})
        one: dict[str, Any] = {"subject": "device/a", "length_s": DAYS_90}
        some: dict[str, Any] = {"filter": {"space": "oslo"}, "length_s": DAYS_90}

        async def made(body: dict[str, Any]) -> str:
            answer = await service.call("POST", "/silences", json=body, headers={"Idempotency-Key": "k1"})
            assert answer.status_code == 201, answer.text
            return str(answer.json().get("selection") or answer.json()["id"])

        ids = []
        for body in (one, one, some, some, one):
            ids.append(await made(body))
            assert await made(body) == ids[-1]
            await forget_keys(service)
        assert len(set(ids)) == len(ids)
        assert len((await service.get("/silences"))["items"]) == len(ids)


async def forget_keys(service: CorrelatorService) -> None:
    """As it is done after 30 days."""
    database = Database(service.settings.database_dsn("health"))
    try:
        async with unit_of_work(database) as work:
            await work.connection.execute(text("DELETE FROM inbox"))
    finally:
        await database.close()
