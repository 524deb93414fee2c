"""What the ticket service makes of a command, and what a verdict comes to by that.

A verdict that asks for a ticket is decided by what is known then, and ends by the answer: whether there is a new
ticket, one that came back, one that was there all along, or none. So does one that joins a ticket which is only asked
for, and one by which a ticket is merged.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fettle_contracts.results import Outcome
from fettle_health_monitor.domain.correlator.incident import KnownTicket


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command, and of which ticket; of one that was rejected by which code, in which words."""

    command: UUID
    outcome: Outcome
    code: str | None
    message: str | None
    ticket: KnownTicket | None


@dataclass(frozen=True, slots=True)
class Settled:
    """How a verdict ends. `reason` and `because` are None where they stay what they were when it was decided."""

    outcome: str
    reason: str | None = None
    because: str | None = None


AWAITING: Final = ("opened", "reopened", "joined", "merged")
"""How a verdict that awaits an answer may have been decided."""


def settled(decided: str, answer: Answer) -> Settled:
    """How a verdict ends that was `decided` so (one of `AWAITING`), and that this answer was awaited for."""
    if answer.outcome is Outcome.REJECTED:
        reason = f"the ticket service refused it ({answer.code}): {answer.message}"
        return Settled("refused", reason, answer.code)
    if decided == "joined":
        return Settled(decided)
    changed = answer.outcome is Outcome.APPLIED
    if decided == "merged":
        return Settled(decided) if changed else Settled("nothing_to_resolve", "its ticket was resolved", "no_ticket")
    if answer.ticket is None:  # taken in before a version was kept with it (migration 0011)
        return Settled(decided)
    if not changed:
        return Settled("already_open", f"ticket #{answer.ticket.number} is unresolved", "unresolved")
    return Settled("opened" if answer.ticket.version == 1 else "reopened")
