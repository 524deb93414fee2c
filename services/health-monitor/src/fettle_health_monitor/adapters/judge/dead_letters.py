"""Refused heartbeats on their way to the dead-letter topic."""

from collections.abc import Sequence

from fettle_chassis.dead_letters import DeadLetters
from fettle_chassis.patience import patiently
from fettle_chassis.records import Record
from fettle_chassis.service import Part
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.domain.judge.refusals import Refusal, RefusalBudget

_FOR_EVER = float("inf")


class HeartbeatDeadLetters(Part):
    """Writes as many dead letters as the budget allows; what is over it has been counted and is passed over."""

    name = "dead letters"

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters
        self._budget = RefusalBudget()

    async def start(self) -> None:
        await patiently(self._letters.start)

    async def stop(self) -> None:
        await self._letters.stop()

    async def bury(self, partition: int, refusals: Sequence[Refusal]) -> None:
        """Returns when Kafka has them; waits as long as the broker is away."""
        for refusal in refusals:
            if self._budget.allows(refusal, refusal.record.timestamp):
                await self._bury(partition, refusal)

    async def _bury(self, partition: int, refusal: Refusal) -> None:
        record = refusal.record
        letter = Record(
            HEARTBEATS, partition, record.offset, record.timestamp, record.key, record.value, tuple(record.headers)
        )

        async def put() -> None:
            await self._letters.put(letter, refusal.code, refusal.message)

        await patiently(put, within_s=_FOR_EVER)
