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
            Mutant(RETENTION, "(incident.asked_verb IS NOT NULL OR ", "("),
        ),
    ),
)  # fmt: skip
