"""Bugs that one of many things brings with it: found by halving, so that the others are not held up."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from fettle_chassis import metrics
from fettle_chassis.patience import is_transient

log = structlog.get_logger(__name__)

T = TypeVar("T")


async def apart(
    items: Sequence[T],
    take: Callable[[Sequence[T]], Awaitable[object]],
    blame: Callable[[T, Exception], Awaitable[object]],
) -> None:
    """Takes all of `items` together. Where that raises a bug they are taken in halves, until what is at fault stands
    alone and is blamed: `take` has to leave nothing behind when it raises. Raises what passes by itself, after which
    the same may be tried again, and what `blame` raises.
    """
    try:
        if items:
            await take(items)
    except Exception as error:
        if is_transient(error):
            raise
        if len(items) == 1:
            await blame(items[0], error)
        else:
            log.warning("bug.looked_for", among=len(items), error=name_of(error), at=place_of(error))
            middle = len(items) // 2
            await apart(items[:middle], take, blame)
            await apart(items[middle:], take, blame)


async def unless_bug(take: Callable[[], Awaitable[T]], otherwise: Callable[[Exception], Awaitable[T]]) -> T:
    """What `take` gives, or, when it raises a bug, what is done instead. Raises what passes by itself."""
    try:
        return await take()
    except Exception as error:
        if is_transient(error):
            raise
        log.warning("bug.met", error=name_of(error), at=place_of(error))
        return await otherwise(error)


def or_bug(take: Callable[[], T]) -> T | Exception:
    """What `take` gives, or the bug that it raises. Raises what passes by itself."""
    try:
        return take()
    except Exception as error:
        if is_transient(error):
            raise
        return error


def note(kind: str, error: Exception, **what: object) -> None:
    """Says and counts that something of this kind (`run`, `schedule`, ...) was set aside for a bug: by the exception's
    name and place, since its message may hold anything."""
    metrics.BUGS.labels(kind).inc()
    log.critical(f"{kind}.set_aside", error=name_of(error), at=place_of(error), **what)


def name_of(error: Exception) -> str:
    """For people who cannot look into the log."""
    return type(error).__name__


def place_of(error: Exception) -> str:
    """The innermost lines that it went through, without what stood in variables."""
    lines, trace = [], error.__traceback__
    while trace is not None:
        lines.append(f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(lines[-8:])
