"""The states of a subject once more, done naively: what a shard must say about a log.

It shares the shapes of messages with the judge and nothing else. Where the judge keeps a few numbers for each subject
and computes when something will be due, this keeps every fact, walks through the milliseconds one by one, and asks of
all facts anew what is true by now.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from judge_log import LogRecord, read_control
from judge_subjects import FIELDS, SILENT, Read, Rules, Subject, Told
from msgspec import UNSET

from fettle_health_monitor.domain.control import Announced, Forget, Hello, Policy, Register

SETTLED_MS: Final = 120
"""After so long without a record nothing can be due any more, with the times that `judge_fleets.py` gives."""


class Oracle:
    """Reads a log once; `told` are the changes that a judge must have told. It looks every `step` milliseconds, and no
    more once nothing can be due any more, `settled` milliseconds after a record."""

    step = 1
    settled = SETTLED_MS

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.subjects: dict[str, Subject] = {}
        self.policies: dict[str, Policy] = {}
        self.now = 0
        self.resumed = 0
        self.judging = self.greeted = True
        self._record: int | None = None
        self._judged_until = 0
        self._said = 0
        self._at = 0

    def read(self, records: Sequence[LogRecord], behind_losses: Collection[int] = ()) -> list[Told]:
        """`behind_losses` are the offsets of records before which others were lost: nothing is judged from there on
        until all is told again that is in force."""
        for record in records:
            if record.offset in behind_losses:
                assert self._record is not None
                self.judging, self.greeted, self._judged_until = False, False, self._record
            self._pass_time(record.timestamp)
            self._take(record)
            self._settle(self.now)
        return self.told

    def _pass_time(self, timestamp: int) -> None:
        before = timestamp if self._record is None else self._record
        if not self.judging:
            self._record = timestamp
            self._said = self._at = max(self._said, timestamp)
            return
        start, gap = self.now, timestamp - before
        end = start + min(max(gap, 0), 2000)
        if gap >= 5000:
            self.resumed = end
        self._said = max(self._said, self._at)
        for instant in range(start, min(end, start + self.settled) + 1, self.step):
            self._at = self._told_at(before, start, instant)
            self._settle(instant)
        self.now, self._record = end, timestamp
        self._said = self._at = max(self._told_at(before, start, end), timestamp)

    def _told_at(self, before: int, start: int, instant: int) -> int:
        """The broker time of an instant, counted from that at the start; at half pace while what was told is ahead."""
        return max(self._said + instant // 2 - start // 2, before + instant - start)

    def _settle(self, instant: int) -> None:
        if not self.judging:
            return
        for key in sorted(self.subjects, key=str.encode):
            subject = self.subjects[key]
            while self._enabled(subject) and self._step(subject, instant):
                pass

    def _enabled(self, subject: Subject) -> bool:
        return self.policies[subject.key.split("/")[0]].enabled

    def rules(self, subject: Subject) -> Rules:
        org, _, name = subject.key.partition("/")
        policy = self.policies[org]
        behind = subject.says("integration") if name.startswith("device/") else None
        scopes = (("integration", behind), ("model", subject.says("model")), ("subject", name))
        values = {rule: getattr(policy, rule) for rule in FIELDS}
        for scope, value in scopes:
            for override in policy.overrides:
                if value is not None and getattr(override.match, scope) == value:
                    values |= {rule: said for rule in FIELDS if (said := getattr(override, rule)) is not UNSET}
        if values["timeout_s"] is None:
            values["timeout_s"] = max(30, 3 * (subject.says("interval_s") or values["default_interval_s"]))
        return Rules(*(round(values[rule] * unit) for rule, unit in FIELDS.items()))

    def _silent_at(self, subject: Subject) -> int:
        return max([*subject.signs, self.resumed]) + self.rules(subject).timeout

    def _step(self, subject: Subject, instant: int) -> bool:
        """Whether anything was true by `instant` that had not happened yet; it has now."""
        due = [(when, order) for when, order in self._pending(subject, instant) if when <= instant]
        if not due:
            return False
        _, what = min(due)
        if what == 0:
            self._flap(subject, instant)
        elif what == 1:
            self._lasted(subject, instant)
        else:
            self._reads(subject, instant, SILENT)
        return True

    def _pending(self, subject: Subject, instant: int) -> Iterator[tuple[int, int]]:
        """When what will be true: too much of it (0), lasted long enough (1), silent for too long (2)."""
        changes, flips = self._counts(subject, instant)
        rules, state = self.rules(subject), subject.state
        if state != "flapping" and (changes >= rules.flap_threshold or flips >= rules.flap_flips_threshold):
            yield max([*subject.confirmed, *subject.flips]), 0
        if subject.reading in ("ok", "credentials_invalid"):
            yield self._silent_at(subject), 2
        switched_on = max(subject.switched_on, default=0)
        lasting = max(subject.turned().instant, switched_on)
        if subject.reading == SILENT and subject.reported[-1] == "ok":
            lasting = max(lasting, self._silent_at(subject))
        if state == "pending_open":
            yield lasting + rules.open_debounce, 1
        elif state == "pending_resolve":
            yield lasting + rules.resolve_debounce, 1
        elif state == "flapping":
            yield max(lasting, subject.entered_flapping) + rules.flap_stable, 1
        elif state == "firing" and subject.means(subject.reading) != subject.condition:
            lasting = max(subject.condition_turned().instant, switched_on)
            if subject.reading == SILENT:
                lasting = max(lasting, self._silent_at(subject))
            yield lasting + rules.open_debounce, 1

    def _lasted(self, subject: Subject, instant: int) -> None:
        match subject.state:
            case "pending_open":
                self._confirm(subject, "firing", instant)
            case "pending_resolve":
                self._confirm(subject, "healthy", instant)
            case "flapping":
                self._tell(subject, "healthy" if subject.healthy else "firing", 0)
            case _:
                subject.condition = subject.means(subject.reading)
                subject.fires_on_since = subject.condition_turned()
                self._tell(subject, "firing", self._counts(subject, instant)[0])

    def _confirm(self, subject: Subject, to: str, instant: int) -> None:
        before, _ = self._counts(subject, instant)
        subject.confirmed.append(instant)
        if not self._flaps(subject, instant):
            self._tell(subject, to, before)

    def _reads(self, subject: Subject, instant: int, reading: str) -> None:
        flips = (reading == "ok") != subject.healthy
        if reading != subject.reading:
            subject.readings.append(Read(instant, self._at, reading))
        state = subject.state
        if not subject.healthy and (state == "pending_open" or (state == "healthy" and flips)):
            subject.condition = subject.means(subject.reported[-1]) or subject.means(reading)
        if not flips or state == "flapping":
            return
        before, _ = self._counts(subject, instant)
        subject.flips.append(instant)
        if not self._flaps(subject, instant):
            to = {
                "healthy": "pending_open",
                "pending_open": "healthy",
                "firing": "pending_resolve",
                "pending_resolve": "firing",
            }[str(state)]
            self._tell(subject, to, before)

    def _counts(self, subject: Subject, instant: int) -> tuple[int, int]:
        """Confirmed changes and flips that have not left a window, neither now nor when other rules began."""
        windows = list(subject.closed_windows)
        if self._enabled(subject):
            windows.append((instant, self.rules(subject).flap_window))

        def within(event: int) -> bool:
            return all(end - event < length for end, length in windows if end >= event)

        return sum(map(within, subject.confirmed)), sum(map(within, subject.flips))

    def _flaps(self, subject: Subject, instant: int) -> bool:
        changes, flips = self._counts(subject, instant)
        rules = self.rules(subject)
        full = changes >= rules.flap_threshold or flips >= rules.flap_flips_threshold
        if full:
            self._flap(subject, instant)
        return full

    def _flap(self, subject: Subject, instant: int) -> None:
        changes, flips = self._counts(subject, instant)
        self._tell(subject, "flapping", changes if changes >= self.rules(subject).flap_threshold else flips)
        subject.entered_flapping = instant
        subject.confirmed, subject.flips = [], []

    def _tell(self, subject: Subject, to: str | None, flap_count: int) -> None:
        from_state = subject.told[-1].to_state if subject.told else None
        wrong = {from_state, to} - {None, "healthy"}
        told = Told(
            subject.key,
            self._at,
            from_state,
            to,
            subject.condition if wrong else None,
            max(subject.turned(), subject.fires_on_since or subject.turned()).at,
            flap_count,
        )
        subject.told.append(told)
        self.told.append(told)

    def _take(self, record: LogRecord) -> None:
        key = (record.key or b"").decode()
        control = read_control(record)
        if not self.greeted:
            self.greeted = control is not None and isinstance(control.statement, Hello)
            return
        if control is None:
            self._hear(key, json.loads(record.value) if record.value else {})
            return
        match control.statement:
            case Policy() as policy:
                self._put(policy)
            case Register() as said:
                self._register(key, said)
            case Forget() if key in self.subjects:
                subject = self.subjects.pop(key)
                self._tell(subject, None, self._counts(subject, self.now)[0])
            case Announced() if not self.judging:
                self._judge_again()
            case _:
                pass

    def _judge_again(self) -> None:
        """Everybody has all of its times from now on, and what was heard meanwhile counts. Of the time in between two
        seconds are observed at most, as of a time without records."""
        assert self._record is not None
        gap = self._record - self._judged_until
        self.now += min(max(gap, 0), 2000)
        self.resumed = self.now if gap >= 5000 else self.resumed
        self.judging = True
        for key in sorted(self.subjects, key=str.encode):
            subject = self.subjects[key]
            reads, subject.reads, subject.unjudged = subject.reads, None, 0
            if self._enabled(subject):
                subject.signs.append(self.now)
                subject.switched_on.append(self.now)
                if reads is not None:
                    self._heard_meanwhile(subject, reads)
                    if subject.never_well:
                        subject.flips.clear()
            subject.never_well = False

    def _heard_meanwhile(self, subject: Subject, reads: str) -> None:
        self._reads(subject, self.now, reads)

    def _hear(self, key: str, said: dict[str, Any]) -> None:
        policy = self.policies.get(key.split("/")[0])
        if policy is None or not policy.enabled:
            return
        reading = said.get("status", "ok")
        fields = {name: said[name] for name in ("integration", "model", "interval_s") if said.get(name)}
        subject = self.subjects.get(key)
        if subject is None:
            subject = self._appear(key, reading)
            subject.heard_fields = fields
            subject.never_well = not self.judging and reading != "ok"
            self._tell(subject, "healthy" if reading == "ok" or not self.judging else "pending_open", 0)
            return
        self._close_window(subject)
        subject.heard_fields |= fields
        subject.signs.append(self.now)
        subject.reported.append(reading)
        if self.judging:
            self._reads(subject, self.now, reading)
        else:
            subject.reads, subject.unjudged = reading, subject.unjudged + 1

    def _appear(self, key: str, reading: str) -> Subject:
        subject = self.subjects[key] = Subject(key)
        subject.signs.append(self.now)
        subject.reported.append(reading)
        if not self.judging:
            subject.reads, subject.unjudged, reading = reading, 1, "ok"
        subject.readings.append(Read(self.now, self._at, reading))
        subject.condition = subject.means(reading)
        return subject

    def _register(self, key: str, said: Register) -> None:
        if key.split("/")[0] not in self.policies:
            return
        fields = {"integration": said.integration, "model": said.model, "interval_s": said.interval_s}
        subject = self.subjects.get(key)
        if subject is None:
            subject = self._appear(key, "ok")
            subject.registry = fields
            subject.heard_fields = {name: getattr(said.heard, name, None) for name in fields}
            self._tell(subject, "healthy", 0)
            return
        self._close_window(subject)
        silent_at = self._silent_at(subject)
        for name, before in subject.registry.items():
            if before:
                subject.heard_fields[name] = getattr(said.heard, name) if said.heard else before
        subject.registry = fields
        self._lift(subject, silent_at)

    def _put(self, policy: Policy) -> None:
        ours = [subject for subject in self.subjects.values() if subject.key.split("/")[0] == policy.org]
        before = self.policies.get(policy.org)
        silent_at = {}
        for subject in ours:
            self._close_window(subject)
            silent_at[subject.key] = self._silent_at(subject)
        self.policies[policy.org] = policy
        if not policy.enabled:
            for subject in ours:
                del subject.reported[len(subject.reported) - subject.unjudged :]
                subject.reads, subject.unjudged = None, 0
            return
        for subject in sorted(ours, key=lambda subject: subject.key.encode()):
            if before is None or not before.enabled:
                subject.signs.append(self.now)
                subject.switched_on.append(self.now)
            else:
                self._lift(subject, silent_at[subject.key])

    def _lift(self, subject: Subject, silent_at: int) -> None:
        """It has been silent for too long since then, and other rules hold for it now."""
        silent = (subject.reads or subject.reading) == SILENT and self._enabled(subject)
        if silent and silent_at <= self.now < self._silent_at(subject):
            if self.judging:
                self._reads(subject, self.now, subject.reported[-1])
            else:
                subject.reads = subject.reported[-1]

    def _close_window(self, subject: Subject) -> None:
        """Other rules may hold for the subject from now on."""
        if self._enabled(subject):
            subject.closed_windows.append((self.now, self.rules(subject).flap_window))
