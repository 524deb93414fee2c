"""Rules broken about heartbeats of a whole org that are lost, and what is shown of its subjects then."""

from tests.mutation import Mutant, Part

LOSSES = "domain/correlator/losses"
UNSEEN = "domain/correlator/unseen"
HOLES = "domain/correlator/holes"

LOST_HEARTBEATS = (
    Part(
        ("losses_rules", "losses_edges"),
        (
            # losses.py: the rule
            Mutant(LOSSES, "COUNTED_AT_LEAST: Final = 10", "COUNTED_AT_LEAST: Final = 9"),
            Mutant(LOSSES, "BEHIND_AT_LEAST: Final = 2", "BEHIND_AT_LEAST: Final = 1"),
            Mutant(LOSSES, "self._lost * 5 >= self._counted * 4", "self._lost * 5 > self._counted * 4"),
            Mutant(LOSSES, "if integration is not None and number > 0)", "if integration is not None)"),
            Mutant(LOSSES, "if integration is not None and number > 0)", "if number > 0)"),
            Mutant(LOSSES, "and not self.silences", ""),
            Mutant(LOSSES, "and not self.old", ""),
            Mutant(LOSSES, "return self.counts and", "return True and"),
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
            Mutant(LOSSES, "len(behind) >= BEHIND_AT_LEAST or", ""),
            Mutant(LOSSES, "(self.few_since or at)", "at"),
            Mutant(LOSSES, " if after.few_unknown else None", ""),
            # losses.py: holes, and who is waited for
            Mutant(LOSSES, "if since <= begins:", "if False:"),
            Mutant(LOSSES, "at=later.get((each.subject, each.at), each.at)", "at=each.at"),
            Mutant(LOSSES, "down >= well * times", "down > well * times"),
            Mutant(LOSSES, "return fires and by_silence(change)", "return fires"),
            # unseen.py
            Mutant(UNSEEN, "or change.at < loss.begun_at or", "or"),
            Mutant(UNSEEN, "passed < self.rules_of(change.subject).timeout_ms", "True"),
            Mutant(UNSEEN, "passed < self.rules_of(change.subject).timeout_ms",
                   "passed <= self.rules_of(change.subject).timeout_ms"),
            Mutant(UNSEEN, "since=max(heard)", "since=min(heard)"),
            Mutant(UNSEEN, "lost=0 if row.subject in self.loss.heard else 1", "lost=1"),
            Mutant(UNSEEN, "change.evidence.last_heard == before.evidence.last_heard", "False"),
            Mutant(UNSEEN, "(event.at, not isinstance(event, Due),", "(event.at, isinstance(event, Due),"),
            Mutant(UNSEEN, "if not resumed and self.loss.resumed_at is not None:", "if False:"),
            Mutant(UNSEEN, "and row.until.due_clock == event.due_clock:", ":"),
            Mutant(UNSEEN, "return fires_on and self._last_of(change.subject).condition == change.condition",
                   "return fires_on"),
            Mutant(UNSEEN, "return resumed and change.from_state", "return change.from_state"),
            Mutant(UNSEEN, "condition=heard.condition or row.condition", "condition=row.condition"),
            Mutant(UNSEEN, "self.rules_of(row.subject).open_debounce_ms", "self.rules_of(row.subject).timeout_ms"),
            Mutant(UNSEEN, "policy_version=self.rules_of(row.subject).version", "policy_version=judged.policy_version"),
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
)  # fmt: skip
