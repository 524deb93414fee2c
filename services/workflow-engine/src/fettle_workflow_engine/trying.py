"""Trying workflows out: on an event that is given, and on what happened in the past. Nothing is kept of it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.failures import BadRecord
from fettle_chassis.records import Record
from fettle_contracts.message import Unreadable
from fettle_contracts.times import from_ms, rfc3339
from fettle_workflow_engine.adapters import channel_rows, secret_rows, workflow_rows
from fettle_workflow_engine.adapters.past_events import KeptFrom, PastEvents, Reached
from fettle_workflow_engine.domain.admission import Refused
from fettle_workflow_engine.domain.catalogue import MANUAL, SIGNAL
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.languages import Conditions, Languages
from fettle_workflow_engine.domain.preview import Hit, PastEvent, Preview, Tally, decide, due_between
from fettle_workflow_engine.domain.preview import shown as preview_shown
from fettle_workflow_engine.domain.samples import Sample, sample_of
from fettle_workflow_engine.domain.trial import Around, Outcome, try_out
from fettle_workflow_engine.domain.trial import shown as trial_shown
from fettle_workflow_engine.domain.validate import load
from fettle_workflow_engine.handler import Event
from fettle_workflow_engine.library import Misnamed

READ_WITHIN_S = 10.0
EVENTS_LIMIT = 100_000
MOMENTS_LIMIT = 50_000
TRIED = 5
"""Of the newest events that would have started a run: those that are tried."""
AT_ONCE = 2

Decode = Callable[[Record], Event]


class Busy(Exception):
    """So many previews are being made that this one has to wait."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tried, and where."""

    definition: Definition
    around: Around


class Trying:
    """`decoders` are the topics that start runs, by the kinds of trigger that they are for, with how their records are
    read."""

    def __init__(
        self, past: PastEvents, decoders: Mapping[str, tuple[str, Decode]], languages: Languages,
        clock: Callable[[], datetime], console_url: str,
    ) -> None:  # fmt: skip
        self._past = past
        self._decoders = decoders
        self._languages = languages
        self._clock = clock
        self._console_url = console_url
        self._running = 0
        self._threads = asyncio.Semaphore(AT_ONCE)  # the live path needs some, too

    async def subject(self, connection: AsyncConnection, org: str, name: str, document: str | None) -> Subject | None:
        """The workflow of this name, as the document or else as it is saved; None when there is none. Raises
        DocumentRefused, and Misnamed for a document of another workflow."""
        saved = None if document is not None else await workflow_rows.find(connection, org, name)
        if document is None and saved is None:
            return None
        text = document if saved is None else saved.document
        definition = await asyncio.to_thread(load, text or "", self._languages)
        if definition.workflow != name:
            raise Misnamed(definition.workflow)
        channels = frozenset(one.name for one in await channel_rows.all_of(connection, org))
        secrets = await secret_rows.names(connection, org)
        tickets = f"{self._console_url}/orgs/{org}/tickets"
        return Subject(definition, Around(org, saved.version if saved else 0, channels, secrets, tickets))

    def sample(self, subject: Subject, trigger: str | None, event: Mapping[str, Any] | None) -> Sample:
        """The event to try, an example without one. Raises NoTrigger."""
        return sample_of(subject.definition, trigger, event, org=subject.around.org, now=self._clock())

    async def test_run(self, subject: Subject, sample: Sample, outcomes: Mapping[str, Outcome]) -> Mapping[str, Any]:
        """Raises NoOutcome."""
        async with self._threads:
            found = await asyncio.to_thread(self._tried, subject, sample, outcomes)
        about = {"workflow": subject.definition.workflow, "version": subject.around.version or None}
        return {**about, "trigger": sample.on, "event_id": sample.id, "event": sample.event, **found}

    def _tried(self, subject: Subject, sample: Sample, outcomes: Mapping[str, Outcome]) -> Mapping[str, Any]:
        now = self._clock()
        return trial_shown(
            try_out(subject.definition, sample, outcomes, subject.around, now=now, languages=self._languages)
        )

    async def preview(self, subject: Subject, days: int) -> Mapping[str, Any]:
        """What the last days would have come to, or as many hours of them as could be read in ten seconds and a hundred
        thousand events. Raises Busy."""
        if self._running >= AT_ONCE:
            raise Busy
        self._running += 1
        try:
            return await self._preview(subject, days)
        finally:
            self._running -= 1

    async def _preview(self, subject: Subject, days: int) -> Mapping[str, Any]:
        until = self._clock()
        asked_from = until - timedelta(days=days)
        reading = _Reading(subject.definition, self._languages.conditions, asked_from, until)
        await self._read(subject, reading)
        planned = due_between(subject.definition, reading.since, until, MOMENTS_LIMIT + 1)
        moments = await asyncio.to_thread(list, planned)
        if len(moments) > MOMENTS_LIMIT:
            reading.left_out["moments"] = f"Due moments of schedules beyond the first {MOMENTS_LIMIT}."
        await asyncio.to_thread(reading.whole.take, moments[:MOMENTS_LIMIT])
        decided = await asyncio.to_thread(decide, reading.whole)
        newest = await asyncio.to_thread(self._newest, subject, decided)
        return {
            "asked_from": rfc3339(asked_from),
            "from": rfc3339(reading.since),
            "until": rfc3339(until),
            "left_out": [{"code": code, "message": message} for code, message in reading.told().items()],
            **preview_shown(decided),
            "newest": newest,
        }

    async def _read(self, subject: Subject, reading: "_Reading") -> None:
        kinds = {trigger.on for trigger in subject.definition.triggers}
        decoders = {topic: decode for topic, (kind, decode) in self._decoders.items() if kind in kinds}
        if not decoders:
            return
        org = subject.around.org
        log = self._past.back(org, sorted(decoders), reading.since, reading.until, READ_WITHIN_S)
        async with aclosing(log) as found:
            reached = reading.until
            async for one in found:
                match one:
                    case KeptFrom(since):
                        reading.log_goes_back_to(since)
                    case Reached(since):
                        reached = since
                        reading.keep_stretch()
                    case records:
                        await asyncio.to_thread(reading.take, records, decoders)
                        if reading.events > EVENTS_LIMIT:
                            break
        reading.end_at(reached)

    def _newest(self, subject: Subject, decided: Preview) -> list[Mapping[str, Any]]:
        refused = dict(decided.decided)
        return [
            self._named(subject, hit, data, refused[hit], shown=place < TRIED)
            for place, (hit, data) in enumerate(reversed(decided.newest))
        ]

    def _named(
        self, subject: Subject, hit: Hit, data: Mapping[str, Any], refused: Refused | None, *, shown: bool
    ) -> Mapping[str, Any]:
        why = {"code": refused.code.value, "message": refused.message} if refused else None
        return {
            "at": rfc3339(hit.at),
            "trigger": hit.on,
            "event_id": hit.id,
            "fired": list(hit.fired),
            "refused": why,
            "event": data if shown else None,
            "test_run": self._run_of(subject, hit, data) if shown and not refused else None,
        }

    def _run_of(self, subject: Subject, hit: Hit, data: Mapping[str, Any]) -> Mapping[str, Any]:
        sample = Sample(hit.on, data, hit.id, hit.depth + 1)
        return trial_shown(
            try_out(subject.definition, sample, {}, subject.around, now=hit.at, languages=self._languages)
        )


