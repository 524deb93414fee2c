"""Rules broken about silences: when they hold, what they hold back, and what their end brings."""

from tests.mutation import Mutant, Part

SILENCES = "domain/correlator/silences"
RECURRENCE = "domain/correlator/recurrence"
ENDS = "domain/correlator/silence_ends"
VIEWS = "adapters/correlator/silence_views"
DECIDE = "domain/correlator/decide"

SILENCED = (
    Part(
        ("correlator_switched_off::"
         "test_it_is_so_where_the_subject_has_recovered_in_the_batch_that_tells_that_the_org_is_on_again",),
        (Mutant("correlator/policy_effects", "    return is_on_again\n", "    return False\n"),),
    ),
    Part(
        ("correlator_silences",),
        (
            Mutant(SILENCES, "bisect_right(starts, at - length)", "bisect_right(starts, at - length - 1)"),
            Mutant(SILENCES, "starts[first - 1] + length >= starts[first]:",
                   "starts[first - 1] + length > starts[first]:"),
            Mutant(SILENCES, "starts[last + 1] <= starts[last] + length:", "starts[last + 1] < starts[last] + length:"),
            Mutant(SILENCES, "min(found.end, schedule.removed_at)", "found.end"),
            Mutant(SILENCES, "if found.start < end and at < end else", "if at < end else"),
            Mutant(SILENCES, "if found.start < end and at < end else", "if found.start < end else"),
            Mutant(SILENCES, "seen.next.start <= at else", "seen.next.start < at else"),
            Mutant(SILENCES, "return self.at <= at and", "return True and"),
            Mutant(SILENCES, "self.next is None or at < self.next.end", "self.next is None or at <= self.next.end"),
            Mutant(SILENCES, ">= at - reach and found.end <= at + reach", ">= at - reach"),
            Mutant(SILENCES, "at - reach, min(at + reach, self.last)", "at - reach, at + reach"),
            Mutant(SILENCES, "if schedule.end <= now:", "if schedule.end < now:"),
            Mutant(SILENCES, "if not 1 <= schedule.length_s <= LENGTH_MAX_S:", "if not 1 <= schedule.length_s:"),
            # recurrence.py: by whose clock
            Mutant(RECURRENCE, "begins = to_ms(moment.replace(tzinfo=clock, fold=1)) + start % 1000", "pass"),
            Mutant(RECURRENCE, "begins = to_ms(moment.replace(tzinfo=clock, fold=1)) + start % 1000", "begins = start"),
            Mutant(RECURRENCE, "begins = _instant(moment, clock) + start % 1000", "begins = _instant(moment, clock)"),
            Mutant(RECURRENCE, "if begins != previous:", "if True:"),
            Mutant(RECURRENCE, "_CLOCKS_CHANGE_BY = timedelta(days=2)", "_CLOCKS_CHANGE_BY = timedelta(0)"),
            Mutant(RECURRENCE, "if after <= at <= until)", ")"),
            Mutant(RECURRENCE, " or from_end in days", ""),
            Mutant(RECURRENCE, "period.weekday() in weekdays", "True"),
            Mutant(RECURRENCE, "by.get(\"WKST\", \"MO\")", "\"MO\""),
            Mutant(RECURRENCE, "by.setdefault(\"BYMONTH\", str(start.month))", "pass"),
            Mutant(RECURRENCE, "// months * months", ""),
            Mutant(RECURRENCE, "if moment >= start:", "if True:"),
            Mutant(RECURRENCE, "lambda local: local > last", "lambda local: local >= last"),
            Mutant(RECURRENCE, "_instant(local, clock) > instant", "_instant(local, clock) >= instant"),
            Mutant(RECURRENCE, ".replace(hour=23, minute=59, second=59)", ""),
            Mutant(RECURRENCE, "if number > OCCURRENCES_LIMIT:", "if number > 2 * OCCURRENCES_LIMIT:"),
            Mutant(RECURRENCE, " or low == 0)", ")"),
            Mutant(RECURRENCE, ", re.ASCII)", ")"),
            Mutant(RECURRENCE, "if number == count:", "if number > count:"),
        ),
    ),
    Part(
        ("correlator_switched_off::test_a_silence_is_shown_as_it_stands_while_its_end_waits",),
        (
            Mutant(VIEWS, "coalesce(stands.from_at, silence.from_at) <= :now", "silence.from_at <= :now"),
            Mutant(VIEWS, "coalesce(stands.from_at, silence.from_at) AS from_at", "silence.from_at"),
            Mutant(VIEWS, "coalesce(to_at, until_at) AS until_at", "until_at"),
            Mutant(VIEWS, "\"until_at <= :now AND", "\"until_at < :now AND"),
        ),
    ),
    Part(
        ("correlator_silence_decisions",),
        (
            Mutant(ENDS, " or ended.settled:", ":"),
            Mutant("domain/correlator/verdicts", "TICKET = frozenset({HealthState.FIRING, HealthState.FLAPPING})",
                   "TICKET = frozenset({HealthState.FIRING})"),
            Mutant(ENDS, "stood.condition, stood.next_at)", "stood.condition, ended.occurrence.end)"),
            Mutant(ENDS, "if stood.next_state not in CALLS_FOR_A_TICKET:", "if False:"),
            Mutant(ENDS, "policy_version=stood.next_version", "policy_version=ended.policy_version"),
            Mutant(ENDS, "return \"wait\"", "return \"nothing\""),
            Mutant(ENDS, "/silence_ended/{end}", "/silence_ended/{silence.id}"),
        ),
    ),
    Part(
        ("correlator_silence_decisions",),
        (
            Mutant(DECIDE, "verdict.cause is Cause.SILENCE_ENDED and not incident.will_be_open", "True"),
            Mutant(DECIDE, "if facts.unpublished and verdict.cause", "if verdict.cause"),
            Mutant(DECIDE, " and not incident.will_be_open:", ":"),
        ),
    ),
    Part(
        ("correlator_unpublished_silences",),
        (
            Mutant("correlator/deciding", "        if key in self._last:\n", "        if False:\n"),
            Mutant("correlator/deciding", "return (key, verdict.at) in self._unpublished", "return False"),
        ),
    ),
    Part(
        ("correlator_silencing::test_ends_that_are_left_over_go_by_the_policy_of_their_instant",),
        (Mutant("correlator/silencing", "        if not coming:\n            return", "        return"),),
    ),
)  # fmt: skip
