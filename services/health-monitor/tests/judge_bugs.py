"""A record at which a bug ends every judge, until one of them leaves it out."""

import asyncio
import gc
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from judge_world import World

from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.domain.judge.heartbeats import read
from fettle_health_monitor.domain.judgements import Clock, Judgement

READ = "fettle_health_monitor.domain.judge.shard.read"


def judging(judgements: list[Judgement]) -> bool:
    """Both shards of a fresh world have been told what is in force and say so."""
    return {one.shard for one in judgements if isinstance(one, Clock)} == {0, 1}


async def leave_one_out(world: World, key: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """A device says that it is offline, and the next record of it ends three judges; the fourth leaves that out, and
    the device fires. Answers with its partition."""
    place = partition_for(key.encode(), world.partitions[HEARTBEATS])
    subject = key.partition("/")[2]
    async with world.judge():
        await world.until(judging)
        await world.beat(key, interval_s=1)
        await world.reaches(subject, "healthy")
    await world.beat(key, status="offline")
    await world.send(key.encode(), b'{"name":"poison"}', place)
    with monkeypatch.context() as broken:
        broken.setattr(READ, poisoned())
        for _ in range(3):
            with pytest.RaisesGroup(ZeroDivisionError):
                async with world.judge():
                    await asyncio.sleep(60)
        async with world.judge():
            await world.reaches(subject, "firing")
    return place


def bury_what_was_cut_off() -> None:
    """A client that connects while it is being closed leaves the connection to the garbage collector. A judge that
    ends so takes its process along; here the next test would be blamed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def poisoned() -> Callable[..., Any]:
    """What reads heartbeats, with the bug in it."""

    def broken(value: bytes, *more: Any) -> Any:
        if b"poison" in value:
            raise ZeroDivisionError
        return read(value, *more)

    return broken
