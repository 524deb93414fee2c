"""Judge and correlator together: from heartbeats to commands."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from correlator_service import CorrelatorService

from fettle_contracts.times import from_ms, rfc3339
from fettle_contracts.topics import COMMANDS, HEARTBEATS
from fettle_health_monitor.judge_app import build_judge

BRISK = {"enabled": True, "publish_tickets": True, "timeout_s": 2, "open_debounce_s": 1, "resolve_debounce_s": 1}


async def beat(service: CorrelatorService, *subjects: str, **said: Any) -> None:
    value = json.dumps({"status": "ok", **said}).encode()
    for subject in subjects:
        await service.producer.send_and_wait(service.settings.topic(HEARTBEATS), value, key=f"acme/{subject}".encode())


async def beat_at(service: CorrelatorService, subject: str) -> str:
    """Reports once; when the broker took it."""
    topic, key = service.settings.topic(HEARTBEATS), f"acme/{subject}".encode()
    return rfc3339(from_ms((await service.producer.send_and_wait(topic, b"", key=key)).timestamp))


@asynccontextmanager
async def beating(service: CorrelatorService, *subjects: str) -> AsyncIterator[None]:
    """The subjects report every half second."""

    async def forever() -> None:
        while True:
            await beat(service, *subjects)
            await asyncio.sleep(0.5)

    task = asyncio.create_task(forever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def in_state(service: CorrelatorService, subject: str, *states: str) -> None:
    """Returns when the subject is in one of these."""

    async def reached() -> bool:
        answer = await service.call("GET", f"/subjects/{subject}")
        return bool(answer.status_code == 200 and answer.json()["state"] in states)

    await service.eventually(reached)


@pytest.mark.rule("HM-65", "HM-68", "HM-76", "HM-77", "HM-80")
async def test_silence_and_life_become_an_open_and_a_resolve(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        async with build_judge(service.settings).running():
            await service.tell_org("acme")
            # Together no shorter than a hole: nobody is in trouble because this machine stood still.
            put = await service.call("PUT", "/health-policy", json={**BRISK, "timeout_s": 4})
            assert put.status_code == 200

            async def in_force() -> bool:
                shards = (await service.get("/health-policy"))["in_force"]
                return all(shard["version"] == 2 for shard in shards)

            await service.eventually(in_force)
            async with beating(service, "device/steady"):
                await beat(service, "device/x1", name="Thermostat 17")
                await in_state(service, "device/x1", "firing")
                (opened,) = await service.read(COMMANDS, lambda found: bool(found))
                assert opened.body["title"] == "Device offline: Thermostat 17"
                assert opened.body["dedup_key"] == "device/x1:device_offline"

                async with beating(service, "device/x1"):
                    await in_state(service, "device/x1", "healthy")
                    _, resolved = await service.read(COMMANDS, lambda found: len(found) == 2)
                    assert resolved.body["resolution"] == "recovered"
                    shown: dict[str, Any] = {}

                    async def told_by_its_owner() -> bool:
                        """Who does not answer within a moment is not waited for."""
                        shown.update(await service.get("/subjects/device/x1"))
                        return bool(shown["last_heard_told_by"] == "owner")

                    await service.eventually(told_by_its_owner)
                    assert shown["last_heard"] <= shown["last_heard_as_of"]

                    async def told_in_a_list() -> bool:
                        items = (await service.get("/subjects?heard=true"))["items"]
                        return all(item["last_heard_as_of"] and item["last_heard"] for item in items)

                    await service.eventually(told_in_a_list)
                    [plain, *_] = (await service.get("/subjects"))["items"]
                    assert (plain["last_heard"], plain["last_heard_as_of"]) == (None, None)
                assert (await service.get("/subjects/device/steady"))["state"] == "healthy"
                heard = await beat_at(service, "device/x1")

                async def told_as_heard() -> bool:
                    shown.update(await service.get("/subjects/device/x1"))
                    told = (shown["last_heard_told_by"], shown["last_heard"]) == ("owner", heard)
                    return bool(told and shown["last_heard_as_of"] > heard)

                await service.eventually(told_as_heard)

                async def listed_as_heard() -> bool:
                    items = (await service.get("/subjects?heard=true&q=x1"))["items"]
                    return [item["last_heard"] for item in items] == [heard]

                await service.eventually(listed_as_heard)
        untold = (await service.get("/subjects?heard=true"))["items"]
        assert {item["last_heard_as_of"] for item in untold} == {None}, "no owner, and no checkpoint is read for a list"
        shown = await service.get("/subjects/device/x1")
        assert (shown["last_heard_told_by"], shown["last_heard"]) == ("checkpoint", heard)
        assert heard < shown["last_heard_as_of"]


@pytest.mark.rule("HM-69", "HM-78")
async def test_a_registered_device_counts_before_it_reports_and_is_forgotten_when_removed(
    environment: dict[str, str],
) -> None:
    async with CorrelatorService.open(environment) as service, build_judge(service.settings).running():
        await service.tell_org("acme")
        await service.call("PUT", "/health-policy", json=BRISK)
        made = await service.call("PUT", "/subjects/device/new", json={"name": "New one", "interval_s": 1})
        assert made.status_code == 201
        await in_state(service, "device/new", "firing")
        assert (await service.call("DELETE", "/subjects/device/new")).status_code == 204
        opened, resolved = await service.read(COMMANDS, lambda found: len(found) == 2)
        assert opened.body["title"] == "Device offline: New one"
        assert resolved.body["resolution"] == "removed"

        async def gone() -> bool:
            return (await service.call("GET", "/subjects/device/new")).status_code == 404

        await service.eventually(gone)
