"""How a write of the console's own API is done once, and the names that it takes."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi.responses import JSONResponse
from pydantic import AfterValidator

from fettle_chassis.answers import Answer, KeyReused
from fettle_chassis.http import Problem
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_console.adapters.answers import Written
from fettle_console.console import Console
from fettle_contracts.problems import ProblemCode

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _one_line(name: str) -> str:
    if _CONTROL.search(name):
        raise ValueError("a name has no control characters")
    return name


LineOfText = Annotated[str, AfterValidator(_one_line)]
"""A name that is shown: one line, without what neither a page nor the database can hold."""


async def once(
    console: Console, org: str, key: str | None, request: str, write: Callable[[UnitOfWork], Awaitable[Written]]
) -> JSONResponse:
    """The answer to `write` as a response; else as `first_answer`."""
    answer = await first_answer(console, org, key, request, write)
    return JSONResponse(answer.body, answer.status)


async def first_answer(
    console: Console, org: str, key: str | None, request: str, write: Callable[[UnitOfWork], Awaitable[Written]]
) -> Answer:
    """The answer to `write`, or to the first request with this key. Raises `Problem` 422 when that was another one."""
    try:
        return await console.answers.once(org, key, request, console.now(), write)
    except KeyReused:
        message = "This Idempotency-Key came before with another request."
        raise Problem(422, ProblemCode.IDEMPOTENCY_KEY_REUSED, message, field="Idempotency-Key") from None
