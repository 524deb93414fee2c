"""A way to the database that can be cut without a word."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import make_url


class Wire:
    """A way to the database on which the sessions that listen can be cut off without a word to either side."""

    def __init__(self) -> None:
        self.listening = set[asyncio.StreamWriter]()
        self.cut = set[asyncio.StreamWriter]()

    @asynccontextmanager
    async def beside(self, url: str) -> AsyncIterator[str]:
        """The same database by this way."""
        direct = make_url(url)

        async def met(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
            server, asks = await asyncio.open_connection(direct.host, direct.port)
            await asyncio.gather(self._pass_on(client, asks, asks), self._pass_on(server, answers, asks))

        async with await asyncio.start_server(met, "127.0.0.1", 0) as door:
            port = door.sockets[0].getsockname()[1]
            yield direct.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)

    def cut_listeners(self) -> None:
        self.cut |= self.listening

    async def _pass_on(
        self, come: asyncio.StreamReader, go: asyncio.StreamWriter, session: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await come.read(65_536):
                if b"LISTEN" in data and b"UNLISTEN" not in data:
                    self.listening.add(session)
                if session not in self.cut:
                    go.write(data)
                    await go.drain()
        except OSError:
            pass
        finally:
            go.close()
