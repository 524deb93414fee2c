"""Heartbeats whose judging ends the process: counted across starts, left out from the fourth on.

The fold stays a function of its records: whoever feeds it leaves the named ones out. They are named in Postgres, by the
generation of their log, and in the log itself by a signed `skip` behind them, for whoever replays it.
"""

from collections.abc import Sequence

import structlog

from fettle_chassis import crashes
from fettle_chassis.database import Database
from fettle_chassis.patience import is_transient
from fettle_chassis.records import Record
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.adapters.judge.dead_letters import HeartbeatDeadLetters
from fettle_health_monitor.domain.control import CONTROL_HEADER
from fettle_health_monitor.domain.judge.refusals import Refusal
from fettle_health_monitor.domain.judge.shard import HeartbeatRecord, Shard
from fettle_health_monitor.judge.metrics import SET_ASIDE
from fettle_health_monitor.judge.pulses import Pulses

log = structlog.get_logger(__name__)

_NAME = "health-judge"


class SettingAside:
    """Counts crashes and knows which records have crashed too often."""

    def __init__(self, database: Database, dead_letters: HeartbeatDeadLetters, pulses: Pulses) -> None:
        self._database = database
        self._dead_letters = dead_letters
        self._pulses = pulses

    async def known(self, shard: Shard) -> frozenset[int]:
        """The offsets of this shard's log that are left out. Raises what the database raises."""
        return await left_out_of(self._database, shard.generation, shard.partition)

    async def crashed(self, shard: Shard, records: Sequence[HeartbeatRecord], error: Exception) -> None:
        """Counts the record that the shard was looking at. The caller ends the process, whether it was counted or not.

        A control record is never left out: what everybody is judged by must not be missing in one shard.
        """
        guilty = next((record for record in records if record.offset == shard.stumbled_over), None)
        if guilty is None or any(name == CONTROL_HEADER for name, _ in guilty.headers):
            log.critical("judge.crashed", shard=shard.partition, offset=shard.stumbled_over, error=repr(error))
            return
        record = Record(
            _log_of(shard.generation), shard.partition, guilty.offset, guilty.timestamp, guilty.key, guilty.value, ()
        )
        count = None
        try:
            count = await crashes.count(self._database, _NAME, record, error)
        except Exception as away:
            if not is_transient(away):
                raise
        log.critical("judge.crashed", shard=shard.partition, offset=guilty.offset, crashes=count, error=repr(error))

    async def leave_out(
        self, partition: int, records: Sequence[HeartbeatRecord], offsets: frozenset[int]
    ) -> list[HeartbeatRecord]:
        """The records without those, which become dead letters and are named in the log. Raises what passes."""
        aside = [record for record in records if record.offset in offsets]
        for record in aside:
            SET_ASIDE.inc()
            log.critical("judge.set_aside", shard=partition, offset=record.offset)
        why = f"ended {crashes.LIMIT} starts of the judge"
        refusals = [Refusal(record, "", DeadLetterCode.BUG, why) for record in aside]
        await self._dead_letters.bury(partition, refusals)
        for record in aside:
            await self._pulses.skip(partition, record.offset, why)
        return [record for record in records if record.offset not in offsets]


async def left_out_of(database: Database, generation: int, partition: int) -> frozenset[int]:
    """The offsets that are left out of a shard's log. Raises what the database raises."""
    return await crashes.set_aside(database, _NAME, _log_of(generation), partition)


def _log_of(generation: int) -> str:
    """Offsets mean something in one log only; a topic that is made anew is another."""
    return f"{HEARTBEATS}/{generation}"
