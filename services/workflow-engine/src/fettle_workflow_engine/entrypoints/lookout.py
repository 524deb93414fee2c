"""The passing of time as an entry point: what is due next is looked for once for all who do something about it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_workflow_engine.adapters import call_rows, due_rows
from fettle_workflow_engine.adapters.due_rows import LOOK_EVERY, Kind

AGAIN_S = 0.2
"""Between two looks, however much is going on: what is due meanwhile is taken together."""
PATIENCE_S = 3_600.0
_AT_ONCE = timedelta(0)


@dataclass(eq=False, slots=True)
class _Waiter:
    """Somebody who waits for something of a kind to be due; `at` is known once a look has begun after they came."""

    kind: Kind
    ahead: timedelta
    rung: asyncio.Future[None]
    at: datetime | None = None

    def ring(self) -> None:
        if not self.rung.done():
            self.rung.set_result(None)


class Lookout(Part):
    """Looks every `every_s` seconds, with one statement over a connection of its own on which it also hears what other
    transactions announce, so that nothing is late for being written between two looks. A connection that is lost is
    replaced, with a look; a database that is away for an hour stops the service.

    Any number of engines may have one each: whoever is woken takes what no other has in hand. By `clock`; one that
    jumps is noticed at the next look.
    """

    name = "lookout"

    def __init__(
        self, database: Database, clock: Callable[[], datetime], every_s: float = LOOK_EVERY.total_seconds()
    ) -> None:
        self._database = database
        self._clock = clock
        self._every_s = every_s
        self._session: asyncpg.Connection[Any] | None = None
        self._waiters: list[_Waiter] = []
        self._again = asyncio.Event()

    async def due(self, kind: Kind, ahead: timedelta = _AT_ONCE) -> None:
        """Returns when something of this kind is due, or will be within `ahead`, by a look that began after this call;
        for calls, when a transaction has asked for some. Whoever has done what was due asks again."""
        with self._waiting(kind, ahead) as waiter:
            self._again.set()
            await waiter.rung

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._again.clear()
                looked_at, before = loop.time(), list(self._waiters)
                soonest = await patiently(self._look, within_s=PATIENCE_S)
                for waiter in before:
                    moment = soonest[waiter.kind]
                    waiter.at = None if moment is None else moment - waiter.ahead
                await self._rest(looked_at)
        finally:
            self._leave()

    async def _rest(self, looked_at: float) -> None:
        """Rings for those whose moment comes, until the next look is due, or asked for and not too soon."""
        loop = asyncio.get_running_loop()
        while True:
            now, asked = self._clock(), self._again.is_set()
            for waiter in self._waiters:
                if waiter.at is not None and waiter.at <= now:
                    waiter.ring()
            left = looked_at + (min(AGAIN_S, self._every_s) if asked else self._every_s) - loop.time()
            if left <= 0:
                return
            ahead = ((one.at - now).total_seconds() for one in self._waiters if one.at and not one.rung.done())
            try:
                async with asyncio.timeout(min((left, *ahead))):
                    await (asyncio.sleep(left) if asked else self._again.wait())
            except TimeoutError:
                pass

    async def _look(self) -> Mapping[Kind, datetime | None]:
        try:
            if self._session is None:
                self._session = await self._database.session(**due_rows.SESSION)
                self._session.add_termination_listener(lambda *_: self._again.set())
                await self._session.add_listener(due_rows.CHANNEL, lambda *_: self._again.set())
                await self._session.add_listener(call_rows.CHANNEL, lambda *_: self._ring(Kind.CALLS))
                self._ring(Kind.CALLS)  # what was asked for while nobody listened
            return await due_rows.soonest(self._session)
        except BaseException:
            self._leave()
            raise

    def _ring(self, kind: Kind) -> None:
        for waiter in self._waiters:
            if waiter.kind is kind:
                waiter.ring()

    def _leave(self) -> None:
        if self._session is not None:
            self._session.terminate()
            self._session = None

    @contextmanager
    def _waiting(self, kind: Kind, ahead: timedelta) -> Iterator[_Waiter]:
        waiter = _Waiter(kind, ahead, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            yield waiter
        finally:
            self._waiters.remove(waiter)
