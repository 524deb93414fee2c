"""Rules broken about heartbeats of a whole org that are lost, and what is shown of its subjects then."""

from tests.mutation import Mutant, Part

LOSSES = "domain/correlator/losses"
UNSEEN = "domain/correlator/unseen"
HOLES = "domain/correlator/holes"
TIMES = "domain/correlator/fresh_times"
LOSING = "correlator/losing"
COURSE = "correlator/loss_course"
EVERYBODY = "adapters/correlator/everybody"

LOST_HEARTBEATS = (
    Part(
        ("losses_rules", "losses_edges"),
        (
            # losses.py: the rule
            Mutant(LOSSES, "COUNTED_AT_LEAST: Final = 10", "COUNTED_AT_LEAST: Final = 9"),
            Mutant(LOSSES, "INTEGRATIONS_AT_LEAST: Final = 2", "INTEGRATIONS_AT_LEAST: Final = 1"),
            Mutant(LOSSES, "-(-counted * 4 // 5)", "counted * 4 // 5 + 1"),
            Mutant(LOSSES, "if integration is not None and number > 0)", "if integration is not None)"),
            Mutant(LOSSES, "if integration is not None and number > 0)", "if number > 0)"),
            Mutant(LOSSES, "and not self.silences", ""),
            Mutant(LOSSES, "and not self.old", ""),
            Mutant(LOSSES, "self.counts and self.state", "self.state"),
            Mutant(LOSSES, "self.counts and self.state is not None", "self.counts"),
            Mutant(LOSSES, "and self.at_beginning == HealthState.HEALTHY", ""),
            Mutant(LOSSES, "self.is_counted and self.silent and", "self.is_counted and"),
            Mutant(LOSSES, ".at <= at - self.window_ms", ".at < at - self.window_ms"),
            Mutant(LOSSES, "self.hushes[self._hushed].at <= at:", "self.hushes[self._hushed].at < at:"),
            Mutant(LOSSES, "standing.silent = standing.old = False", "standing.old = False"),
            Mutant(LOSSES, "standing.silent = standing.old = False", "standing.silent = False"),
            Mutant(LOSSES, "silent_from(change) < resumed_at", "silent_from(change) <= resumed_at"),
            # losses.py: how it ends
            Mutant(LOSSES, "self.unknown * 5 < self.lost", "self.unknown * 5 <= self.lost"),
            Mutant(LOSSES, "len(heard) * 10 >= self.lost", "len(heard) * 10 > self.lost"),
            Mutant(LOSSES, "len(behind) >= INTEGRATIONS_AT_LEAST or", ""),
            Mutant(LOSSES, "(self.few_since or at)", "at"),
            Mutant(LOSSES, " if after.few_unknown else None", ""),
            # losses.py: holes, and who is waited for
            Mutant(LOSSES, "if since <= begins:", "if False:"),
            Mutant(LOSSES, "at=later.get((each.subject, each.at), each.at)", "at=each.at"),
            Mutant(LOSSES, "down >= well * times", "down > well * times"),
            Mutant(LOSSES, "return fires and by_silence(change)", "return fires"),
            # unseen.py
            Mutant(UNSEEN, "or change.at < loss.begun_at or", "or"),
            Mutant(UNSEEN, " or change.to_state is None:", ":"),
            Mutant(UNSEEN, "(census := self._census_at(fires)) and census.loses()", "False"),
            Mutant(UNSEEN, "to_state=HealthState.FIRING, at=at)", "to_state=HealthState.FIRING)"),
            Mutant(UNSEEN, "self._begin(census, fires, row.judged)", "self._begin(census, fires, fires)"),
            Mutant(UNSEEN, "if old or not row.is_pending:", "if not row.is_pending:"),
            Mutant(UNSEEN, "passed < self.rules_of(change.subject).timeout_ms", "True"),
            Mutant(UNSEEN, "passed < self.rules_of(change.subject).timeout_ms",
                   "passed <= self.rules_of(change.subject).timeout_ms"),
            Mutant(UNSEEN, "since=max(heard)", "since=min(heard)"),
            Mutant(UNSEEN, "lost=0 if row.subject in self.loss.heard else 1", "lost=1"),
            Mutant(UNSEEN, "change.evidence.last_heard == before.evidence.last_heard", "False"),
            Mutant(UNSEEN, "(event.at, not isinstance(event, Due),", "(event.at, isinstance(event, Due),"),
            Mutant(UNSEEN, "                self._give_fresh_timeouts(event.at)\n", ""),
            Mutant(UNSEEN, "and row.until.due_clock == event.due_clock:", ":"),
            Mutant(UNSEEN, "return fires_on and self._last_of(change.subject).condition == change.condition",
                   "return fires_on"),
            Mutant(UNSEEN, "return resumed and change.from_state", "return change.from_state"),
            Mutant(UNSEEN, "condition=heard.condition or row.condition", "condition=row.condition"),
            Mutant(UNSEEN, "self.rules_of(row.subject).open_debounce_ms", "self.rules_of(row.subject).timeout_ms"),
            Mutant(UNSEEN, "(heard.condition if pends else None)", "None"),
            Mutant(UNSEEN, "if until.due_clock <= self.clock_at(", "if until.due_clock < self.clock_at("),
            Mutant(UNSEEN, "row.until.lasting(rules.open_debounce_ms)", "row.until"),
            Mutant(UNSEEN, "if anew.due_clock > until.due_clock:", "if anew.due_clock >= until.due_clock:"),
            Mutant(UNSEEN, "=self.rules_of(row.subject).version,", "=judged.policy_version,"),
        ),
    ),
    Part(
        ("correlator_holes::test_only_a_hole_in_which_it_was_pending_counts",),
        (
            Mutant(HOLES, "if since < at and", "if since <= at and"),
            Mutant(HOLES, "at <= fired_at)", "at < fired_at)"),
            Mutant(HOLES, "max(pending_in)", "min(pending_in)"),
        ),
    ),
    # fresh_times.py: what a subject is given anew, behind lost heartbeats and behind an integration that has recovered
    Part(
        ("fresh_times_rules",),
        (
            Mutant(TIMES, "return self.open_debounce_ms if pending else", "return self.timeout_ms if pending else"),
            Mutant(TIMES, "silence = self.timeout_ms if silent else 0", "silence = self.timeout_ms"),
            Mutant(TIMES, "silence = self.timeout_ms if silent else 0", "silence = 0"),
            Mutant(TIMES, "silence + (self.open_debounce_ms if pending else 0)", "silence + self.open_debounce_ms"),
            Mutant(TIMES, "silence + (self.open_debounce_ms if pending else 0)", "silence"),
            Mutant(TIMES, "if hole.from_at < due_at]", "if hole.from_at <= due_at]"),
            Mutant(TIMES, "back_at(holes[-1].to_at)", "back_at(holes[0].to_at)"),
            Mutant(TIMES, "    return holes[-1]\n", "    return holes[0]\n"),
            Mutant(TIMES, ".clock <= until.start_clock:", ".clock < until.start_clock:"),
            Mutant(TIMES, "return until if until.due_clock <= clock.clock else replace(until, gen",
                   "return replace(until, gen"),
            Mutant(TIMES, "return until if until.due_clock <= clock.clock else",
                   "return until if until.due_clock < clock.clock else"),
            Mutant(TIMES, "    if same_log and until.due_clock <= clock.clock:\n        return until\n", ""),
            Mutant(TIMES, "if same_log and until.due_clock <= clock", "if same_log and until.due_clock < clock"),
            Mutant(TIMES, "if same_log and until.due_clock", "if until.due_clock"),
            Mutant(TIMES, "hole.from_at <= at < hole.to_at", "hole.from_at < at < hole.to_at"),
            Mutant(TIMES, "hole.from_at <= at < hole.to_at", "hole.from_at <= at <= hole.to_at"),
            Mutant(TIMES, "if twice else now.first(pending=pending)", "if False else now.first(pending=pending)"),
            Mutant(TIMES, "if twice else now.first(pending=pending)", "if True else now.first(pending=pending)"),
            Mutant(TIMES, "max(due_clock, clock.clock) if same_log else due_clock", "due_clock"),
            Mutant(TIMES, "max(due_clock, clock.clock) if same_log else due_clock", "max(due_clock, clock.clock)"),
            Mutant(TIMES, "due_clock = until.start_clock + lasting_ms", "due_clock = clock.clock + lasting_ms"),
            Mutant(TIMES, "self.start_clock, back.clock + lasting_ms)", "back.clock, back.clock + lasting_ms)"),
            Mutant(TIMES, "due_clock=self.start_clock + lasting_ms)", "due_clock=self.due_clock + lasting_ms)"),
            Mutant(TIMES, "clock.clock, clock.clock + lasting_ms)", "clock.at, clock.clock + lasting_ms)"),
        ),
    ),
    Part(
        ("correlator_losses_anew",),
        (
            Mutant(UNSEEN, "            self._keep(row)\n            return\n", "            pass\n"),
            Mutant(UNSEEN, "if change.evidence.last_heard is not None:\n            self._heard(row, change.at)",
                   "if change.evidence.last_heard is not None:\n            pass"),
            Mutant(LOSSES, "at if self.resumed_at is None and not after.unknown else", ""),
            Mutant(LOSING, "lasted_at is not None or (begun and running is None)", "lasted_at is not None"),
            Mutant(LOSING, "lasted_at is not None or (begun and running is None)", "begun and running is None"),
            Mutant(EVERYBODY, "at_beginning |= await", "await"),
            Mutant(EVERYBODY, "CASE WHEN past.subject IS NULL THEN 'healthy' ELSE past.to_state END", "'healthy'"),
            Mutant(EVERYBODY, "WHEN registered THEN entered_at <= to_timestamp(:at / 1000.0)",
                   "WHEN registered THEN true"),
            Mutant(EVERYBODY, 'if reason == "registered"]', "]"),
        ),
    ),
    Part(
        ("correlator_losses_in_order", "correlator_policies_apart"),
        (
            Mutant(LOSING, "if few is not None and few.shard", "if False and few.shard"),
            Mutant(LOSING, "if of == shard and until > at)", "if of == shard and until >= at)"),
            Mutant(LOSING, "version = max(self._judging.values(),", "version = min(self._judging.values(),"),
            Mutant(LOSING, "counts=rules_of(version, everybody.profiled(row)).timeout_ms <=", "counts=timeout_ms <="),
        ),
    ),
    # who is removed while its shard does not know it
    Part(
        ("losses_removed_meanwhile",),
        (
            Mutant(COURSE, "if hidden := await losses.drop_held(self._connection, self._org, subject):", "if False:"),
            Mutant(COURSE, "        await losses.leave(self._connection, self._org, [subject])\n", ""),
            Mutant(COURSE, "or row.shown != HealthState.UNKNOWN:", "or True:"),
            Mutant(COURSE, "if loss.resumed_at is None and after.resumed_at is not None:", "if False:"),
            Mutant(COURSE, "if after.few_since is not None and after.few_since != loss.few_since:", "if False:"),
        ),
    ),
    # who has a fresh time when heartbeats are lost
    Part(
        ("losses_fresh_times",),
        (
            Mutant(COURSE, "        await self._judge_afresh_anew(loss, at)\n", ""),
            Mutant(COURSE, "if watch.out_before(loss.begun_at, clock) is None:", "if True:"),
            Mutant(COURSE, "    for org in sorted({each.watch.org for each in afresh}):", "    for org in ():"),
        ),
    ),
)  # fmt: skip
