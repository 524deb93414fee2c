"""Requests that wait at the same time are carried out together, and with a batch of commands by Kafka where one comes:
a transaction costs as many statements for one command as for two hundred."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import structlog
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.failures import TransientError
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_ticket_service.adapters.org_ends import RowThere
from fettle_ticket_service.asked import Answer, Asked
from fettle_ticket_service.entrypoints.places import Places, in_time
from fettle_ticket_service.handler import CommandHandler

Carried = TypeVar("Carried")

log = structlog.get_logger(__name__)

COMMANDS_AT_MOST = 200
ALONE_AT_ONCE = 6
"""Each holds one of the pool's ten connections, and waits for up to 15 s where its org is locked."""
ALONE_OF_ONE_ORG = 2
ALONE_PATIENCE_S = 15.0
RIGHT_BEHIND_S = 0.06
"""So long after a batch the next one is waited for."""
BATCHES_PATIENCE_S = 0.25
_NOT_FOR_LONG = text("SET LOCAL lock_timeout = '250ms'")


@dataclass(frozen=True, slots=True)
class _Request:
    command: Asked
    came_at: float
    batches_before: int
    """How many batches had begun when it came."""
    answer: "asyncio.Future[Answer | None]"
    """None where nothing was done."""


class Together:
    """Carries out the commands of requests that have one each, and those of batches by Kafka."""

    def __init__(self, database: Database, handler: CommandHandler) -> None:
        self._database = database
        self.handler = handler
        self._waiting: deque[_Request] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._batch_under_way = False
        self._batches_begun = 0
        self._batch_ended_at = -inf
        self._batch_failed = False
        self._batches = asyncio.Event()
        """Set when one begins or ends."""
        self._alone = Places(ALONE_AT_ONCE, ALONE_OF_ONE_ORG, patience_s=ALONE_PATIENCE_S)
        self._tried: dict[str, asyncio.Event] = {}
        """By org, of which one request is tried alone after some failed together; set when that is over."""

    async def carry_out(self, command: Asked) -> Answer:
        """The answer when it is committed. Waits for the transaction under way, then for its own.

        Where a shared transaction fails (an org is locked for long, a command cannot be carried out), one request of
        each org is tried alone. When that one is done the others are tried together once more, and whoever fails again
        is tried alone. While an org has as many under way by themselves as it may have, its requests stay out of what
        others share; so do those for an org that is not known, for which the broker is asked.
        Raises what `by_itself` raises.
        """
        for _ in range(2):
            await self._until_tried(command.org)
            if self._alone.taken_by(command.org) or not await self.handler.knows(self._database, command.org):
                break
            if (answer := await self._carry_out_together(command)) is not None:
                return answer
            if command.org not in self._tried:
                return await self._try(command)
        return await self._carry_out_alone(command)

    async def _until_tried(self, org: str) -> None:
        if (tried := self._tried.get(org)) is not None:
            await in_time(tried.wait(), ALONE_PATIENCE_S)

    async def _carry_out_together(self, command: Asked) -> Answer | None:
        loop = asyncio.get_running_loop()
        request = _Request(command, loop.time(), self._batches_begun, loop.create_future())
        self._waiting.append(request)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return await request.answer

    async def _try(self, command: Asked) -> Answer:
        tried = self._tried[command.org] = asyncio.Event()
        try:
            return await self._carry_out_alone(command)
        finally:
            del self._tried[command.org]
            tried.set()

    @asynccontextmanager
    async def by_itself(self, org: str) -> AsyncIterator[UnitOfWork]:
        """A transaction that no other request shares. Few are open at once, of one org and of all, so that connections
        are left for others: waits for its turn, and raises Problem 503 when none comes. Before that it waits until the
        org is known, or known to be none; raises what passes while neither can be told."""
        await self.handler.meet(self._database, org)
        async with self._alone.one(org), unit_of_work(self._database) as work:
            yield work

    async def alone(self, org: str, carry_out: Callable[[UnitOfWork], Awaitable[Carried]]) -> Carried:
        """What it answers in a transaction `by_itself`, or in a second one where it met a row that is there: that one
        begins by putting right what claims less, and by itself nobody else tries again."""
        with suppress(RowThere):
            async with self.by_itself(org) as work:
                return await carry_out(work)
        async with self.by_itself(org) as work:
            return await carry_out(work)

    async def batch(self, work: UnitOfWork, commands: Sequence[Asked]) -> None:
        """Carries out a batch of commands by Kafka in its transaction, when its turn has come, and with it the requests
        that wait; who asks again is told again. Raises what the handler raises, but TransientError where requests went
        with it, whosever fault it is: they are tried one by one, and the batch again without them; it then waits for
        rows as long as it must."""
        await work.hold(self.handler.turns.one())
        requests = [] if self._batch_failed else self._take(COMMANDS_AT_MOST - len(commands))
        answers: list[Answer] = []
        await work.hold(self._with_batch(requests, answers))
        if requests:
            await work.connection.execute(_NOT_FOR_LONG)
        done = await self.handler(work, [*commands, *(request.command for request in requests)])
        self.handler.tell_again(work, zip(commands, done, strict=False))
        answers += done[len(commands) :]

    @asynccontextmanager
    async def _with_batch(self, requests: Sequence[_Request], answers: Sequence[Answer]) -> AsyncIterator[None]:
        """Around the transaction of a batch; the requests have their answers when it is committed."""
        self._batch_under_way, committed = True, False
        self._batches_begun += 1
        self._batches.set()
        try:
            yield
            committed = True
        except Exception as error:
            if not requests:
                raise
            raise TransientError("a batch is tried again without the requests that went with it") from error
        finally:
            self._batch_under_way, self._batch_failed = False, not committed
            self._batch_ended_at = asyncio.get_running_loop().time()
            self._batches.set()
            _settle(requests, answers if committed else [None] * len(requests))

    async def _serve(self) -> None:
        """Until nobody waits."""
        while self._waiting:
            await self._leave_to_batches()
            if not self._waiting:
                continue
            async with self.handler.turns.one():
                requests = self._take(COMMANDS_AT_MOST)
                if not requests:
                    continue
                trying = asyncio.create_task(self._all([request.command for request in requests]))
                await asyncio.wait([trying])
            if (error := trying.exception()) is not None:
                log.info("requests.one_by_one", requests=len(requests), error=repr(error))
            _settle(requests, [None] * len(requests) if error else trying.result())

    async def _leave_to_batches(self) -> None:
        """Lets the next batch take along who waits: returns when it has, when it had no room for all, when none comes
        right behind the last, or when that takes too long."""
        loop = asyncio.get_running_loop()
        while self._waiting and self._waiting[0].batches_before == self._batches_begun:
            give_up_at = self._waiting[0].came_at + BATCHES_PATIENCE_S
            until = give_up_at if self._batch_under_way else min(give_up_at, self._batch_ended_at + RIGHT_BEHIND_S)
            if until <= loop.time():
                return
            self._batches.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._batches.wait()

    def _take(self, at_most: int) -> list[_Request]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), at_most))]

    async def _all(self, commands: Sequence[Asked]) -> list[Answer]:
        async with unit_of_work(self._database) as work:
            await work.connection.execute(_NOT_FOR_LONG)
            return await self.handler(work, commands)

    async def _carry_out_alone(self, command: Asked) -> Answer:
        [answer] = await self.alone(command.org, lambda work: self.handler(work, [command]))
        return answer


def _settle(requests: Sequence[_Request], answers: Sequence[Answer | None]) -> None:
    for request, answer in zip(requests, answers, strict=True):
        if not request.answer.done():  # its caller may be gone
            request.answer.set_result(answer)
