"""Control records for the shards: numbered under one lock, signed, and sent through the outbox."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.outbox import Outgoing
from fettle_chassis.signing import Signer
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.domain import control
from fettle_health_monitor.metrics import CONTROL_RECORDS

# Not below the wall's milliseconds: shards skip what is not above their highest, also where the database was put back.
_NEXT = text("""
    UPDATE control_counter
    SET number = greatest(number, floor(1000 * extract(epoch FROM clock_timestamp()))::bigint) + :count
    RETURNING number
""")

_GREET = text("""
    INSERT INTO greeted (shard, nonce, at) VALUES (:shard, :nonce, :at) ON CONFLICT DO NOTHING RETURNING shard
""")


async def next_number(connection: AsyncConnection, count: int = 1) -> int:
    """The first of `count` numbers. Locks the counter until the commit, so that records are written in the order of
    their numbers and whoever reads policies or registrations after this call misses none with a lower number."""
    last: int = await connection.scalar(_NEXT, {"count": count})
    return last - count + 1


async def greet(connection: AsyncConnection, shard: int, nonce: str, now: datetime) -> bool:
    """Whether this hello is to be answered here and now: it comes by every partition of `health.judgements`."""
    return await connection.scalar(_GREET, {"shard": shard, "nonce": nonce, "at": now}) is not None


class ControlLog:
    """Writes statements for shards. `topic` is the heartbeats' name on the broker, `partitions` asks how many."""

    def __init__(self, signer: Signer, topic: str, partitions: Callable[[], int]) -> None:
        self._signer, self._topic, self._partitions = signer, topic, partitions

    @property
    def shards(self) -> range:
        return range(self._partitions())

    def shard_of(self, key: HeartbeatKey) -> int:
        """The shard that a subject belongs to."""
        return partition_for(key.encode(), self._partitions())

    def write_policy(self, work: UnitOfWork, statement: control.Policy, number: int) -> None:
        """A policy for every shard, under one number: each shard counts for itself."""
        for shard in self.shards:
            self._write(work, statement, statement.org, shard, number)

    def write_policy_for(self, work: UnitOfWork, shard: int, statement: control.Policy, number: int) -> None:
        """A policy for one shard that begins anew."""
        self._write(work, statement, statement.org, shard, number)

    def write_subject(
        self, work: UnitOfWork, key: HeartbeatKey, statement: control.Register | control.Forget, number: int
    ) -> None:
        """What the registry says of a subject, for its shard."""
        self._write(work, statement, str(key), self.shard_of(key), number)

    def write_announced(self, work: UnitOfWork, shard: int, nonce: str, number: int) -> None:
        """The end of the answer to a hello."""
        self._write(work, control.Announced(nonce=nonce), control.shard_key(shard), shard, number)

    def _write(self, work: UnitOfWork, statement: control.Statement, key: str, shard: int, number: int) -> None:
        kind, body, key_bytes = control.kind(statement), control.encode(statement), key.encode()
        signature = self._signer.sign_control(
            topic=self._topic, partition=shard, key=key_bytes, number=number, body=body
        )
        headers = (
            (control.CONTROL_HEADER, kind.encode()),
            (control.NUMBER_HEADER, str(number).encode()),
            (control.SIGNATURE_HEADER, signature.encode()),
        )
        work.publish(Outgoing(topics=(HEARTBEATS,), key=key_bytes, value=body, headers=headers, partition=shard))
        work.after_commit(CONTROL_RECORDS.labels(kind).inc)
