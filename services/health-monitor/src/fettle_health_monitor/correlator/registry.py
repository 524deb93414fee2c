"""Entering subjects into the registry, and removing them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias
from uuid import uuid4

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.identity import HeartbeatKey, SubjectRef
from fettle_contracts.times import to_ms
from fettle_health_monitor.adapters.correlator import books, control_log, policies, registry
from fettle_health_monitor.adapters.correlator.control_log import ControlLog
from fettle_health_monitor.adapters.correlator.registry import Removed
from fettle_health_monitor.correlator import retiming
from fettle_health_monitor.correlator.deciding import Deciding
from fettle_health_monitor.correlator.loss_course import LossCourse
from fettle_health_monitor.domain import control
from fettle_health_monitor.domain.correlator.clocks import Behind
from fettle_health_monitor.domain.correlator.registration import Entering, Present, Refused, Registration, entering
from fettle_health_monitor.domain.correlator.verdicts import forgotten

Entries: TypeAlias = Mapping[SubjectRef, Registration]


class Registry:
    """Tells the subject's shard what people enter and remove. `partition_of` says by which partition of
    `health.judgements` an org's come."""

    def __init__(
        self,
        controls: ControlLog,
        deciding: Deciding,
        partition_of: Callable[[str], int],
        now: Callable[[], datetime],
    ) -> None:
        self._controls, self._deciding, self._partition_of, self._now = controls, deciding, partition_of, now

    async def enter(
        self, work: UnitOfWork, org: str, entries: Entries, *, by: str, dry_run: bool = False
    ) -> dict[SubjectRef, Entering | Refused] | None:
        """What becomes of each of these entries, each on its own; None when there is no such org. An equal entry
        changes nothing and is told to nobody; nor is anything in a dry run.

        Locks the org's row, so that no other policy is put in between.
        """
        connection = work.connection
        entries = {subject: said.of(subject) for subject, said in entries.items()}
        known = (await policies.lock_orgs(connection, {org})).get(org)
        version = (await policies.newest(connection, {org})).get(org)
        if known is None or known.deleted or version is None:
            return None
        present = await registry.present(connection, org, [str(subject) for subject in entries])
        became = {
            subject: entering(subject, said, present.get(str(subject), Present()), version.policy)
            for subject, said in entries.items()
        }
        news = {
            subject: entries[subject] for subject, one in became.items() if one in (Entering.ADDED, Entering.CHANGED)
        }
        if news and not dry_run:
            await self._write(work, org, news, present, by)
        return became

    async def _write(self, work: UnitOfWork, org: str, news: Entries, present: Mapping[str, Present], by: str) -> None:
        running = await retiming.what_runs(work.connection, org, [str(subject) for subject in news])
        await registry.enter(
            work.connection,
            org,
            {str(subject): said for subject, said in news.items()},
            shards={str(subject): self._controls.shard_of(HeartbeatKey(org, subject)) for subject in news},
            entered_by=by,
            entered_at=self._now(),
        )
        await retiming.retime(work.connection, org, self._partition_of(org), running)
        # Last, as batches of judgements take it behind what runs.
        number = await control_log.next_number(work.connection, len(news))
        for place, (subject, said) in enumerate(news.items()):
            statement = said.statement(present.get(str(subject), Present()).left_open)
            self._controls.write_subject(work, HeartbeatKey(org, subject), statement, number + place)

    async def remove(self, work: UnitOfWork, key: HeartbeatKey) -> bool:
        """False when the subject is not known. Its tickets end when its shard says that it has forgotten it; where the
        shard does not know the subject, at once."""
        connection, subject = work.connection, str(key.subject)
        orgs = await policies.lock_orgs(connection, {key.org})
        removed = await registry.remove(connection, key.org, subject)
        if removed is Removed.UNKNOWN:
            return False
        if removed is Removed.NOT_JUDGED:
            at = to_ms(self._now())
            version = (await policies.foremost(connection, {key.org})).get(key.org)
            if version is not None:
                course = LossCourse(connection, version, self._partition_of(key.org))
                await course.load()
                await course.know_no_more(subject)
            gone = forgotten(
                uuid4(), org=key.org, subject=subject, at=at, policy_version=0 if version is None else version.version
            )
            await self._deciding.call_off(work, {(key.org, subject)}, for_clocks=True)
            await books.enter(connection, [gone])
            await self._deciding.decide(work, [(gone, Behind())], orgs)
        # Last, as in `_write`.
        number = await control_log.next_number(connection)
        self._controls.write_subject(work, key, control.Forget(), number)
        return True
