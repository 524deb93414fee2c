"""Answers that last as long as their readers take."""

import asyncio

import structlog
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

READER_PATIENCE_S = 60.0

log = structlog.get_logger(__name__)


class Streamed(StreamingResponse):
    """Gives a reader up that takes nothing for a minute: the answer ends before its end, the server closes the
    connection, and what is held until the answer is sent, a place among few, is free."""

    async def stream_response(self, send: Send) -> None:
        stalled = False

        async def send_in_time(message: Message) -> None:
            nonlocal stalled
            try:
                async with asyncio.timeout(READER_PATIENCE_S):
                    await send(message)
            except TimeoutError:
                stalled = True
                raise

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            if not stalled:
                raise
            log.warning("reader.given_up")
