"""What the correlator counts, with its meaning. What a judge counts stands in `judge/metrics.py`."""

from fettle_chassis.metrics import counter, gauge

JUDGEMENTS = counter("correlator_judgements", "Messages of the judges taken in, by kind; repeats apart.", "kind")
OUTCOMES = counter(
    "correlator_outcomes",
    "Verdicts that have ended, by what called for them, how, and for which reason.",
    "cause",
    "outcome",
    "reason",
)
VERDICTS = gauge(
    "correlator_verdicts",
    "Verdicts of the last 25 hours: called for, decided, waiting; of the decided those still unanswered.",
    "state",
)
VERDICTS_OF_HOUR = gauge(
    "correlator_hour_verdicts",
    "Verdicts of an org's hour (current, previous): `called` for, and by how they end or wait, which adds up to it.",
    "org",
    "hour",
    "ending",
)
VERDICTS_UNACCOUNTED = gauge(
    "correlator_verdicts_unaccounted",
    "Verdicts of the last 25 hours that nothing called for, or that neither wait nor have just one end: 0 or a bug.",
)
COMMANDS = counter("correlator_commands", "Ticket commands sent, by verb.", "verb")
REFUSALS = counter("correlator_refusals", "Own ticket commands that the ticket service refused, by its code.", "code")
EARLY_RESOLVES = counter(
    "correlator_early_resolves",
    "Resolves of the monitor's tickets, its own (`not_by_somebody`) included, by what followed.",
    "followed",
)
HELLOS = counter(
    "correlator_hellos", "Shards that started anew, or behind lost log, and were told everything in force."
)
CONTROL_RECORDS = counter(
    "correlator_control_records", "Control records written for shards, by what they state.", "control"
)
IMPORTED = counter(
    "correlator_imported_lines", "Lines of registry imports, dry runs apart, by what became of them.", "result"
)
SILENCES_UNREAD = counter(
    "correlator_silences_unread", "Times that silences could not be read, and it was decided as if there were none."
)
LOSSES = counter("correlator_losses", "Times that heartbeats of a whole org were found to be lost.")
FORGOTTEN = counter(
    "correlator_forgotten_rows", "Rows that are past their time and needed by nothing, by table.", "table"
)
STALLED_SHARDS = gauge(
    "correlator_stalled_shards", "Shards that are not waited for, by partition of health.judgements.", "partition"
)
