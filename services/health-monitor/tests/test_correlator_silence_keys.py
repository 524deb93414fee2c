"""Silences whose Idempotency-Key is not remembered any more."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from correlator_service import CorrelatorService
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.times import rfc3339

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


@pytest.mark.rule("HM-133")
async def test_what_comes_again_when_the_silence_is_over_shows_it(environment: dict[str, str]) -> None:
    """What would be refused by now counts no less as the same request; another one under the key is refused as such,
    and what is refused leaves its key free."""
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        asked = {"subject": "device/a", "starts_at": rfc3339(datetime.now(UTC)), "length_s": 2}

        async def post(key: str, **more: Any) -> httpx2.Response:
            return await service.call("POST", "/silences", json=asked | more, headers={"Idempotency-Key": key})

        made = await post("k1")
        assert made.status_code == 201, made.text

        async def is_over() -> bool:
            return bool((await service.get("/silences?state=ended"))["items"])

        await service.eventually(is_over)
        again = await post("k1")
        assert (again.status_code, again.json()) == (201, made.json() | {"state": "ended", "from": None, "until": None})
        assert (await post("k1", length_s=1)).status_code == 422
        assert [(await post("k2", length_s=length)).status_code for length in (1, 3_600)] == [400, 201]
        assert len((await service.get("/silences"))["items"]) == 2


async def forget_keys(service: CorrelatorService) -> None:
    """As it is done after 30 days."""
    database = Database(service.settings.database_dsn("health"))
    try:
        async with unit_of_work(database) as work:
            await work.connection.execute(text("DELETE FROM inbox"))
    finally:
        await database.close()
