"""A stream lasts no longer than whoever follows it may come in."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import structlog
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError

from fettle_chassis.patience import is_transient
from fettle_console import metrics
from fettle_console.adapters import live

Item = TypeVar("Item")

log = structlog.get_logger(__name__)


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"

    @classmethod
    def of(
        cls, items: AsyncIterator[Item], allowed: Callable[[], Awaitable[bool]], told: Callable[[Item], bytes]
    ) -> "EventStream":
        """`told` says each item as `format_sse_event` writes it, while it is allowed.

        FastAPI's own generators send one event at a time through two queues and a validation: too slow for a busy org.
        """

        async def written() -> AsyncIterator[bytes]:
            with metrics.LIVE_STREAMS.track_inprogress():
                async for item in while_allowed(items, allowed):
                    yield told(item)

        return cls(written(), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})


async def while_allowed(items: AsyncIterator[Item], allowed: Callable[[], Awaitable[bool]]) -> AsyncIterator[Item]:
    """Passes on what comes until `allowed` says no, which is asked once for each time that a beat is due, however much
    comes. Who cannot be asked because the database is away for the moment goes on, and is asked again."""
    asked_at = time.monotonic()
    async for item in items:
        if time.monotonic() - asked_at >= live.BEAT_S:
            if not await _unless_away(allowed):
                return
            asked_at = time.monotonic()
        yield item


async def _unless_away(allowed: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await allowed()
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        if not is_transient(error):
            raise
        log.warning("stream.not_asked", error=repr(error))
        return True
