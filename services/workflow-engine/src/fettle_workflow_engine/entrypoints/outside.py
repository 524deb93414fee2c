"""Calls to what is outside as an entry point: taken with a lease, made outside of any transaction, put down after."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from fettle_chassis.bugs import apart, note, unless_bug
from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import call_rows
from fettle_workflow_engine.adapters.due_rows import Kind
from fettle_workflow_engine.domain.calls import (
    Again,
    Caller,
    Failed,
    Outcome,
    OutsideCall,
    Retry,
    after,
    switched_off,
    worn_out,
)
from fettle_workflow_engine.domain.endings import internal
from fettle_workflow_engine.domain.run import Failure, Result
from fettle_workflow_engine.entrypoints.lookout import Lookout
from fettle_workflow_engine.handler import Engine

log = structlog.get_logger(__name__)

AT_ONCE = 128
OF_ONE_ORG = 16
"""Of these; so one org's slow calls leave room for others'."""
LONGEST_S = 60.0
LEASE = timedelta(seconds=90)
"""Longer than any call, so that no two processes make one unless the first has died or hangs."""
PATIENCE_S = 3_600.0
STOP_S = 2.0


class OutsideCalls(Part):
    """Makes calls that are due, at most `AT_ONCE` at a time and `OF_ONE_ORG` of one org. Any number of engines may do
    so at once. A call whose process is killed is made again, under the same id: by the next process of the same name at
    once, by others when its lease is over.

    `me` names this process from its start on; no two running ones may share a name. A database that is away for an hour
    stops the service. Stop leaves calls that are being made to whoever comes next.
    """

    name = "outside-calls"

    def __init__(
        self, database: Database, engine: Engine, caller: Caller, me: Callable[[], str], clock: Callable[[], datetime],
        lookout: Lookout,
    ) -> None:  # fmt: skip
        self._database = database
        self._engine = engine
        self._caller = caller
        self._me = me
        self._clock = clock
        self._lookout = lookout
        self._busy: Counter[str] = Counter()
        self._ended: list[tuple[OutsideCall, Result | Again]] = []
        self._wake = asyncio.Event()
        self._has_ended = asyncio.Event()

    async def start(self) -> None:
        await patiently(self._give_back)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_out())
            group.create_task(self._put_down())
            while True:
                self._wake.clear()
                for call in await patiently(self._take, within_s=PATIENCE_S):
                    self._busy[call.org] += 1
                    group.create_task(self._make(call))
                await self._wake.wait()

    async def stop(self) -> None:
        if self._ended:
            await patiently(partial(self._put, self._ended), within_s=STOP_S)
        await patiently(self._give_back, within_s=STOP_S)

    async def _give_back(self) -> None:
        async with unit_of_work(self._database) as work:
            await call_rows.give_back(work.connection, self._me(), self._clock())

    async def _take(self) -> list[OutsideCall]:
        room = AT_ONCE - self._busy.total()
        if room <= 0:
            return []
        async with unit_of_work(self._database) as work:
            return await call_rows.take(
                work.connection, self._clock(), by=self._me(), lease=LEASE, limit=room, of_one_org=OF_ONE_ORG,
                busy=+self._busy,
            )  # fmt: skip

    async def _make(self, call: OutsideCall) -> None:
        self._ended.append((call, switched_off(call) or worn_out(call) or await self._outcome(call)))
        self._has_ended.set()

    async def _outcome(self, call: OutsideCall) -> Result | Again:
        outcome: Outcome
        try:
            async with asyncio.timeout(LONGEST_S):
                outcome = await unless_bug(lambda: self._caller.perform(call), partial(self._failed_by, call))
        except TimeoutError:
            outcome = Retry(Failure("timeout", f"There was no answer within {LONGEST_S:.0f} s."))
        metrics.CALLS_MADE.labels(call.kind, type(outcome).__name__.lower()).inc()
        return after(call, outcome, jitter=random.random())  # noqa: S311 - spreads load, guards nothing

    async def _failed_by(self, call: OutsideCall, bug: Exception) -> Outcome:
        """It may have been made all the same."""
        note("call", bug, org=call.org, call=str(call.id), call_kind=call.kind)
        return Failed(replace(internal(bug), unsure=True))

    async def _put_down(self) -> None:
        """What calls came to, as many as there are in one transaction."""
        while True:
            await self._has_ended.wait()
            self._has_ended.clear()
            ended = list(self._ended)
            await patiently(partial(apart, ended, self._put, self._set_aside), within_s=PATIENCE_S)
            del self._ended[: len(ended)]
            for call, _ in ended:
                self._busy[call.org] -= 1
            self._wake.set()

    async def _put(self, ended: Sequence[tuple[OutsideCall, Result | Again]]) -> None:
        async with unit_of_work(self._database) as work:
            await self._engine.take_outcomes(work, ended)

    async def _set_aside(self, ended: tuple[OutsideCall, Result | Again], bug: Exception) -> None:
        async with unit_of_work(self._database) as work:
            await self._engine.set_aside(work, await call_rows.runs_of(work.connection, [ended[0].id]), bug)

    async def _look_out(self) -> None:
        """Wakes when a transaction has asked for calls, and when others are due."""
        while True:
            await self._lookout.due(Kind.CALLS)
            self._wake.set()
