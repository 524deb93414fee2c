"""Rules broken about what the correlator forgets, and what it must not."""

from tests.mutation import Mutant, Part

RETENTION = "adapters/correlator/retention"

FORGOTTEN = (
    Part(
        ("correlator_retention",),
        (
            Mutant(RETENTION, "HISTORY_DAYS: Final = 30", "HISTORY_DAYS: Final = 29"),
            Mutant(RETENTION, "SILENCES_DAYS: Final = 90", "SILENCES_DAYS: Final = 89"),
            Mutant(RETENTION, " FOR UPDATE OF old SKIP LOCKED", ""),
            Mutant(RETENTION, "LIMIT {ROWS_PER_STATEMENT}", "LIMIT 2 * {ROWS_PER_STATEMENT}"),
            Mutant(RETENTION, "            if rows < ROWS_PER_STATEMENT:\n", "            if rows:\n"),
            # how subjects stood
            Mutant(RETENTION, "AND (next.at, next.position) > (old.at, old.position) AND next.at < {before})",
                   "AND (next.at, next.position) > (old.at, old.position))"),
            Mutant(RETENTION, "coalesce(old.to_state, 'healthy') = 'healthy' AND NOT EXISTS", "NOT EXISTS"),
            Mutant(RETENTION, "(next.at, next.position) > (old.at, old.position)", "next.at > old.at"),
            # what is still needed
            Mutant(RETENTION, "(incident.asked_verb IS NOT NULL OR ", "("),
            Mutant(RETENTION, " AND asked_command = old.id", ""),
            Mutant(RETENTION, " AND watch.cause = old.id", ""),
            Mutant(RETENTION, "'resolved' AND old.asked_verb IS NULL AND NOT", "'resolved' AND NOT"),
            Mutant(RETENTION, "AND until_at IS NULL AND ends_at", "AND ends_at"),
            Mutant(RETENTION, "\"until_at IS NULL AND NOT EXISTS", "\"NOT EXISTS"),
            Mutant(RETENTION, "later.begun_at > old.begun_at", "later.begun_at <> old.begun_at"),
        ),
    ),
    Part(
        ("correlator_retention_edges::test_how_a_subject_stood_last_goes_behind_what_was_before_it_at_its_instant",),
        (Mutant(RETENTION, "AND (past.at, past.position) < (old.at, old.position)", "AND past.at < old.at"),),
    ),
    Part(
        ("correlator_retention_edges::test_the_end_of_a_silence_has_to_know_of_nothing_before_it",),
        (
            Mutant(RETENTION, "until_at <= old.at", "until_at < old.at"),
            Mutant(RETENTION, "until_at <= old.at", "until_at IS NOT NULL"),
        ),
    ),
    Part(
        ("correlator_retention_edges::test_what_a_long_silence_holds_back_is_known_while_it_does",
         "correlator_retention_edges::test_what_a_ticket_was_about_is_known_for_thirty_days_after_its_end",
         "correlator_retention_edges::test_so_is_what_many_shared_after_few_are_left"),
        (
            Mutant(RETENTION, "IN ('unpublished', 'silenced')", "= 'unpublished'"),
            Mutant(RETENTION, "            AND {_ENDED_LONG_AGO.format(begun=\"old.at\")}", ""),
            Mutant(RETENTION, "            AND {_ENDED_LONG_AGO.format(begun=\"coalesce(old.opened_at, 0)\")}", ""),
            Mutant(RETENTION, " AND ended.outcome <> 'called_off'", ""),
        ),
    ),
    Part(
        ("correlator_retention_edges::test_what_was_refused_keeps_nothing_of_others",),
        (Mutant(RETENTION, " AND command.verdict = old.verdict", ""),),
    ),
    Part(
        ("correlator_retention::test_times_without_heartbeats_are_kept_for_thirty_days_and_the_last_one_for_ever",),
        (Mutant(RETENTION, "later.org = old.org AND ", ""),),
    ),
    Part(
        ("correlator_emptying",),
        (
            Mutant("adapters/correlator/leftovers", "(\"silence_held\", \"policy_version\")",
                   "(\"silence_held\", \"policy_version\", \"held_judgement\")"),
        ),
    ),
)  # fmt: skip
