"""Checkpoints in Postgres, fenced: of two owners of a shard the one that is further in its log wins.

The newest is what an owner goes on from. The first of each hour is kept beside it, as long as the log holds the record
that it was taken at, so that whoever asks later can judge the hours since again.
"""

from dataclasses import dataclass

import cramjam
import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot, pack, unpack
from fettle_health_monitor.domain.judge.scribe import RULES_VERSION
from fettle_health_monitor.domain.judge.shard import Place

_NOTHING_READ = -1
_HOUR_MS = 3_600_000

_LOAD = text("""
    SELECT generation, "offset", partitions, rules_version, state, CAST(greeting AS text)
    FROM checkpoint WHERE shard = :shard
""")
_SAVE = text("""
    INSERT INTO checkpoint (shard, generation, "offset", partitions, rules_version, address, state)
    VALUES (:shard, :generation, :offset, :partitions, :rules_version, :address, :state)
    ON CONFLICT (shard) DO UPDATE SET generation = EXCLUDED.generation, "offset" = EXCLUDED."offset",
        partitions = EXCLUDED.partitions, rules_version = EXCLUDED.rules_version, address = EXCLUDED.address,
        state = EXCLUDED.state, greeting = NULL, saved_at = now()
    WHERE (checkpoint.generation, checkpoint."offset") < (EXCLUDED.generation, EXCLUDED."offset")
        AND (checkpoint.state IS NULL OR NOT CAST(:over_nothing AS boolean))
    RETURNING shard
""")
_GREET_AGAIN = text("""
    UPDATE checkpoint SET greeting = CAST(:greeting AS jsonb)
    WHERE shard = :shard AND generation = :generation AND "offset" = :offset AND state IS NOT NULL
        AND (greeting IS NULL OR CAST(greeting #>> '{place,0}' AS bigint) <= "offset")
    RETURNING shard
""")

# The bytes are copied where they lie; of most checkpoints there is nothing to do.
_KEEP = text("""
    INSERT INTO checkpoint_kept (shard, generation, "offset", at, rules_version, state)
    SELECT shard, generation, "offset", CAST(:at AS bigint), rules_version, state FROM checkpoint
    WHERE shard = :shard AND state IS NOT NULL AND NOT EXISTS (
        SELECT FROM checkpoint_kept AS kept
        WHERE kept.shard = checkpoint.shard AND kept.generation = checkpoint.generation
          AND kept.rules_version = checkpoint.rules_version
          AND kept."offset" >= :log_starts AND kept.at / :hour_ms = CAST(:at AS bigint) / :hour_ms
    )
    ON CONFLICT DO NOTHING
    RETURNING shard
""")
_LET_GO = text("""
    DELETE FROM checkpoint_kept
    WHERE shard = :shard AND (generation, "offset") < (:generation, CAST(:log_starts AS bigint))
""")
_KEPT = text("""
    SELECT "offset", at FROM checkpoint_kept
    WHERE shard = :shard AND generation = :generation AND rules_version = :rules_version ORDER BY "offset"
""")
_KEPT_STATE = text("""
    SELECT state FROM checkpoint_kept WHERE shard = :shard AND generation = :generation AND "offset" = :offset
""")


@dataclass(frozen=True, slots=True)
class Stored:
    """What the table holds of a shard. `state` is None when its generation has begun and its hello is not out yet.
    `greeting` (JSON) is where a shard that goes on from the state, behind lost log, has said hello."""

    generation: int
    offset: int
    partitions: int
    rules_version: int
    state: bytes | None
    greeting: str | None = None

    @property
    def greeted_again(self) -> Greeting | None:
        """None also where the state is from behind that hello."""
        if self.greeting is None:
            return None
        greeting = msgspec.json.decode(self.greeting, type=Greeting)
        return greeting if greeting.place.offset > self.offset else None

    @property
    def reached(self) -> int:
        """The offset up to which somebody has come who goes on from there; a shard that is not as far is behind."""
        return self.offset if (again := self.greeted_again) is None else again.place.offset

    def unpack(self) -> Snapshot | Greeting | None:
        """Takes a while for a large shard: call it in a thread."""
        return None if self.state is None else unpacked(self.state)


def unpacked(state: bytes) -> Snapshot | Greeting:
    """Takes a while for a large shard: call it in a thread."""
    return unpack(bytes(cramjam.zstd.decompress(state)))


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint of an earlier hour: the shard as it was behind the record at `offset`, which the broker took at `at`
    (milliseconds)."""

    shard: int
    generation: int
    offset: int
    at: int


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
        place = greeting.place
        return await self._save(
            shard, generation, place.offset, partitions, packed(greeting), over_nothing=True, keep=place
        )

    async def greet_again(self, shard: int, generation: int, offset: int, greeting: Greeting) -> bool:
        """Enter where a shard that goes on from this checkpoint, behind lost log, has said hello. False: the checkpoint
        is another one by now, or somebody else has said hello behind it."""
        about = {"shard": shard, "generation": generation, "offset": offset}
        async with unit_of_work(self._database) as work:
            said = {**about, "greeting": msgspec.json.encode(greeting).decode()}
            return (await work.connection.execute(_GREET_AGAIN, said)).one_or_none() is not None

    async def save(self, snapshot: Snapshot, state: bytes, log_starts: int = 0) -> bool:
        """Save what `packed` made of the snapshot. False: what is there is further, and stays. Kept ones from before
        `log_starts`, the first offset that the log still has, are let go when another one is kept."""
        place = snapshot.place
        return await self._save(
            snapshot.partition,
            snapshot.generation,
            place.offset,
            snapshot.partitions,
            state,
            keep=place,
            log_starts=log_starts,
        )

    async def kept(self, shard: int, generation: int) -> list[Kept]:
        """What is kept of this generation, the oldest first; without what was judged on from by other rules."""
        about = {"shard": shard, "generation": generation, "rules_version": RULES_VERSION}
        async with self._database.reading() as connection:
            rows = await connection.execute(_KEPT, about)
            return [Kept(shard, generation, row.offset, row.at) for row in rows]

    async def load_kept(self, kept: Kept) -> bytes | None:
        """Its packed state; None when it has been let go since."""
        about = {"shard": kept.shard, "generation": kept.generation, "offset": kept.offset}
        async with self._database.reading() as connection:
            state: bytes | None = await connection.scalar(_KEPT_STATE, about)
            return state

    async def _save(
        self,
        shard: int,
        generation: int,
        offset: int,
        partitions: int,
        state: bytes | None,
        *,
        over_nothing: bool = False,
        keep: Place | None = None,
        log_starts: int = 0,
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
            if saved.one_or_none() is None:
                return False
            if keep is not None:
                await _keep(work.connection, shard, generation, keep.timestamp, log_starts)
            return True


async def _keep(connection: AsyncConnection, shard: int, generation: int, at: int, log_starts: int) -> None:
    about = {"shard": shard, "log_starts": log_starts}
    if await connection.scalar(_KEEP, {**about, "at": at, "hour_ms": _HOUR_MS}) is not None:
        await connection.execute(_LET_GO, {**about, "generation": generation})
