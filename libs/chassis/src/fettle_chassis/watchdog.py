"""Notices consumers that have died silently and starts them again, and shows how far behind each is.

aiokafka's consumer can stop for ever: a heartbeat answered with an unexpected error, a background task that ended, a
join that never ends. Seen from outside: records wait, and nothing moves. Where the consumer cannot even be asked
what waits, a client that is not its own tells whether the broker is away or the consumer deaf.
"""

import asyncio
import time

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from fettle_chassis import metrics
from fettle_chassis.failures import StartRefused
from fettle_chassis.lag import Lag
from fettle_chassis.membership import Membership
from fettle_chassis.patience import is_transient

log = structlog.get_logger(__name__)


class Watchdog:
    """Watches one membership. `gave_up` once three restarts in a row have moved nothing."""

    def __init__(
        self,
        member: Membership,
        *,
        check_every_s: float = 5.0,
        stuck_after_s: float = 30.0,
        join_within_s: float = 90.0,
    ) -> None:
        self._member = member
        self._lag = Lag(member)
        self._check_every_s = check_every_s
        self._stuck_after_s = stuck_after_s
        self._join_within_s = join_within_s
        self._positions: dict[TopicPartition, int] = {}
        self._moved_at = 0.0
        self._restarts = 0
        self._down = False

    @property
    def name(self) -> str:
        return self._member.name

    @property
    def gave_up(self) -> bool:
        return self._restarts >= 3

    async def run(self) -> None:
        """Checks for ever. Raises `StartRefused` when another process has taken this one's place in the group."""
        self._moved()
        while True:
            await asyncio.sleep(self._check_every_s)
            await self._check()
            await self._lag.look(time.time())

    async def _check(self) -> None:
        if self._member.fenced:
            raise StartRefused(f"{self.name}: another process uses the same slot in the consumer group")
        if reason := await self._stuck():
            await self._restart(reason)
        else:
            await self._look_at_logs()

    async def _stuck(self) -> str | None:
        """Why the consumer must be started again, or None."""
        if self._down:
            return "its restart failed"
        if self._member.errors.in_a_row >= 4:
            return "errors in a row"
        if self._member.busy:
            self._moved()
            return None
        still_for = asyncio.get_running_loop().time() - self._moved_at
        if not self._member.joined:
            return "it does not join its group" if still_for > self._join_within_s else None
        wrong = await self._wrong()
        if wrong is None:
            self._moved()
            self._restarts = 0
        return wrong if still_for > self._stuck_after_s else None

    async def _wrong(self) -> str | None:
        """None where all is well: a position has changed, nothing waits, or the broker is away and nobody can know."""
        consumer = self._member.consumer
        assigned = consumer.assignment()
        before, self._positions = self._positions, {place: await self._position(place) for place in assigned}
        if self._positions != before or not assigned:
            return None
        try:
            async with asyncio.timeout(self._check_every_s):
                ends: dict[TopicPartition, int] = await consumer.end_offsets(assigned)
        except (KafkaError, TimeoutError):
            return "the broker answers others, not this one" if await self._member.broker_answers() else None
        waits = any(ends[place] > self._positions[place] for place in assigned)
        return "records wait, nothing moves" if waits else None

    async def _look_at_logs(self) -> None:
        try:
            async with asyncio.timeout(self._check_every_s):
                await self._member.look_at_logs()
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("consumer.logs_not_seen", subscription=self.name, error=repr(error))

    async def _position(self, place: TopicPartition) -> int:
        try:
            async with asyncio.timeout(1.0):
                position: int = await self._member.consumer.position(place)
                return position
        except (KafkaError, TimeoutError):
            return self._positions.get(place, 0)

    async def _restart(self, reason: str) -> None:
        log.warning("consumer.restarted", subscription=self.name, reason=reason, restarts=self._restarts)
        metrics.RESTARTS.labels(self.name).inc()
        self._member.errors.clear()
        self._moved()
        self._down = True
        try:
            async with asyncio.timeout(60.0):
                await self._member.restart()
        except Exception as error:  # noqa: BLE001 - a broker that is away is waited for, the rest counts
            log.warning("consumer.not_restarted", subscription=self.name, error=repr(error))
            if is_transient(error) and not isinstance(error, TimeoutError):
                return
        else:
            self._down = False
        self._restarts += 1

    def _moved(self) -> None:
        self._moved_at = asyncio.get_running_loop().time()
