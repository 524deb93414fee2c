"""What the world is shown of an org's subjects while, and after, its heartbeats are lost.

Shards judge every subject by what is heard of it; that a silence is everybody's no shard can know. Of a subject whose
silence hides behind lost heartbeats something else is shown than what its shard says, until the two agree again:

- who was healthy or pending is unknown; who had been firing, pending resolve or flapping is shown as it was;
- one that is heard is what its heartbeat says: healthy, or pending with a full open debounce;
- from the moment at which reporting has resumed the others have a full timeout. One that is unknown is pending after
  it, and fires after its open debounce; one that was frozen is what its shard says.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from uuid import UUID, uuid5

from msgspec import structs

from fettle_contracts.transitions import FAILING, HealthState
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import NOT_RUNNING, Until, hole_within
from fettle_health_monitor.domain.correlator.losses import (
    Census,
    Loss,
    by_silence,
    is_old,
    silent_from,
    would_fire_by_silence,
)
from fettle_health_monitor.domain.correlator.unseen_subjects import WELL, Due, Event, Rules, Unseen
from fettle_health_monitor.domain.correlator.verdicts import CALLS_FOR_A_TICKET
from fettle_health_monitor.domain.judgements import Change, HeardAgain

_BY_NOW = 1 << 62  # later than any instant: what a clock shows by now


@dataclass(slots=True, kw_only=True)
class Seeing:
    """One org, while what happened to its subjects before the instant `before` is taken in.

    `unseen` are those of the subjects concerned that are shown otherwise. `census` counts all of the org's, None where
    heartbeats cannot be lost; where they can, all are concerned. `known` says how a subject stood before, `clock_at`
    how a shard's clock did then.

    Filled in: `shown` is for the world, and `laid_over` are the ids of what no shard has said; `hidden` is what shards
    have said and is not shown, `called` what of it calls for verdicts; `heard_again` is who has not changed since;
    `touched` and `gone` are of the unseen; `loss` is as it then is, `few_ended` are those as they were while few were
    unknown, as they were then, and the instants at which that ended.
    """

    before: int
    loss: Loss | None
    unseen: dict[str, Unseen]
    census: Census | None
    rules_of: Callable[[str], Rules]
    known: Callable[[str], Change]
    clock_at: Callable[[int, int], ShardClock]
    shown: list[Change] = field(default_factory=list)
    laid_over: set[str] = field(default_factory=set)
    hidden: list[Change] = field(default_factory=list)
    called: list[Change] = field(default_factory=list)
    heard_again: dict[str, HeardAgain] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    few_ended: list[tuple[Loss, Loss, int]] = field(default_factory=list)
    _last: dict[str, Change] = field(default_factory=dict)
    _events: list[tuple[int, bool, int, Event]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def take(self, events: Iterable[Event]) -> list[Event]:
        """Takes in these events in the order of their instants, what is due before what is heard. Answers with those
        that are left when reporting resumes: from there on every unseen subject has a timer, also those that the caller
        has not named here."""
        for event in events:
            self._queue(event)
        while self._events:
            before = self.loss
            *_, event = heappop(self._events)
            self._take(event)
            if before is None or self.loss is None:
                continue
            if before.few_since is not None and before.few_since != self.loss.few_since:
                self.few_ended.append((before, self.loss, event.at))
            if before.resumed_at is None and self.loss.resumed_at is not None:
                self._give_fresh_timeouts(event.at)
                break
        return [event for *_, event in sorted(self._events)]

    def _queue(self, event: Event) -> None:
        heappush(self._events, (event.at, not isinstance(event, Due), next(self._numbers), event))

    def _take(self, event: Event) -> None:
        row = self.unseen.get(event.subject)
        if isinstance(event, HeardAgain):
            self.heard_again[event.subject] = event
            if self.census is not None:
                self.census.hear(event.subject)
        elif isinstance(event, Change):
            self.heard_again.pop(event.subject, None)
        told = len(self.shown)
        match event:
            case Change() if row is not None:
                self._again(replace(row, judged=event), event, row.judged)
            case Change():
                self._first(event)
            case HeardAgain() if row is not None:
                self._heard_again(row, event)
            case Due() if row is not None and row.until is not None and row.until.due_clock == event.due_clock:
                self._expire(row, row.until, event.at)
            case _:
                pass
        if isinstance(event, Change) and not any(each is event for each in self.shown[told:]):
            self.hidden.append(event)

    def _first(self, change: Change) -> None:
        """A change of a subject that was shown as its shard judges it."""
        if (census := self._census_at(change)) is not None and census.loses():
            self._begin(census, change, change)
        elif not self._hides(change) or self._fires_by_its_own_debounce(change):
            if not self._says_nothing_new(change):
                self._show(change)
        elif change.from_state in FAILING:
            condition = self._last_of(change.subject).condition
            self._keep(self._with_fresh_timeout(Unseen.of(change, change.from_state, condition)))
        else:
            self._lose(change, change, change.from_state)

    def _hides(self, change: Change) -> bool:
        """Whether this change rests on a silence in which the subject could not be heard, or in which its time since
        then is not over."""
        loss = self.loss
        if loss is None or change.at < loss.begun_at or not by_silence(change) or change.to_state is None:
            return False
        if loss.resumed_at is None:
            return True
        shard = change.shard
        passed = self.clock_at(shard, change.at).clock - self.clock_at(shard, loss.resumed_at).clock
        return is_old(change, loss.resumed_at) and passed < self.rules_of(change.subject).timeout_ms

    def _fires_by_its_own_debounce(self, change: Change) -> bool:
        """It was shown to be pending, as its time was over by then; other rules do not make it unknown again."""
        resumed = self.loss is not None and self.loss.resumed_at is not None
        return resumed and change.from_state == HealthState.PENDING_OPEN

    def _census_at(self, change: Change) -> Census | None:
        """All subjects as they stand when it is to be decided whether heartbeats are lost. While they are, nobody is
        counted."""
        if self.census is not None:
            self.census.move_to(change.at)
        is_lost = self.loss is not None and self.loss.resumed_at is None
        return self.census if would_fire_by_silence(change) and not is_lost else None

    def _says_nothing_new(self, change: Change) -> bool:
        """It fires for what it is shown to fire for already: it was pending for that by its own debounce."""
        fires_on = change.from_state == change.to_state == HealthState.FIRING
        return fires_on and self._last_of(change.subject).condition == change.condition

    def _begin(self, census: Census, change: Change, judged: Change) -> None:
        """Heartbeats are lost, by this change, which is not shown; `judged` is what the subject's shard said last."""
        pending = {
            subject: self.unseen[subject].judged if subject in self.unseen else self._last_of(subject)
            for subject in census.pending_by_silence()
        }
        pending[change.subject] = judged
        heard = [last.evidence.last_heard or silent_from(last) for last in pending.values()]
        still_unknown = 0 if self.loss is None else self.loss.unknown
        self.loss = Loss(
            id=uuid5(UUID(change.id), "heartbeats_lost"),
            org=change.org,
            since=max(heard),
            begun_at=change.at,
            policy_version=change.policy_version,
            counted=census.counted,
            lost=still_unknown,
            unknown=still_unknown,
        )
        for row in list(self.unseen.values()):
            if row.shown != HealthState.PENDING_OPEN:
                self._keep(replace(row, until=None))
        for subject in sorted(pending):
            self._lose(change, pending[subject], HealthState.PENDING_OPEN)

    def _lose(self, why: Change, judged: Change, shown: str | None) -> None:
        """The subject is unknown from the instant of `why` on. One that has been heard since heartbeats are lost was
        counted among the lost then."""
        assert self.loss is not None  # noqa: S101 - nothing is lost without
        row = self._with_fresh_timeout(Unseen.of(judged, HealthState.UNKNOWN, None))
        self._tell(row, shown, HealthState.UNKNOWN, None, why.at, "heartbeats_lost", since=why.at)
        self.loss = self.loss.becoming(why.at, unknown=1, lost=0 if row.subject in self.loss.heard else 1)
        self._keep(row)
        if judged is why:
            self._call_for(judged)

    def _again(self, row: Unseen, change: Change, before: Change) -> None:
        """A further change of a subject that is shown otherwise, and what its shard said before. A new policy moves
        subjects as well, and what it has moved goes on; nobody was heard then."""
        hidden = self._hides(change)
        unheard = change.evidence.last_heard == before.evidence.last_heard
        if change.from_state is None:
            self._begin_anew(row, change)
        elif change.to_state is None:
            self._follow(row, change.at, change.reason)
        elif hidden and row.shown == HealthState.HEALTHY:
            self._lose(change, change, HealthState.HEALTHY)
        elif hidden or (unheard and (row.shown == HealthState.UNKNOWN or row.shown in FAILING)):
            self._keep(row if row.until is not None else self._with_fresh_timeout(row))
            if row.shown == HealthState.UNKNOWN:
                self._call_for(change)
        elif row.shown in (HealthState.UNKNOWN, HealthState.PENDING_OPEN, HealthState.HEALTHY):
            self._heard(row, change.at)
            self._read(row, change)
        else:
            self._heard(row, change.at)
            self._follow(row, change.at, change.reason)

    def _begin_anew(self, row: Unseen, change: Change) -> None:
        """Its shard has forgotten it, and judges it anew. One that it was only told of is as unknown as before while
        heartbeats are lost."""
        if change.evidence.last_heard is not None:
            self._heard(row, change.at)
        elif row.shown == HealthState.UNKNOWN and self.loss is not None and self.loss.resumed_at is None:
            self._keep(row)
            return
        if row.shown == HealthState.UNKNOWN and self.loss is not None:
            self.loss = self.loss.becoming(change.at, unknown=-1)
        self._leave(row)
        self._show(change)

    def _read(self, row: Unseen, change: Change) -> None:
        """Its own reading says how a subject is that is shown as unknown, pending or healthy."""
        if change.to_state == HealthState.FLAPPING:
            self._follow(row, change.at, change.reason)
        elif change.to_state in WELL:
            if row.shown != HealthState.HEALTHY:
                row = self._move(row, HealthState.HEALTHY, None, change.at, change.reason)
            self._keep_while_it_differs(row)
        elif row.shown == HealthState.PENDING_OPEN:
            self._keep(replace(row, condition=change.condition))
        else:
            self._pend(row, change.condition, change.at, change.reason)

    def _heard_again(self, row: Unseen, heard: HeardAgain) -> None:
        judged = row.judged
        evidence = structs.replace(judged.evidence, deadline=None, status=heard.status, last_heard=heard.at)
        pends = judged.to_state == HealthState.PENDING_OPEN
        condition = (heard.condition if pends else None) or judged.condition
        row = replace(row, judged=structs.replace(judged, evidence=evidence, condition=condition))
        self._heard(row, heard.at)
        if row.judged.to_state == HealthState.FLAPPING:
            self._follow(row, heard.at, "reported")
        elif row.shown == HealthState.UNKNOWN and heard.condition is not None:
            self._pend(row, heard.condition, heard.at, "reported")
        elif row.shown == HealthState.UNKNOWN and row.judged.to_state in WELL:
            self._keep_while_it_differs(self._move(row, HealthState.HEALTHY, None, heard.at, "reported"))
        elif row.shown == HealthState.PENDING_OPEN:
            self._pend_on(replace(row, condition=heard.condition or row.condition), heard.at)
        elif row.shown != HealthState.HEALTHY:
            self._follow(row, heard.at, "reported")

    def _pend_on(self, row: Unseen, at: int) -> None:
        """It says itself that it is not well: from where it was pending its open debounce runs on, whatever its silence
        was given since."""
        assert row.until is not None  # noqa: S101 - who is pending has a timer
        rules = self.rules_of(row.subject)
        until = row.until.lasting(rules.open_debounce_ms)
        if until.due_clock <= self.clock_at(row.judged.shard, at).clock:
            self._follow(row, at, "debounce_passed")
        else:
            self._keep(self._with_timer(row, until))

    def _expire(self, row: Unseen, until: Until, at: int) -> None:
        hole = hole_within(until, at, self.clock_at(row.judged.shard, _BY_NOW)) if row.is_silent else None
        anew = until
        if hole is not None:
            again = self.rules_of(row.subject).again(pending=row.is_pending, silent=True)
            anew = until.anew(self.clock_at(row.judged.shard, hole.to_at), again)
        if anew.due_clock > until.due_clock:
            self._keep(self._with_timer(row, anew))
        elif row.shown == HealthState.UNKNOWN and row.judged.to_state in WELL:
            self._keep(replace(row, until=None))
        elif row.shown == HealthState.UNKNOWN:
            self._pend(row, row.judged.condition, at, "silent_since_reporting_resumed")
        elif (fires := self._firing(row, at)) is not None and (census := self._census_at(fires)) and census.loses():
            self._begin(census, fires, row.judged)
        else:
            reason = "debounce_passed" if row.shown == HealthState.PENDING_OPEN else "silent_since_reporting_resumed"
            self._follow(row, at, reason)

    def _firing(self, row: Unseen, at: int) -> Change | None:
        """What is to be shown of a pending subject whose debounce is over; None for one that is silent since before
        reporting resumed: that is its own by now."""
        old = self.loss is not None and is_old(row.judged, self.loss.resumed_at)
        if old or not row.is_pending:
            return None
        fires = structs.replace(row.judged, from_state=HealthState.PENDING_OPEN, to_state=HealthState.FIRING, at=at)
        return structs.replace(fires, policy_version=self.rules_of(row.subject).version)

    def _pend(self, row: Unseen, condition: str | None, at: int, reason: str) -> None:
        """Pending, with an open debounce of its own: that of its shard began with the silence."""
        row = self._move(row, HealthState.PENDING_OPEN, condition, at, reason)
        self._keep(self._timed(row, at, self.rules_of(row.subject).open_debounce_ms))

    def _follow(self, row: Unseen, at: int, reason: str) -> None:
        """From now on the subject is shown as its shard judges it."""
        judged = row.judged
        condition = row.condition if row.shown == HealthState.PENDING_OPEN else judged.condition
        if row.shown != judged.to_state or row.condition != judged.condition:
            self._move(row, judged.to_state, condition, at, reason)
        self._leave(row)

    def _keep_while_it_differs(self, row: Unseen) -> None:
        if row.shown == row.judged.to_state:
            self._leave(row)
        else:
            self._keep(replace(row, until=None))

    def _heard(self, row: Unseen, at: int) -> None:
        if row.shown == HealthState.UNKNOWN and self.loss is not None:
            self.loss = self.loss.hearing(row.subject, self.rules_of(row.subject).integration, at)

    def _give_fresh_timeouts(self, at: int) -> None:
        """Those whom the caller has named; it does the same to the others."""
        for row in list(self.unseen.values()):
            if row.shown not in (HealthState.HEALTHY, HealthState.PENDING_OPEN) and row.until is None:
                self._keep(self._timed(row, at, self.rules_of(row.subject).timeout_ms))

    def _with_fresh_timeout(self, row: Unseen) -> Unseen:
        """Where reporting has resumed."""
        resumed_at = None if self.loss is None else self.loss.resumed_at
        return row if resumed_at is None else self._timed(row, resumed_at, self.rules_of(row.subject).timeout_ms)

    def _timed(self, row: Unseen, at: int, lasting_ms: int) -> Unseen:
        """With a timer from this instant on, also where nobody waits for its shard to come there."""
        return self._with_timer(row, Until.after(self.clock_at(row.judged.shard, at).forward_to(at), lasting_ms))

    def _with_timer(self, row: Unseen, until: Until) -> Unseen:
        """Where it runs out before all that is taken in does, that comes at its time."""
        reached = self.clock_at(row.judged.shard, self.before)
        if until.generation != NOT_RUNNING and until.due_clock <= reached.clock:
            due_at = reached.instant_of(until.due_clock)
            if due_at < self.before:
                self._queue(Due(row.subject, due_at, until.due_clock))
        return replace(row, until=until)

    def _move(self, row: Unseen, to: str | None, condition: str | None, at: int, reason: str) -> Unseen:
        if row.shown == HealthState.UNKNOWN and self.loss is not None:
            self.loss = self.loss.becoming(at, unknown=-1)
        well = to in (None, HealthState.HEALTHY)
        ends = row.condition if row.shown != HealthState.UNKNOWN else None
        self._tell(row, row.shown, to, (ends if well else condition), at, reason, since=self._since(row, to, at))
        return replace(row, shown=to or "", condition=None if well else condition, until=None)

    def _since(self, row: Unseen, to: str | None, at: int) -> int:
        """Since when its reading is what is shown: pending begins now, what a shard has judged began when it says."""
        if to == HealthState.FIRING and row.is_pending:
            return self._last_of(row.subject).since
        return at if to in (HealthState.PENDING_OPEN, HealthState.UNKNOWN) else row.judged.since

    def _tell(
        self, row: Unseen, from_: str | None, to: str | None, condition: str | None, at: int, reason: str, *, since: int
    ) -> None:
        judged = row.judged
        shown = structs.replace(
            judged,
            id=str(uuid5(UUID(judged.id), f"shown/{from_}/{to}/{at}")),
            from_state=from_,
            to_state=to,
            condition=condition,
            at=at,
            since=since,
            reason=reason,
            policy_version=self.rules_of(row.subject).version,
        )
        self.laid_over.add(shown.id)
        self._show(shown)

    def _show(self, change: Change) -> None:
        self.shown.append(change)
        self._last[change.subject] = change
        if self.census is not None:
            self.census.take(change)

    def _last_of(self, subject: str) -> Change:
        return self._last.get(subject) or self.known(subject)

    def _call_for(self, change: Change) -> None:
        """A shard's change that would have called for a ticket, had it been shown."""
        if change.to_state in CALLS_FOR_A_TICKET:
            self.called.append(change)

    def _keep(self, row: Unseen) -> None:
        self.unseen[row.subject] = row
        self.touched.add(row.subject)
        self.gone.discard(row.subject)

    def _leave(self, row: Unseen) -> None:
        self.unseen.pop(row.subject, None)
        self.touched.discard(row.subject)
        self.gone.add(row.subject)
