"""Where requests are dealt with: the database, the library, the engine, and how a write is done once."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Annotated

from fastapi import Depends, Header, Request

from fettle_chassis import answers
from fettle_chassis.answers import Answer
from fettle_chassis.database import Database
from fettle_chassis.http import Problem
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.problems import ProblemCode
from fettle_workflow_engine.handler import Engine
from fettle_workflow_engine.interventions import Interventions
from fettle_workflow_engine.library import Library

_SAVED_AT = re.compile(r'"([^"]{1,64})"')


@dataclass(frozen=True, slots=True)
class Desk:
    """What routes need."""

    database: Database
    library: Library
    interventions: Interventions
    clock: Callable[[], datetime]
    engine: Engine

    async def write(
        self, org: str, key: str | None, request: str, action: Callable[[UnitOfWork], Awaitable[Answer]]
    ) -> Answer:
        """Does `action` in a transaction of its own; with a `key` that came before, gives its first answer instead.

        `request` is all that the write depends on. Raises Problem 422 when the key came with another one. What `action`
        raises undoes everything, the key's memory included.
        """
        async with unit_of_work(self.database) as work:
            if key is None:
                return await action(work)
            fingerprint = blake2b(request.encode(), digest_size=16).digest()
            try:
                known = await answers.first(work.connection, org, key, fingerprint, self.clock())
            except answers.KeyReused:
                message = "This Idempotency-Key came before with another request."
                raise Problem(422, ProblemCode.IDEMPOTENCY_KEY_REUSED, message) from None
            if known is not None:
                return known
            answer = await action(work)
            await answers.keep(work.connection, org, key, answer)
            return answer


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]


async def _seen(if_match: Annotated[str | None, Header()] = None) -> str | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = _SAVED_AT.fullmatch(if_match.strip())
    if found is None:
        message = "If-Match is the saved_at of the workflow in quotation marks, or *."
        raise Problem(400, ProblemCode.MALFORMED, message, field="If-Match")
    return found[1]


Seen = Annotated[str | None, Depends(_seen)]
"""The `saved_at` of the workflow that the caller saw, by `If-Match`; None for any."""
