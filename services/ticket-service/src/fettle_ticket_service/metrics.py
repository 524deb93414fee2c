"""What this service counts, each with its meaning."""

from fettle_chassis.metrics import counter

COMMANDS = counter(
    "ticket_commands",
    "Commands answered, by verb, outcome and the rule or code that decided.",
    "verb",
    "outcome",
    "reason",
)
CHECKLIST_CHANGES = counter(
    "ticket_checklist_changes", "Members of checklists that were added, recovered, or were added again.", "change"
)
CHECKLIST_NOTES = counter(
    "ticket_checklist_notes", "Entries on checklists that were written when their minute was over, without a command."
)
REMOVED = counter("ticket_removed", "Tickets that went with their timelines when their org's retention was over.")
REPEATS = counter("ticket_command_repeats", "Commands that had been answered before and had no effect.")
UNSOUND = counter("ticket_unsound", "Times that a command or retention met a ticket whose seal does not fit its row.")
