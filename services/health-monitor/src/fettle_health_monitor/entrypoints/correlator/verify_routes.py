"""Replaying a shard's log and comparing with what has been published."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from fettle_chassis.http import Admin, Problem
from fettle_chassis.patience import is_transient
from fettle_contracts.message import Message
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import Instant, from_ms, to_ms
from fettle_health_monitor.correlator.verifying import Verified
from fettle_health_monitor.domain.verification import Comparison
from fettle_health_monitor.entrypoints.correlator.api import HealthApi
from fettle_health_monitor.judge.replaying import Busy, NotKept

SHOWN_MAX = 1_000
"""How many differences an answer shows; all are counted."""

_TELLS_EVERY_S = 1.0


class ShownDifference(Message):
    """`where` is `published` (health.judgements) or `history`. `wrong`: missing, surplus, different, out_of_order."""

    where: str
    wrong: str
    id: str
    fields: tuple[str, ...]
    replayed: Mapping[str, Any] | None
    found: Mapping[str, Any] | None


class ShownVerified(Message):
    """What came of a replay: how many changes were published, and stand in the history, as the log says them. `until`
    is this partition's newest checkpoint, `as_of` the slowest shard's clock, told each second: it may be earlier."""

    partition: int
    generation: int
    since: Instant
    until: Instant
    records: int
    same: bool
    published_same: int
    history_same: int
    differences: tuple[ShownDifference, ...]
    differences_count: int
    states: tuple[str, ...]
    as_of: Instant | None

    @classmethod
    def of(cls, verified: Verified, as_of: Instant | None) -> Self:
        found = [*_shown("published", verified.published), *_shown("history", verified.in_history)]
        return cls(
            partition=verified.shard,
            generation=verified.generation,
            since=from_ms(verified.from_at),
            until=from_ms(verified.until_at),
            records=verified.records,
            same=verified.same,
            published_same=verified.published.same,
            history_same=verified.in_history.same,
            differences=tuple(found[:SHOWN_MAX]),
            differences_count=len(found),
            states=verified.states[:SHOWN_MAX],
            as_of=as_of,
        )


def verify_routes(api: HealthApi) -> APIRouter:
    router = APIRouter()

    @router.get("/verify", response_class=StreamingResponse)
    async def verify(
        org: str, _caller: Admin, partition: Annotated[int, Query(ge=0)], since: Instant | None = None
    ) -> StreamingResponse:
        """Replays a partition of `device.heartbeats` from a checkpoint that was kept (of `since` or before; else the
        oldest of use) up to the newest, and compares the org's changes with what was published. The answer is JSON
        Lines: `{"done": 0.4}` each second, then `{"verified": {…}}`, or a `problem` that came in between."""
        if partition >= (there_are := api.partitions.shards()):
            message = f"There is no partition {partition}, only 0 to {there_are - 1}."
            raise Problem(404, ProblemCode.NOT_FOUND, message, field="partition")
        replay = _Replay(api, org, partition, None if since is None else to_ms(since))
        await replay.begins()
        return StreamingResponse(replay.lines(), media_type="application/x-ndjson")

    return router


class _Replay:
    """One verification under way. Whoever stops reading its lines ends it."""

    def __init__(self, api: HealthApi, org: str, partition: int, since: int | None) -> None:
        self._done = 0.0
        self._begun = asyncio.Event()
        self._task = asyncio.create_task(self._verify(api, org, partition, since))

    async def _verify(self, api: HealthApi, org: str, partition: int, since: int | None) -> ShownVerified:
        verified = await api.verifying.verify(org, partition, since, self._tell)
        async with api.database.reading() as connection:
            return ShownVerified.of(verified, await api.as_of(connection, org))

    def _tell(self, done: float) -> None:
        self._done = done
        self._begun.set()

    async def begins(self) -> None:
        """Returns once it is known from where to replay. Raises `Problem` when that cannot be."""
        begun = asyncio.create_task(self._begun.wait())
        await asyncio.wait({self._task, begun}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if self._task.done() and (error := self._task.exception()) is not None:
            raise _problem(error) from error

    async def lines(self) -> AsyncIterator[bytes]:
        try:
            while not self._task.done():
                await asyncio.wait({self._task}, timeout=_TELLS_EVERY_S)
                yield _line({"done": round(self._done, 3)})
            error = self._task.exception()
            if error is None:
                yield _line({"verified": self._task.result().to_dict()})
            else:
                yield _line({"problem": {"code": (problem := _problem(error)).code, "detail": problem.message}})
        finally:
            self._task.cancel()


def _problem(error: BaseException) -> Problem:
    """What to say of an error that can be expected. Raises any other."""
    if isinstance(error, NotKept):
        return Problem(409, ProblemCode.CONFLICT, f"{error}.")
    if isinstance(error, Busy):
        message = "Others are replaying; try again in a moment."
        return Problem(503, ProblemCode.UNAVAILABLE, message, headers={"Retry-After": "10"})
    if is_transient(error):
        message = "Kafka or the database does not answer; try again in a moment."
        return Problem(503, ProblemCode.UNAVAILABLE, message, headers={"Retry-After": "5"})
    raise error


def _shown(where: str, comparison: Comparison) -> list[ShownDifference]:
    return [
        ShownDifference(
            where=where, wrong=each.wrong, id=each.id, fields=each.fields, replayed=each.replayed, found=each.found
        )
        for each in comparison.differences
    ]


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
