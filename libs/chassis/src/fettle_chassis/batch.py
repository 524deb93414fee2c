"""What happens to a batch: one transaction, then dead letters, then the offsets; split where a record spoils it."""

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import structlog

from fettle_chassis import crashes, metrics
from fettle_chassis.bugs import name_of, place_of
from fettle_chassis.database import Database
from fettle_chassis.dead_letters import DeadLetters
from fettle_chassis.failures import BadRecord
from fettle_chassis.fence import Fence, Fenced, Place
from fettle_chassis.patience import is_transient, pauses
from fettle_chassis.records import Entry, Record
from fettle_chassis.subscription import Subscription
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.message import Unreadable

log = structlog.get_logger(__name__)

M = TypeVar("M")


class FuseBlown(Exception):
    """A bad record on a topic that only Fettle writes: another part of Fettle is wrong, going on would hide it."""


class Stopping(Exception):
    """The service stops while the batch waits for something that passes; nothing of the rest is done."""


class Group(Protocol):
    """What a batch needs of the consumer group it came from."""

    @property
    def generation(self) -> int:
        """Changes whenever partitions are taken away or given; what was read before is then delivered again."""
        ...

    async def hold(self, pause_s: float) -> None:
        """Waits while staying a member of the group. Raises `Stopping` at once when the service stops."""
        ...

    async def ready(self) -> None:
        """Makes sure that positions mean what they say. Changes `generation` when they did not. Raises what passes."""
        ...

    async def commit(self, offsets: dict[Place, int], generation: int) -> None:
        """Commits the next offsets to read soon, unless the generation is another by then. Does not raise: what is done
        is done in the database."""
        ...


class _Guilty(Exception):
    """The handler named the bad one."""

    def __init__(self, entry: Entry[Any], fault: BadRecord) -> None:
        super().__init__(str(fault))
        self.entry = entry
        self.fault = fault


