"""What passes by itself, and waiting for it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import NoReturn, TypeVar

import asyncpg
import structlog
from aiokafka.errors import (
    BrokerNotAvailableError,
    KafkaError,
    KafkaTimeoutError,
    KafkaUnavailableError,
    RebalanceInProgressError,
    ReplicaNotAvailableError,
    UnknownError,
)
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from fettle_chassis.failures import TransientError

log = structlog.get_logger(__name__)

T = TypeVar("T")

_PASSING_STATES = frozenset(
    {"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "57P05"} | {"25006", "25P03", "25P04"}
)
"""SQLSTATEs: serialization failure, deadlock, lock and statement timeouts, server going down or coming up, one that is
not (or no longer) the primary, idleness."""
_PASSING_CLASSES = ("08", "53", "58")
"""SQLSTATE classes: connection, insufficient resources, the server's own system."""

_PASSING_ANSWERS = (
    KafkaTimeoutError,
    KafkaUnavailableError,
    BrokerNotAvailableError,
    ReplicaNotAvailableError,
    RebalanceInProgressError,
    UnknownError,
)
"""What the client does not call retriable and what passes all the same: its own time-outs, and what a broker answers
while it goes down or comes up."""


def is_transient(error: BaseException) -> bool:
    """Whether trying the same again later is right. Broker errors that the client calls retriable count, and every
    lost connection and timeout, whichever library noticed it."""
    if isinstance(error, DBAPIError):
        if isinstance(error.orig, AsyncAdapt_asyncpg_dbapi.InvalidCachedStatementError):
            return True  # a newer version has altered the table; the statement is prepared anew
        return error.connection_invalidated or _passes(getattr(error.orig, "sqlstate", None))
    if isinstance(error, asyncpg.PostgresError):
        return _passes(error.sqlstate)
    if isinstance(error, asyncpg.InternalClientError):
        return True  # how a session that the server has ended between two statements sometimes shows (asyncpg #1069)
    if isinstance(error, asyncpg.InterfaceError):  # a misuse, or a connection that was closed meanwhile
        return "connection is closed" in str(error)
    if isinstance(error, KafkaError):
        return bool(error.retriable) or isinstance(error, _PASSING_ANSWERS)
    return isinstance(error, TransientError | OSError | TimeoutError | PoolTimeoutError)


def _passes(state: str | None) -> bool:
    return state is not None and (state in _PASSING_STATES or state.startswith(_PASSING_CLASSES))


def pauses(first_s: float = 0.1, longest_s: float = 10.0) -> Iterator[float]:
    """Growing pauses in seconds: doubled each time up to `longest_s`, each with up to a quarter of jitter less."""
    pause = first_s
    while True:
        yield pause * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, guards nothing
        pause = min(pause * 2, longest_s)


async def patiently(action: Callable[[], Awaitable[T]], *, within_s: float = 60.0) -> T:
    """The result of `action`, tried again while it fails by something transient; after `within_s` that is raised."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    for pause in pauses(longest_s=2.0):
        try:
            return await action()
        except BaseException as error:
            if not is_transient(error) or loop.time() + pause > deadline:
                raise
            log.warning("waiting.for_server", error=str(error) or type(error).__name__, pause_s=round(pause, 2))
        await asyncio.sleep(pause)
    raise AssertionError("pauses never end")


async def regularly(action: Callable[[], Awaitable[object]], *, every_s: float, name: str) -> NoReturn:
    """Calls `action` for ever, with `every_s` seconds between two calls. What fails by something transient is put off
    until the next one, and the log says so under this `name`; anything else is raised."""
    while True:
        try:
            await action()
        except BaseException as error:
            if not is_transient(error):
                raise
            log.warning(f"{name}.put_off", error=repr(error))
        await asyncio.sleep(every_s)


async def to_its_end(action: Coroutine[None, None, None]) -> None:
    """Awaits what must not be left half-way; a cancellation meanwhile is raised afterwards. One that a client library
    lets out within `action` ends that alone."""
    task = asyncio.create_task(action)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    if not task.cancelled():
        task.result()
