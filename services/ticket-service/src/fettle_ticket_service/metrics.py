"""What this service counts, each with its meaning."""

from fettle_chassis.metrics import counter

COMMANDS = counter(
    "ticket_commands",
    "Commands answered, by verb, outcome and the rule or code that decided.",
    "verb",
    "outcome",
    "reason",
)
REPEATS = counter("ticket_command_repeats", "Commands that had been answered before and had no effect.")
