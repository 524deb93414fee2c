"""A session advisory lock of Postgres as a lease: given up when its holder dies, and also when it hangs."""

import asyncio
import hashlib
from typing import Any

import asyncpg

from fettle_chassis.database import Database


def lock_key(*names: str) -> int:
    """The advisory lock's number for a name in parts: 63 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest()[:8]) >> 1


class Lease:
    """One holder at a time among all processes that use the same key on the same database.

    The holder pings; a session that stays silent for `hangs_after_s` is ended by the server, which frees the lock. So
    a holder that was stopped learns of it when it wakes (`lost`), up to a ping later: what it does until then must be
    harmless.
    """

    def __init__(self, database: Database, key: int, *, hangs_after_s: float) -> None:
        self._database = database
        self._key = key
        self._hangs_after_s = hangs_after_s
        self._session: asyncpg.Connection[Any] | None = None
        self._pinging: asyncio.Task[None] | None = None

    async def try_acquire(self) -> bool:
        """Takes the lease if it is free. Raises what connecting raises."""
        return await self._acquire("SELECT pg_try_advisory_lock($1)")

    async def acquire(self) -> None:
        """Waits for the lease, for ever. Raises what connecting raises, and when the connection breaks meanwhile."""
        await self._acquire("SELECT pg_advisory_lock($1) IS NOT NULL")

    async def lost(self) -> None:
        """Returns when the lease has been lost."""
        if self._pinging is not None:
            await asyncio.wait([self._pinging])

    async def release(self) -> None:
        """Gives the lease back, or gives up waiting for it. Does nothing without."""
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.wait([self._pinging])
            self._pinging = None
        await self._leave()

    async def _acquire(self, statement: str) -> bool:
        await self.release()
        silence_ms = str(int(self._hangs_after_s * 1000))
        self._session = await self._database.session(
            idle_session_timeout=silence_ms, client_connection_check_interval="1s"
        )
        try:
            taken: bool = await self._session.fetchval(statement, self._key, timeout=float("inf"))
        except BaseException:
            await self._leave()
            raise
        if not taken:
            await self._leave()
            return False
        self._pinging = asyncio.create_task(self._ping(self._session))
        return True

    async def _ping(self, session: "asyncpg.Connection[Any]") -> None:
        """Ends when the session does."""
        try:
            while True:
                await asyncio.sleep(self._hangs_after_s / 2)
                await session.execute("SELECT 1", timeout=self._hangs_after_s)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError):
            return

    async def _leave(self) -> None:
        """Ends the session without asking the server, which may be away: a closed socket frees the lock as well."""
        if self._session is not None:
            self._session.terminate()
            self._session = None
