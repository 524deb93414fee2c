"""The fence: of two processes that both think that they own a partition, only the one that claimed it last can commit.

A rebalance does not wait for a running handler, and a process that hung may wake up as an owner of yesterday. So each
transaction locks the rows of its partitions in `partition_owner` and compares their epochs with the ones that this
process drew when it claimed them.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

Place = tuple[str, int]
"""Topic (without prefix) and partition."""

_CLAIM = text("""
    INSERT INTO partition_owner AS owner (subscription, topic, partition, log, epoch)
    SELECT :subscription, topic, partition, log, 1
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:logs AS text[]))
         AS place (topic, partition, log)
    ORDER BY topic, partition
    ON CONFLICT (subscription, topic, partition, log) DO UPDATE SET epoch = owner.epoch + 1
    RETURNING topic, partition, epoch
""")

_LOCK = text("""
    SELECT owner.topic, owner.partition, owner.epoch
    FROM partition_owner AS owner
    JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:logs AS text[]))
         AS place (topic, partition, log)
      ON owner.topic = place.topic AND owner.partition = place.partition AND owner.log = place.log
    WHERE owner.subscription = :subscription
    ORDER BY owner.topic, owner.partition
    FOR UPDATE OF owner
""")


class Fenced(Exception):
    """Another process has claimed these places since."""

    def __init__(self, places: frozenset[Place]) -> None:
        super().__init__(f"claimed by another process: {sorted(places)}")
        self.places = places


class Fence:
    """What this process owns for one subscription. `logs` maps a topic to its id on the broker, always as it is now."""

    def __init__(self, subscription: str, logs: Mapping[str, str]) -> None:
        self._subscription = subscription
        self._logs = logs
        self._epochs: dict[Place, int] = {}

    def forget(self, places: Collection[Place] | None = None) -> None:
        """Makes the next `hold` claim these places (all of them: None) anew. Call when partitions are assigned."""
        for place in list(self._epochs) if places is None else places:
            self._epochs.pop(place, None)

    async def hold(self, connection: AsyncConnection, places: Collection[Place]) -> dict[Place, int]:
        """Claims what is not claimed yet and locks all until the transaction ends. Waits for a transaction of another
        owner that is still running. Raises `Fenced`.

        Returns the claims made here, for `keep` once the transaction has committed.
        """
        unclaimed = [place for place in places if place not in self._epochs]
        claimed = [place for place in places if place in self._epochs]
        fresh = await self._epochs_by(connection, _CLAIM, unclaimed)
        found = await self._epochs_by(connection, _LOCK, claimed)
        lost = frozenset(place for place in claimed if found.get(place) != self._epochs[place])
        if lost:
            raise Fenced(lost)
        return fresh

    def keep(self, claims: dict[Place, int]) -> None:
        """Remembers claims whose transaction has committed."""
        self._epochs.update(claims)

    async def _epochs_by(
        self, connection: AsyncConnection, statement: TextClause, places: list[Place]
    ) -> dict[Place, int]:
        if not places:
            return {}
        rows = await connection.execute(
            statement,
            {
                "subscription": self._subscription,
                "topics": [topic for topic, _ in places],
                "partitions": [partition for _, partition in places],
                "logs": [self._logs[topic] for topic, _ in places],
            },
        )
        return {(topic, partition): epoch for topic, partition, epoch in rows}
