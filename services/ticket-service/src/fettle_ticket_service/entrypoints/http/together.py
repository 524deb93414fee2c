"""Requests that wait at the same time are carried out together: a transaction costs as many statements for one command
as for two hundred."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import unit_of_work
from fettle_ticket_service.asked import Answer, Asked
from fettle_ticket_service.handler import CommandHandler

log = structlog.get_logger(__name__)

COMMANDS_AT_MOST = 200
_NOT_FOR_LONG = text("SET LOCAL lock_timeout = '250ms'")


@dataclass(frozen=True, slots=True)
class _Request:
    command: Asked
    answer: "asyncio.Future[Answer | None]"
    """None where nothing was done."""


class Together:
    """Carries out the commands of requests that have one each."""

    def __init__(self, database: Database, handler: CommandHandler) -> None:
        self._database = database
        self.handler = handler
        self._waiting: deque[_Request] = deque()
        self._serving: asyncio.Task[None] | None = None

    async def carry_out(self, command: Asked) -> Answer:
        """The answer when it is committed. Waits for the transaction under way, then for its own.

        What keeps requests from being carried out together (an org that is locked for long, a command that cannot be
        carried out) is met by one of them alone: each is then tried again by itself. Raises what that raises.
        """
        request = _Request(command, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        answer = await request.answer
        return await self._alone(command) if answer is None else answer

    async def _serve(self) -> None:
        """Until nobody waits."""
        while self._waiting:
            async with self.handler.turns.one():
                requests = [self._waiting.popleft() for _ in range(min(len(self._waiting), COMMANDS_AT_MOST))]
                trying = asyncio.create_task(self._all([request.command for request in requests]))
                await asyncio.wait([trying])
            if (error := trying.exception()) is not None:
                log.info("requests.one_by_one", requests=len(requests), error=repr(error))
            answers: Sequence[Answer | None] = [None] * len(requests) if error else trying.result()
            for request, answer in zip(requests, answers, strict=True):
                if not request.answer.done():  # its caller may be gone
                    request.answer.set_result(answer)

    async def _all(self, commands: Sequence[Asked]) -> list[Answer]:
        async with unit_of_work(self._database) as work:
            await work.connection.execute(_NOT_FOR_LONG)
            return await self.handler(work, commands)

    async def _alone(self, command: Asked) -> Answer:
        async with unit_of_work(self._database) as work:
            [answer] = await self.handler(work, [command])
        return answer