class Batches(Generic[M]):
    """Takes batches of one subscription, one at a time."""

    def __init__(
        self, subscription: Subscription[M], database: Database, dead_letters: DeadLetters, group: Group, fence: Fence
    ) -> None:
        self._subscription = subscription
        self._database = database
        self._dead_letters = dead_letters
        self._group = group
        self._fence = fence

    async def take(self, records: Sequence[Record]) -> None:
        """Handles the records, in order per partition, and commits what is done, also when it stops half-way.

        Returns early, without the rest, when the partitions have moved on (they are delivered again) or the service
        stops. Raises what must stop the process: `FuseBlown` or a bug.
        """
        done: dict[Place, int] = {}
        generation = self._group.generation
        with metrics.BATCH_SECONDS.labels(self._subscription.name).time():
            try:
                await self._settle([Entry(record) for record in records], done, generation)
            except Stopping:
                pass
            finally:
                await self._group.commit(done, generation)

    async def _settle(self, entries: list[Entry[M]], done: dict[Place, int], generation: int) -> None:
        """Tries until every entry has its ending; adds to `done` as soon as a part of the batch is through."""
        pause = pauses()
        waiting = _Waiting(self._subscription.name)
        while self._group.generation == generation:
            try:
                await self._group.ready()
                if self._group.generation != generation:
                    break
                await self._attempt(entries)
                await self._bury(entries)
            except (Stopping, FuseBlown):
                raise
            except _Guilty as guilty:
                guilty.entry.fault = self._fused(guilty.entry.record, guilty.fault)
            except Fenced as fenced:
                metrics.FENCED.labels(self._subscription.name).inc()
                self._fence.forget(fenced.places)
                await self._wait(waiting, fenced, next(pause))
            except Exception as error:  # noqa: BLE001 - the one place where kinds of failure get their endings
                if is_transient(error):
                    await self._wait(waiting, error, next(pause))
                elif len(entries) > 1:
                    log.warning(
                        "bug.looked_for",
                        subscription=self._subscription.name,
                        among=len(entries),
                        error=name_of(error),
                        at=place_of(error),
                    )
                    middle = len(entries) // 2
                    await self._settle(entries[:middle], done, generation)
                    return await self._settle(entries[middle:], done, generation)
                else:
                    await self._blame(entries[0], error)
            else:
                waiting.over()
                return self._finish(entries, done)
        waiting.over()
        metrics.RECORDS.labels(self._subscription.name, "dropped").inc(len(entries))
        return None

    async def _attempt(self, entries: list[Entry[M]]) -> None:
        for entry in entries:
            self._decode(entry)
        ours = [entry for entry in entries if entry.fault is None and entry.message is not None]
        if not ours:
            return
        async with unit_of_work(self._database) as work:
            claims = await self._fence.hold(work.connection, {entry.place for entry in entries})
            fresh = await self._fresh(work, ours)
            if fresh:
                await self._handle(work, fresh)
        self._fence.keep(claims)
        metrics.RECORDS.labels(self._subscription.name, "handled").inc(len(fresh))
        metrics.RECORDS.labels(self._subscription.name, "repeat").inc(len(ours) - len(fresh))

    def _decode(self, entry: Entry[M]) -> None:
        if entry.decoded:
            return
        try:
            entry.message = self._subscription.decode(entry.record)
        except (BadRecord, Unreadable) as fault:
            entry.fault = self._fused(entry.record, BadRecord(fault.code, fault.message))
        except UnicodeDecodeError as error:
            entry.fault = self._fused(entry.record, BadRecord(DeadLetterCode.UNREADABLE, str(error)[:200]))
        entry.decoded = True

    async def _fresh(self, work: UnitOfWork, ours: list[Entry[M]]) -> list[Entry[M]]:
        """Those that have not had their effect yet."""
        identity = self._subscription.identity
        if identity is None:
            return ours
        identities = [identity(entry.message) for entry in ours if entry.message is not None]
        known = [one for one in identities if one is not None]
        first = iter(await work.first_time(self._subscription.name, known))
        return [entry for entry, one in zip(ours, identities, strict=True) if one is None or next(first)]

    async def _handle(self, work: UnitOfWork, fresh: list[Entry[M]]) -> None:
        try:
            await self._subscription.handle(work, [entry.message for entry in fresh if entry.message is not None])
        except BadRecord as fault:
            if fault.index is None and len(fresh) > 1:
                raise
            raise _Guilty(fresh[fault.index or 0], fault) from fault

    async def _bury(self, entries: list[Entry[M]]) -> None:
        for entry in entries:
            if entry.fault is not None and not entry.buried:
                await self._dead_letters.put(entry.record, entry.fault.code, entry.fault.message)
                entry.buried = True

    def _fused(self, record: Record, fault: BadRecord) -> BadRecord:
        if self._subscription.own_topic:
            raise FuseBlown(f"{record} is bad ({fault}), but only Fettle writes this topic: a wrong version runs")
        return fault

    async def _blame(self, entry: Entry[M], error: Exception) -> None:
        """The guilty record is alone. Returns with a fault on it, or raises what stops the process."""
        if crashes.is_unstorable_text(error):
            entry.fault = self._fused(entry.record, BadRecord(DeadLetterCode.FIELD_INVALID, f"not storable: {error}"))
            return
        count = await crashes.count(self._database, self._subscription.name, entry.record, error)
        if count < crashes.LIMIT:
            raise error
        metrics.SET_ASIDE.labels(self._subscription.name).inc()
        log.critical("consumer.set_aside", record=str(entry.record), crashes=count, error=repr(error), exc_info=error)
        entry.fault = BadRecord(DeadLetterCode.BUG, f"crashed {count} starts: {error!r}")

    async def _wait(self, waiting: "_Waiting", error: Exception, pause_s: float) -> None:
        waiting.begin(error)
        await self._group.hold(pause_s)

    def _finish(self, entries: list[Entry[M]], done: dict[Place, int]) -> None:
        for entry in entries:
            done[entry.place] = entry.record.offset + 1
        dead = sum(entry.fault is not None for entry in entries)
        passed = sum(entry.fault is None and entry.message is None for entry in entries)
        metrics.RECORDS.labels(self._subscription.name, "dead_letter").inc(dead)
        metrics.RECORDS.labels(self._subscription.name, "passed_over").inc(passed)


class _Waiting:
    """Says once that a subscription is held and once that it goes on."""

    def __init__(self, subscription: str) -> None:
        self._subscription = subscription
        self._begun = False

    def begin(self, error: Exception) -> None:
        if not self._begun:
            self._begun = True
            metrics.HELD.labels(self._subscription).set(1)
            log.warning("consumer.held", subscription=self._subscription, error=repr(error))

    def over(self) -> None:
        if self._begun:
            metrics.HELD.labels(self._subscription).set(0)
            log.info("consumer.resumed", subscription=self._subscription)
