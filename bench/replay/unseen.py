"""What is shown of an org's subjects while its heartbeats are lost, and after, while a day is replayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from uuid import uuid5

from bench.replay.standing import Subjects
from fettle_contracts.transitions import HealthState
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import Until
from fettle_health_monitor.domain.correlator.losses import Hush, Loss, by_silence, silent_from, would_fire_by_silence
from fettle_health_monitor.domain.correlator.unseen import Seeing
from fettle_health_monitor.domain.correlator.unseen_subjects import Due, Event, Unseen
from fettle_health_monitor.domain.correlator.verdicts import Verdict, heartbeats_lost, unseen
from fettle_health_monitor.domain.judgements import Change

_SHOWN_BY_ITSELF = (HealthState.HEALTHY, HealthState.PENDING_OPEN)


class Sight:
    """`show` hears every change as the world is to be shown it, `call` the verdicts that are called for by what is
    not shown; `hushes` says which silences begin and end between two instants."""

    def __init__(
        self,
        subjects: Subjects,
        show: Callable[[Change], None],
        call: Callable[[Verdict], None],
        hushes: Callable[[int, int], Sequence[Hush]],
    ) -> None:
        self._subjects, self._show, self._call, self._hushes = subjects, show, call, hushes
        self._unseen: dict[str, Unseen] = {}
        self._clocks: Mapping[int, ShardClock] = {}
        self.loss: Loss | None = None

    def see(self, events: Sequence[Event], before: int, clocks: Mapping[int, ShardClock]) -> None:
        """Takes in what happened before this instant, in its order."""
        self._clocks = clocks
        rest: list[Event] = [*events, *self._due(before)]
        if not self._unseen and not self._matters(rest):
            for event in rest:
                if isinstance(event, Change):
                    self._show(event)
            return
        while rest:
            left = self._take(rest, before)
            rest = [*(event for event in left if not isinstance(event, Due)), *self._due(before)]

    def few_unknown(self) -> Verdict | None:
        """The verdict from whose instant on few are unknown, if few are."""
        if self.loss is None or self.loss.few_since is None:
            return None
        few_since = self.loss.few_since
        return replace(heartbeats_lost(self.loss, 0), id=uuid5(self.loss.id, str(few_since)), at=few_since)

    def _matters(self, events: Sequence[Event]) -> bool:
        """Whether something may be shown otherwise than it was judged."""
        changes = [event for event in events if isinstance(event, Change)]
        if self.loss is not None:
            resumed_at = self.loss.resumed_at
            return resumed_at is None or any(by_silence(each) and silent_from(each) < resumed_at for each in changes)
        return any(would_fire_by_silence(change) for change in changes) and self._subjects.may_lose(len(events))

    def _take(self, events: Sequence[Event], before: int) -> Sequence[Event]:
        candidates = [each for each in events if isinstance(each, Change) and would_fire_by_silence(each)]
        census, loss = None, self.loss
        if candidates and (loss is None or loss.resumed_at is not None) and self._subjects.may_lose(len(events)):
            first, last = candidates[0].at, candidates[-1].at
            census = self._subjects.census(first, self._hushes(first, last), None if loss is None else loss.resumed_at)
        seeing = Seeing(
            before=before,
            loss=loss,
            unseen=dict(self._unseen),
            census=census,
            rules_of=self._subjects.rules,
            known=self._subjects.last.__getitem__,
            clock_at=self._clock_at,
        )
        left = seeing.take(events)
        self._write(seeing, loss)
        return left

    def _write(self, seeing: Seeing, before: Loss | None) -> None:
        self._unseen = seeing.unseen
        for change in seeing.shown:
            self._show(change)
        for change in seeing.called:
            verdict = unseen(change, self._subjects.named(change.subject))
            if verdict is not None:
                self._call(verdict)
        self.loss = loss = seeing.loss
        if loss is None:
            return
        same = before if before is not None and before.id == loss.id else None
        if same is None:
            self._call(heartbeats_lost(loss, 0))
        if loss.resumed_at is not None and (same is None or same.resumed_at is None):
            for subject, row in self._unseen.items():
                if row.until is None and row.shown not in _SHOWN_BY_ITSELF:
                    clock = self._clock_at(row.judged.shard, loss.resumed_at)
                    until = Until.after(clock, self._subjects.rules(subject).timeout_ms)
                    self._unseen[subject] = replace(row, until=until)

    def _due(self, before: int) -> list[Due]:
        due = []
        for subject, row in self._unseen.items():
            clock = self._clocks[row.judged.shard]
            if row.until is not None and row.until.due_clock <= clock.clock:
                at = clock.instant_of(row.until.due_clock)
                if at < before:
                    due.append(Due(subject, at, row.until.due_clock))
        return sorted(due, key=lambda each: (each.at, each.subject))

    def _clock_at(self, shard: int, at: int) -> ShardClock:
        return self._clocks[shard].back_at(at)
