"""One transaction: what a batch or a request changes, and what it says to the world, or neither."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.database import Database
from fettle_chassis.outbox import Outgoing


class UnitOfWork:
    """What a handler works with. It never commits; whoever opened the unit does, at the edge.

    Use `connection.execute(text(...), {...})` with `unnest` over arrays for batches: a statement per row costs a
    quarter of the throughput.
    """

    connection: AsyncConnection

    def publish(self, *messages: Outgoing) -> None:
        """Collects messages. They become outbox rows in this order as the transaction's last statement.

        Raises `MessageTooLarge` at once for a message over 900 KB. Does not block.
        """
        raise NotImplementedError

    async def first_time(self, subscription: str, identities: Sequence[tuple[str, str]]) -> list[bool]:
        """Enters identities `(source, id)` in the inbox; True where it was not there yet, in the same order.

        The inbox remembers 30 days. `Consumers` does this for records by itself; HTTP entry points call it with an
        `Idempotency-Key`. Two transactions that enter the same identity wait for each other.
        """
        raise NotImplementedError


@asynccontextmanager
async def unit_of_work(database: Database) -> AsyncIterator[UnitOfWork]:
    """Opens a transaction (READ COMMITTED); on normal exit writes the outbox rows, notifies the relay and commits;
    on any exception, cancellation included, rolls back and lets it through."""
    raise NotImplementedError
    yield
