"""Up to when heartbeats have been judged, as an answer says it that is read while a batch is taken in."""

import itertools
from datetime import datetime
from typing import Any

import pytest
from correlator_facts import T0, change, next_place
from correlator_service import PARTITIONS, CorrelatorService
from correlator_world import CorrelatorWorld
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.partitions import partition_for
from fettle_contracts.times import from_ms, rfc3339
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import InForce
from fettle_health_monitor.entrypoints.correlator.api import HealthApi

SILENCED = "device/t17"


@pytest.mark.rule("HM-309")
async def test_nothing_is_missing_that_was_judged_up_to_as_of(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just when an answer asks for the clocks, a batch with another device is taken in."""
    monkeypatch.setattr(CorrelatorWorld, "partition", partition_for(b"acme", PARTITIONS))
    as_of, steps = HealthApi.as_of, itertools.count(1)
    async with CorrelatorWorld.open(environment) as world, CorrelatorService.open(environment) as service:
        await world.silence(Schedule(T0, 86_400), SILENCED)

        async def judged_meanwhile(api: HealthApi, connection: AsyncConnection, org: str) -> datetime | None:
            step = next(steps)
            at = T0 + 1_000 * step
            place: dict[str, Any] = {"shard": 0, "generation": 1, "place": next_place()}
            await world.feed(
                InForce(**place, org=org, version=3 + step, enabled=True, at=at),
                *(change(one, at=at) for one in (f"device/{step}", SILENCED)),
                *(world.clock(shard, at + 1) for shard in range(PARTITIONS)),
            )
            return await as_of(api, connection, org)

        monkeypatch.setattr(HealthApi, "as_of", judged_meanwhile)

        async def asked(step: int, path: str) -> Any:
            found = await service.get(path)
            assert found["as_of"] == rfc3339(from_ms(T0 + 1_000 * step + 1)), path
            return found

        listed = await asked(1, "/subjects")
        assert {item["id"] for item in listed["items"]} == {"1", "t17"}
        assert (await asked(2, "/subjects/device/2"))["state"] == "firing"
        history = await asked(3, f"/transitions?subject={SILENCED}")
        assert history["items"][0]["at"] == rfc3339(from_ms(T0 + 3_000))
        (silence,) = (await asked(4, "/silences"))["items"]
        assert silence["held"]["count"] == 4
        preview = {"filter": {"type": "device"}, "length_s": 60}
        would_be = (await service.call("POST", "/silences?dry_run=true", json=preview)).json()
        assert (would_be["count"], would_be["as_of"]) == (6, rfc3339(from_ms(T0 + 5_001)))
        assert (await asked(6, "/health-policy"))["in_force"][0]["version"] == 9
        heard = await service.call("GET", "/heard?subject=device/7")
        assert "The org has no subject" not in heard.text
