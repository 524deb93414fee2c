"""A static membership slot, so that a restarted process gets its partitions back at once instead of after a timeout."""

import asyncio
from math import inf

import structlog

from fettle_chassis.database import Database
from fettle_chassis.failures import StartRefused
from fettle_chassis.lease import Lease, lock_key
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings

log = structlog.get_logger(__name__)

_MOST = 64
_HANGS_AFTER_S = 10.0
"""As long as Kafka keeps a silent member."""
_GHOST_WITHIN_S = _HANGS_AFTER_S + 2.0
"""By then the server has ended a session whose client is gone."""


class Slot(Part):
    """The lowest free number among the running processes of `service`, held by a session advisory lock (or
    `FETTLE_SLOT`, which wins and locks nothing).

    A lease whose connection breaks is taken again at the same number, for as long as the database is away; if another
    process was faster, this one stops.
    """

    name = "slot"

    def __init__(self, service: str, settings: ServiceSettings, database: Database) -> None:
        self.service = service
        self._number = settings.slot
        self._given = settings.slot is not None
        self._database = database
        self._lease: Lease | None = None

    @property
    def number(self) -> int:
        """Known after start; raises RuntimeError before."""
        if self._number is None:
            raise RuntimeError("no slot before start")
        return self._number

    @property
    def instance_id(self) -> str:
        """`<service>-<number>`: Kafka's `group.instance.id`."""
        return f"{self.service}-{self.number}"

    async def start(self) -> None:
        if self._given:
            return
        for number in range(_MOST):
            lease = self._lease_of(number)
            if await patiently(lease.try_acquire):
                self._number, self._lease = number, lease
                log.info("slot.leased", slot=self.instance_id)
                return
        raise StartRefused(f"all {_MOST} slots of {self.service} are taken")

    async def run(self) -> None:
        while self._lease is not None:
            await self._lease.lost()
            log.warning("slot.lost", slot=self.instance_id)
            if not await self._taken_again(self._lease):
                raise StartRefused(f"slot {self.instance_id} was taken by another process")
            log.info("slot.leased_again", slot=self.instance_id)

    async def stop(self) -> None:
        if self._lease is not None:
            await self._lease.release()
            self._lease = None

    async def _taken_again(self, lease: Lease) -> bool:
        """Whether the lease is ours again. The old session may live on for a while at the server, and is ours."""
        deadline = inf
        while not await patiently(lease.try_acquire, within_s=inf):
            now = asyncio.get_running_loop().time()
            deadline = min(deadline, now + _GHOST_WITHIN_S)
            if now >= deadline:
                return False
            await asyncio.sleep(1.0)
        return True

    def _lease_of(self, number: int) -> Lease:
        return Lease(self._database, lock_key("slot", self.service, str(number)), hangs_after_s=_HANGS_AFTER_S)
