"""Checkpoints in Postgres, fenced: of two owners of a shard the one that is further in its log wins."""

from dataclasses import dataclass

import cramjam
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot, pack, unpack
from fettle_health_monitor.domain.judge.scribe import RULES_VERSION

_NOTHING_READ = -1

_LOAD = text('SELECT generation, "offset", partitions, rules_version, state FROM checkpoint WHERE shard = :shard')
_SAVE = text("""
    INSERT INTO checkpoint (shard, generation, "offset", partitions, rules_version, address, state)
    VALUES (:shard, :generation, :offset, :partitions, :rules_version, :address, :state)
    ON CONFLICT (shard) DO UPDATE SET generation = EXCLUDED.generation, "offset" = EXCLUDED."offset",
        partitions = EXCLUDED.partitions, rules_version = EXCLUDED.rules_version, address = EXCLUDED.address,
        state = EXCLUDED.state, saved_at = now()
    WHERE (checkpoint.generation, checkpoint."offset") < (EXCLUDED.generation, EXCLUDED."offset")
        AND (checkpoint.state IS NULL OR NOT CAST(:over_nothing AS boolean))
    RETURNING shard
""")


@dataclass(frozen=True, slots=True)
class Stored:
    """What the table holds of a shard. `state` is None when its generation has begun and its hello is not out yet."""

    generation: int
    offset: int
    partitions: int
    rules_version: int
    state: bytes | None

    def unpack(self) -> Snapshot | Greeting | None:
        """Takes a while for a large shard: call it in a thread."""
        return None if self.state is None else unpack(bytes(cramjam.zstd.decompress(self.state)))


def packed(snapshot: Snapshot | Greeting) -> bytes:
    """Takes a while for a large shard: call it in a thread."""
    return bytes(cramjam.zstd.compress(pack(snapshot), level=1))


class Checkpoints:
    """`address` is where this process answers about the shards that it owns."""

    def __init__(self, database: Database, address: str) -> None:
        self._database = database
        self._address = address

    async def load(self, shard: int) -> Stored | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(_LOAD, {"shard": shard})).one_or_none()
        return None if row is None else Stored(*row)

    async def begin(self, shard: int, generation: int, partitions: int) -> bool:
        """Enter that a new generation has begun, before anything is said in its name. False: somebody was faster."""
        return await self._save(shard, generation, _NOTHING_READ, partitions, None)

    async def greet(self, shard: int, generation: int, partitions: int, greeting: Greeting) -> bool:
        """Enter where the hello of a new generation stands. False: a state is there already, and stays."""
        place = greeting.place.offset
        return await self._save(shard, generation, place, partitions, packed(greeting), over_nothing=True)

    async def save(self, snapshot: Snapshot, state: bytes) -> bool:
        """Save what `packed` made of the snapshot. False: what is there is further, and stays."""
        place = snapshot.place
        return await self._save(snapshot.partition, snapshot.generation, place.offset, snapshot.partitions, state)

    async def _save(
        self,
        shard: int,
        generation: int,
        offset: int,
        partitions: int,
        state: bytes | None,
        *,
        over_nothing: bool = False,
    ) -> bool:
        async with unit_of_work(self._database) as work:
            saved = await work.connection.execute(
                _SAVE,
                {
                    "shard": shard,
                    "generation": generation,
                    "offset": offset,
                    "partitions": partitions,
                    "rules_version": RULES_VERSION,
                    "address": self._address,
                    "state": state,
                    "over_nothing": over_nothing,
                },
            )
            return saved.one_or_none() is not None
