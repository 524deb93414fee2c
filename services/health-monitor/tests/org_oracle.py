"""The rules that need a whole org once more, done naively: what the world must be shown of a fleet, and what becomes of
every verdict.

Written from the rules HM-1 to HM-7 (states), HM-120 to HM-136 (silences), HM-140 to HM-147 (rollups) and HM-150 to
HM-159 (lost heartbeats). It knows nothing of shards, batches, rows and timers: it has the list of what was heard, walks
through all instants at which anything can be true, and asks of all facts anew what is true by now. Milliseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from org_words import (
    ALL,
    FIRING,
    HEALTHY,
    LOST,
    MANY,
    OFFLINE,
    PENDING,
    RESOLVING,
    UNKNOWN,
    VERSION,
    WRONG,
    Beat,
    Ended,
    Moved,
    Quiet,
    Rules,
    wrong_with,
)


@dataclass
class Known:
    """A subject: all that was heard and shown of it. `judged` is what it is by its own silence alone."""

    name: str
    integration: str
    rules: Rules
    beats: list[Beat] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)
    shard: int = 0
    judged: str | None = None
    judged_since: int = 0
    since: int = 0
    """When the reading turned last, as far as it is shown."""

    @property
    def state(self) -> str | None:
        return self.moves[-1].to_state if self.moves else None

    @property
    def heard(self) -> int:
        return self.beats[-1].at

    def reading(self, at: int) -> str:
        if self.beats[-1].status != "ok":
            return "offline"
        return "silent" if at >= self.heard + self.rules.timeout else "ok"

    def stood(self, at: int) -> str | None:
        """Its state at an earlier instant."""
        before = [move.to_state for move in self.moves if move.at <= at]
        return before[-1] if before else None


@dataclass
class Outage:
    """A time without heartbeats."""

    begun: int
    since: int
    counted: int
    lost: set[str]
    heard: set[str] = field(default_factory=set)
    heard_behind: set[str] = field(default_factory=set)
    resumed: int | None = None
    few_since: int | None = None


class Oracle:
    """`moved` and `ended` are what must be seen in the end; `tickets` are the keys of the open ones. What is asked for
    at the times of `refuses` is refused, for good."""

    def __init__(
        self,
        rules: Mapping[str, Rules],
        behind: Mapping[str, str],
        silences: Sequence[Quiet],
        refuses: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.of_each, self.behind, self.silences, self.refuses = rules, behind, silences, refuses
        self.fleet: dict[str, Known] = {}
        self.moved: list[Moved] = []
        self.ended: list[Ended] = []
        self.outages: list[Outage] = []
        self.tickets: set[str] = set()
        self.before: set[str] = set()
        """Keys whose last ticket comes back if it is asked for again."""
        self.now = 0
        self.heard_now: Beat | None = None

    def read(self, beats: Sequence[Beat], until: int) -> None:
        """All that happens before `until`. Every time in the rules is in whole seconds, so that anything can come true
        only whole seconds after something was heard or a silence began."""
        heard = {beat.at: beat for beat in beats}
        fractions = {beat.at % 1000 for beat in beats} | self.fractions()
        for second in range(min(heard) // 1000, until // 1000 + 1):
            for fraction in sorted(fractions):
                if (at := second * 1000 + fraction) < until:
                    self._live(at, heard.get(at))

    def fractions(self) -> set[int]:
        """In which milliseconds of a second something begins besides what is heard."""
        return {quiet.start % 1000 for quiet in self.silences}

    def _live(self, at: int, beat: Beat | None) -> None:
        self.now, self.heard_now = at, beat
        self._settle()
        if beat is not None:
            self._hear(beat)
            self._settle()
        self._end_silences()

    def _settle(self) -> None:
        """What is due goes before what is heard, in the order of names."""
        while any(self._step(self.fleet[name]) for name in sorted(self.fleet)):
            pass
        self._look_at_the_unknown()

    # What is heard

    def _hear(self, beat: Beat) -> None:
        known = self.fleet.get(beat.subject)
        if known is None:
            known = Known(beat.subject, self.behind[beat.subject], self.of_each[beat.subject], [beat])
            self.fleet[beat.subject] = known
            known.judged = HEALTHY if beat.status == "ok" else PENDING
            known.since = known.judged_since = beat.at
            self._move(known, known.judged)
            return
        known.beats.append(beat)
        if known.state == UNKNOWN:
            self._hear_of_one_lost(known)
            self._turn(known, HEALTHY if beat.status == "ok" else PENDING)

    def _hear_of_one_lost(self, known: Known) -> None:
        outage = self.outages[-1]
        if outage.resumed is None:
            outage.heard.add(known.name)
            outage.heard_behind.add(known.integration)
            if len(outage.heard_behind) >= 2 or len(outage.heard) * 10 >= len(outage.lost):
                outage.resumed = self.now

    # What is true by now

    def _step(self, known: Known) -> bool:
        """Whether anything was true of the subject by now that had not happened yet; it has now."""
        return self._judge(known) or self._show(known)

    def _judge(self, known: Known) -> bool:
        """The states by the subject's own silence, whoever else is silent."""
        well, rules = known.reading(self.now) == "ok", known.rules
        lasted = self.now - known.judged_since
        match known.judged:
            case "healthy" if not well:
                to, turned = PENDING, True
            case "pending_open" if well:
                to, turned = HEALTHY, True
            case "pending_open" if lasted >= rules.open_debounce:
                to, turned = FIRING, False
            case "firing" if well:
                to, turned = RESOLVING, True
            case "pending_resolve" if lasted >= rules.resolve_debounce:
                to, turned = HEALTHY, False
            case "pending_resolve" if not well:
                to, turned = FIRING, True
            case _:
                return False
        if to == FIRING and not turned and self._is_hidden(known):
            self._end(known.name, "unobserved")
        known.judged = to
        if turned:
            known.judged_since = self.now
        return True

    def _show(self, known: Known) -> bool:
        reading, rules = known.reading(self.now), known.rules
        lasted = self.now - known.since
        excused = reading == "silent" and self._is_excused(known)
        match known.state:
            case "healthy" if reading != "ok":
                self._turn(known, UNKNOWN if excused else PENDING)
            case "pending_open" if reading == "ok":
                self._turn(known, HEALTHY)
            case "pending_open" if lasted >= rules.open_debounce:
                if reading != "silent" or self._is_old(known) or not self._loses_heartbeats():
                    self._move(known, FIRING)
                    self._call(known.name, wrong_with(known.name))
            case "firing" if reading == "ok":
                self._turn(known, RESOLVING)
            case "pending_resolve" if lasted >= rules.resolve_debounce and self._was_well_for_long(known):
                self._move(known, HEALTHY)
                self._recover(known.name)
            case "pending_resolve" if reading != "ok" and not excused:
                self._turn(known, FIRING, self.now if reading == "offline" else known.heard + rules.timeout)
            case "unknown" if not excused:
                self._turn(known, PENDING)
            case _:
                return False
        return True

    @staticmethod
    def _was_well_for_long(known: Known) -> bool:
        """Its debounce was over before it was silent for too long."""
        return known.since + known.rules.resolve_debounce <= known.heard + known.rules.timeout

    def _turn(self, known: Known, to: str, since: int | None = None) -> None:
        """`since` when its reading turned, if that was earlier."""
        known.since = self.now if since is None else since
        self._move(known, to)

    def _move(self, known: Known, to: str) -> None:
        wrong = WRONG & {known.state, to} and to != UNKNOWN
        condition = wrong_with(known.name) if wrong else None
        move = Moved(self.now, known.name, known.state, to, condition, known.since, VERSION)
        known.moves.append(move)
        self.moved.append(move)

    # Lost heartbeats

    def _is_hidden(self, known: Known) -> bool:
        """Whether a verdict about the subject is about one that is unknown by now."""
        if known.state == PENDING and self.now - known.since >= known.rules.open_debounce:
            self._show(known)
        return known.state == UNKNOWN

    def _is_excused(self, known: Known) -> bool:
        """Whether the subject's silence says nothing: nobody could be heard, or its time since then is not over."""
        if not self.outages:
            return False
        resumed = self.outages[-1].resumed
        return resumed is None or (known.heard < resumed and self.now < resumed + known.rules.timeout)

    def _is_old(self, known: Known) -> bool:
        """Whether the subject is silent since before reporting last resumed."""
        resumed = self.outages[-1].resumed if self.outages else None
        return known.reading(self.now) == "silent" and resumed is not None and known.heard < resumed

    def _loses_heartbeats(self) -> bool:
        """Whether somebody who would fire by silence now does not: heartbeats are lost."""
        if self.outages and self.outages[-1].resumed is None:
            return False
        counted = [known for known in self.fleet.values() if self._counts(known)]
        silent = [
            known for known in counted if known.state in (PENDING, FIRING) and known.reading(self.now) == "silent"
        ]
        behind = {known.integration for known in silent}
        if len(silent) < 10 or len(behind) < 2 or len(silent) * 5 < len(counted) * 4:
            return False
        lost = [
            known for known in self.fleet.values() if known.state == PENDING and known.reading(self.now) == "silent"
        ]
        unknown = {known.name for known in self.fleet.values() if known.state == UNKNOWN}
        names = unknown | {known.name for known in lost}
        self.outages.append(Outage(self.now, max(known.heard for known in lost), len(counted), names))
        for known in lost:
            self._turn(known, UNKNOWN)
        self._call(ALL, LOST)
        return True

    def _counts(self, known: Known) -> bool:
        rules = known.rules
        return (
            known.stood(self.now - rules.window) == HEALTHY
            and rules.timeout <= rules.window
            and not self._is_old(known)
            and not self._is_silenced(known.name, self.now)
        )

    def _look_at_the_unknown(self) -> None:
        """Those who fall silent later are lost as well; the ticket ends when few have been unknown for long enough."""
        if not self.outages:
            return
        outage = self.outages[-1]
        unknown = {known.name for known in self.fleet.values() if known.state == UNKNOWN}
        outage.lost |= unknown
        if len(unknown) * 5 >= len(outage.lost):
            outage.few_since = None
            return
        if outage.few_since is None:
            outage.few_since = self.now
        resolve_debounce = next(iter(self.of_each.values())).resolve_debounce
        if self.now == outage.few_since + resolve_debounce and (self.now, ALL) not in self._resolved:
            self._recover(ALL)

    @property
    def _resolved(self) -> set[tuple[int, str]]:
        return {(one.at, one.subject) for one in self.ended if one.outcome in ("resolved", "nothing_to_resolve")}

    # Verdicts

    def _call(self, subject: str, condition: str) -> None:
        """Something is wrong that calls for a ticket."""
        key = f"{subject}:{condition}"
        if key in self.tickets:
            self._end(subject, "already_open")
        elif self._is_silenced(subject, self.now):
            self._end(subject, "silenced")
        elif subject in self.fleet and self._shares(self.fleet[subject]):
            pass
        else:
            self._end(subject, self._open(key))

    def _open(self, key: str) -> str:
        if any(start <= self.now < end for start, end in self.refuses):
            return "refused"
        self.tickets.add(key)
        came = "reopened" if key in self.before else "opened"
        self.before.add(key)
        return came

    def _shares(self, known: Known) -> bool:
        """Whether the device gets no ticket of its own: there is one about many behind its integration, or there is
        now."""
        shared = f"integration/{known.integration}:{MANY}"
        if shared in self.tickets:
            self._end(known.name, "joined")
            return True
        failing = [each for each in self.fleet.values() if self._fails_with(each, known)]
        if len(failing) < known.rules.many:
            return False
        for merged in [each for each in failing if f"{each.name}:{OFFLINE}" in self.tickets]:
            self.tickets.discard(f"{merged.name}:{OFFLINE}")
            self.before.discard(f"{merged.name}:{OFFLINE}")
            self._end(merged.name, "merged")
        self._end(known.name, self._open(shared))
        return True

    def _fails_with(self, each: Known, known: Known) -> bool:
        """How things stand at this instant: who is heard to be well just now does not fail any more."""
        heard = self.heard_now
        if each is not known and heard is not None and (heard.subject, heard.status) == (each.name, "ok"):
            return False
        return (
            each.integration == known.integration
            and each.state in (PENDING, FIRING)
            and (each is known or each.since > self.now - known.rules.window)
            and not self._is_silenced(each.name, self.now)
        )

    def _recover(self, subject: str) -> None:
        key = f"{subject}:{LOST if subject == ALL else wrong_with(subject)}"
        self._end(subject, "resolved" if key in self.tickets else "nothing_to_resolve")
        self.tickets.discard(key)

    def _end(self, subject: str, outcome: str) -> None:
        self.ended.append(Ended(self.now, subject, outcome))

    # Silences

    def _is_silenced(self, subject: str, at: int) -> bool:
        return any(quiet.subject == subject and quiet.start <= at < quiet.end for quiet in self.silences)

    def _end_silences(self) -> None:
        """Who was failing just before the end of its silences gets its verdict; who was just heard again, when it fails
        again."""
        for subject, end in sorted({(quiet.subject, quiet.end) for quiet in self.silences}):
            known = self.fleet.get(subject)
            if known is not None and self._calls_for(known, end):
                self._call(subject, wrong_with(subject))

    def _calls_for(self, known: Known, end: int) -> bool:
        before = known.stood(end - 1)
        after = [move for move in known.moves if move.at >= end]
        if before == RESOLVING and after:
            return after[0].at == self.now and after[0].to_state == FIRING
        return before == FIRING and end == self.now