class _Reading:
    """What has been read so far: `whole` is of whole stretches, `_stretch` of the one that is being read."""

    def __init__(self, definition: Definition, conditions: Conditions, since: datetime, until: datetime) -> None:
        self.whole = Tally(definition, conditions)
        self.since, self.until = since, until
        self.left_out: dict[str, str] = {}
        self.events = 0
        self._unreadable = 0
        self._begin()

    def _begin(self) -> None:
        self._stretch = self.whole.beside()

    def take(self, records: Sequence[Record], decoders: Mapping[str, Decode]) -> None:
        events = []
        for record in records:
            try:
                event = decoders[record.topic](record)
            except (BadRecord, Unreadable):
                self._unreadable += 1
            else:
                at = from_ms(record.timestamp_ms)
                events.append(PastEvent(at, event.trigger, event.source, event.id, event.data, event.depth))
        self.events += len(records)
        self._stretch.take(events)

    def keep_stretch(self) -> None:
        self.whole.add(self._stretch)
        self._begin()

    def log_goes_back_to(self, since: datetime) -> None:
        if since > self.since:
            self.since = since
            self.left_out["log"] = f"What happened before {rfc3339(since)}: the log does not keep it for longer."

    def end_at(self, reached: datetime) -> None:
        """Everything from `reached` on has been read."""
        if reached > self.since:
            self.since = reached
            limit = f"in {READ_WITHIN_S:.0f} s and {EVENTS_LIMIT} events it was read no further back"
            self.left_out["limit"] = f"What happened before {rfc3339(reached)}: {limit}."

    def told(self) -> Mapping[str, str]:
        kinds = {trigger.on for trigger in self.whole.definition.triggers}
        told = dict(self.left_out)
        if self._unreadable:
            told["unreadable"] = f"{self._unreadable} records that are no such events."
        if SIGNAL in kinds:
            told["hook"] = "Requests to the workflow's hook: they are on no log."
        if MANUAL in kinds:
            told["manual"] = "Runs that people would have started."
        return told
