"""Whether processes are ready, as they say themselves."""

import asyncio
from urllib.parse import urlsplit

ANSWER_WITHIN_S = 2.0


async def is_ready(url: str) -> bool:
    """Whether `/readyz` under `url` answers 200. Never raises; waits at most two seconds."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return (await _status(url)) == 200
    except (OSError, TimeoutError, ValueError):
        return False


async def _status(url: str) -> int:
    """The status of one HTTP/1.1 GET, by hand: the usual client takes longer to import than a service to answer."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nhost: {address.netloc}\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        line = await reader.readline()
    finally:
        writer.close()
    return int(line.split()[1]) if len(line.split()) > 1 else 0
