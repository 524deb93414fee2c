"""What this service counts, each with its meaning."""

from fettle_chassis.metrics import counter, histogram

RUNS_STARTED = counter("workflow_runs_started", "Runs that an event started, by trigger.", "trigger")
RUNS_ENDED = counter("workflow_runs_ended", "Runs that ended, by state and the error's code.", "state", "code")
CONDITION_PROBLEMS = counter("workflow_condition_problems", "Conditions that could not be decided and did not hold.")
COMMANDS_GIVEN = counter("workflow_commands", "Ticket commands that runs gave, by verb.", "verb")
RESULTS_UNAWAITED = counter(
    "workflow_results_unawaited", "Results that no run waits for: repeats, late ones, and those of others' commands."
)
CALLS_MADE = counter(
    "workflow_calls",
    "Attempts at calls to the outside, by kind and outcome (done, retry, failed).",
    "kind",
    "outcome",
)
MESSAGES = counter("workflow_messages", "Tries to send a message, by kind of channel and outcome.", "kind", "outcome")
DIGESTS = counter("workflow_digests", "Tries to send a digest, by kind of channel and outcome.", "kind", "outcome")
SCHEDULE_LATENESS = histogram("workflow_schedule_lateness_seconds", "From a due moment to the start of its run.")
SCHEDULE_MISSED = counter("workflow_schedule_missed", "Due moments that passed without a run of their own.")
HOOKS = counter("workflow_hooks", "Requests to hooks, by what became of them.", "outcome")
