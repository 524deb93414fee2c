"""Rules broken about what becomes of a verdict by the ticket service's answer, and of what it has refused."""

from tests.mutation import Mutant, Part

ANSWERS = "domain/correlator/answers"
REFUSALS = "domain/correlator/refusals"
DECIDING = "correlator/deciding"
HOLDING_BACK = "correlator/holding_back"
SHARING = "correlator/sharing"
ENDS = "correlator/list_ends"
BACK = "correlator/taking_back"
TICKETS = "correlator/tickets"
RETIMING = "correlator/retiming"
WATCHES = "adapters/correlator/watches"
CLOCKS = "domain/correlator/clocks"
REACH = "correlator/reach"

ANSWERED = (
    Part(
        ("correlator_answers::test_an_answer_settles_what_was_decided",),
        (
            Mutant(ANSWERS, "    if decided == \"joined\":\n        return Settled(decided)\n", ""),
            Mutant(ANSWERS, "answer.outcome is Outcome.APPLIED", "True"),
            Mutant(ANSWERS, "answer.ticket.version == 1", "True"),
            Mutant(ANSWERS, "    if not changed:", "    if changed:"),
        ),
    ),
    Part(
        ("correlator_refusals::test_nothing_follows_from_a_refusal_where_nothing_would_come_of_it",
         "correlator_refusals::test_it_is_waited_for_a_debounce_and_ever_longer",
         "correlator_refusals::test_a_refused_ticket_is_asked_for_again_and_then_ever_later"),
        (
            Mutant(REFUSALS, "if code in LASTING:", "if False:"),
            Mutant(REFUSALS, " or standing.condition != condition:", ":"),
            Mutant(REFUSALS, "if not standing.switches.publish_tickets:", "if False:"),
            Mutant(REFUSALS, "min(2 * waited_s, MOST_S)", "2 * waited_s"),
            Mutant(REFUSALS, ", LEAST_S, standing", ", standing"),
            Mutant(REFUSALS, "LEAST_S, standing.open_debounce_s)", "LEAST_S)"),
        ),
    ),
    Part(
        ("correlator_holes_on_record",),
        (
            Mutant("domain/correlator/watches", "shown.forward_to(at, holes)", "shown.forward_to(at)"),
            Mutant("correlator/judgements", "    await watches.end_at(connection, MAY_BRING_A_TICKET, first)\n", ""),
        ),
    ),
    Part(
        ("correlator_waiting",),
        (
            Mutant(WATCHES, "each.moment not in moving", "True"),
            Mutant(CLOCKS, "max(hole.from_at + STEP_MAX_MS, self.at)", "max(hole.from_at, self.at)"),
            Mutant(WATCHES, " or watch.on_the_clock(clock)", ""),
            Mutant(WATCHES, "await _over_by_now(connection, found):", "dict[RunOut, tuple[bool, int]]():"),
            Mutant(WATCHES, "if is_well]", "if False and is_well]"),
            Mutant(REACH, "for clock in horizon.clocks.values()",
                   "for clock in (each.clock for each in self.after.values() if each.clock is not None)"),
        ),
    ),
    # what the previous code has taken in
    Part(
        ("correlator_answers::test_a_refused_merge_that_the_previous_code_has_taken_in_leaves_its_ticket_looked_after",),
        (Mutant(TICKETS, "== Refused.name and condition == MANY:\n", "== Refused.name and False:\n"),),
    ),
    # what awaits an answer
    Part(
        ("correlator_answers::test_who_joins_a_ticket_that_is_asked_for_ends_by_its_answer",),
        (
            Mutant(DECIDING, "one = replace(one, awaits=self._awaited(verdict.org, outcome.parent))", "pass"),
            Mutant(DECIDING, "Opened | OpenedTogether | Reopened | Merged) else", "Opened | Reopened | Merged) else"),
        ),
    ),
    # how long a refused one is waited for, by whom
    Part(
        ("correlator_refusals::test_no_policy_changes_how_long_is_waited",),
        (Mutant(RETIMING, "case WatchKind.EARLY_RESOLVE:", "case WatchKind.EARLY_RESOLVE | WatchKind.OPEN_REFUSED:"),),
    ),
    Part(
        ("correlator_refusals::test_the_end_of_a_silence_asks_at_once_for_what_was_refused",),
        (Mutant(DECIDING, "await watches.end(connection, WatchKind.OPEN_REFUSED, asked)", "pass"),),
    ),
    Part(
        ("correlator_refusals::test_nobody_waits_for_an_integrations_ticket_that_was_refused",
         "correlator_refusals::test_those_behind_a_refused_shared_ticket_wait_for_it"),
        (
            Mutant(WATCHES, " AND condition = '{MANY}')\n", ")\n"),
            Mutant(WATCHES, " OR (kind = 'open_refused' AND condition = '{MANY}')\n", "\n"),
        ),
    ),
    Part(
        ("correlator_rollup_ends::test_one_about_many_that_comes_back_settles_nothing_of_the_integrations_own",),
        (Mutant(DECIDING, "condition != MANY and isinstance(one.outcome, Opened | Reopened)\n",
                "condition and isinstance(one.outcome, Opened | Reopened)\n"),),
    ),
    # who is on its list
    Part(
        ("correlator_refusals::test_many_share_a_ticket_while_their_integrations_is_refused",),
        (
            Mutant(SHARING, "if not one.recovered and one.parent.condition == parent.condition",
                   "if not one.recovered and one.parent.condition != parent.condition"),
            Mutant(SHARING, "and one.parent.condition != MANY and key not in self._joining:", "and False:"),
        ),
    ),
    Part(
        ("correlator_refusals::test_a_refused_shared_ticket_that_was_taken_over_is_asked_for_no_more",),
        (Mutant(ENDS, "WatchKind.EARLY_RESOLVE, WatchKind.OPEN_REFUSED):", "WatchKind.EARLY_RESOLVE):"),),
    ),
    Part(
        ("correlator_refusals::test_a_ticket_about_many_that_was_not_taken_over_ends_as_ever",
         "correlator_refusals::test_a_merge_that_is_refused_when_all_are_well_leaves_no_ticket_behind"),
        (
            Mutant(BACK, "    await rollups.move_back(connection, org, integration)\n", ""),
            Mutant(BACK, ">= rules.rollup_threshold:", "< rules.rollup_threshold:"),
        ),
    ),
    Part(
        ("correlator_policies_apart",),
        (
            Mutant(BACK, "        runs=version.policy.enabled,\n", ""),
            Mutant(SHARING, "judging.get(spell.fresh.shard)", "max(judging.values(), key=lambda one: one.version)"),
        ),
    ),
    Part(
        ("correlator_late_shards::test_a_late_shard_may_hide_many_if_it_is_behind_by_a_quarter_of_the_debounce",),
        (Mutant(HOLDING_BACK, "        debounce_ms = min(", "        debounce_ms = 12 * min("),),
    ),
)  # fmt: skip
