"""One transaction: what a batch or a request changes, and what it says to the world, or neither."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis import outbox
from fettle_chassis.database import Database
from fettle_chassis.outbox import Outgoing

REQUESTS = "http"
"""The subscription under which the inbox remembers the keys of requests; their sources are orgs."""

_ENTER = text("""
    INSERT INTO inbox (subscription, source, id)
    SELECT :subscription, source, id
    FROM unnest(CAST(:sources AS text[]), CAST(:ids AS text[])) AS identity (source, id)
    ORDER BY source, id
    ON CONFLICT DO NOTHING
    RETURNING source, id
""")


class UnitOfWork:
    """What a handler works with. It never commits; whoever opened the unit does, at the edge.

    Use `connection.execute(text(...), {...})` with `unnest` over arrays for batches: a statement per row costs a
    quarter of the throughput.
    """

    def __init__(self, connection: AsyncConnection, beyond: AsyncExitStack) -> None:
        self.connection = connection
        self._beyond = beyond
        self._messages: list[Outgoing] = []
        self._committed: list[Callable[[], object]] = []

    def publish(self, *messages: Outgoing) -> None:
        """Collects messages. They become outbox rows in this order as the transaction's last statement.

        Raises `MessageTooLarge` at once for a message over 900 KB. Does not block.
        """
        for message in messages:
            message.check_size()
        self._messages.extend(messages)

    async def first_time(self, subscription: str, identities: Sequence[tuple[str, str]]) -> list[bool]:
        """Enters identities `(source, id)` in the inbox; True where it was not there yet, in the same order. Of equal
        ones in the list only the first can be True.

        The inbox remembers 30 days. `Consumers` does this for records by itself; HTTP entry points call it with an
        `Idempotency-Key`. Two transactions that enter the same identity wait for each other.
        """
        if not identities:
            return []
        rows = await self.connection.execute(
            _ENTER,
            {
                "subscription": subscription,
                "sources": [source for source, _ in identities],
                "ids": [id for _, id in identities],
            },
        )
        fresh = {(source, id) for source, id in rows}
        answers = []
        for identity in identities:
            answers.append(identity in fresh)
            fresh.discard(identity)
        return answers

    async def hold(self, held: AbstractAsyncContextManager[None]) -> None:
        """Enters `held`, and leaves it when the transaction has ended, however it ends."""
        await self._beyond.enter_async_context(held)

    def after_commit(self, tell: Callable[[], object]) -> None:
        """Has `tell` called when the transaction has been committed, in the order of these calls, and never when it is
        rolled back. For what a metric counts or the log says of what the transaction does, which else is said once for
        each try. `tell` neither blocks nor raises."""
        self._committed.append(tell)

    async def finish(self) -> None:
        """Writes the outbox rows. Called by whoever opened the unit, last before the commit."""
        if self._messages:
            await outbox.write(self.connection, self._messages)

    def committed(self) -> None:
        """Tells what was to be told then. Called by whoever opened the unit, first behind the commit."""
        for tell in self._committed:
            tell()


@asynccontextmanager
async def unit_of_work(database: Database) -> AsyncIterator[UnitOfWork]:
    """Opens a transaction (READ COMMITTED); on normal exit writes the outbox rows, notifies the relay, commits and
    tells what waits for that; on any exception, cancellation included, rolls back and lets it through."""
    async with AsyncExitStack() as beyond:
        async with database.engine.begin() as connection:
            work = UnitOfWork(connection, beyond)
            yield work
            await work.finish()
        work.committed()
