"""Whether an event may start a run: loops that nobody saw coming end here."""

from dataclasses import dataclass
from enum import StrEnum

DEPTH_LIMIT = 8
RETRIED_LIMIT = 100
"""How often one run is retried, whoever asks: runs that have each other retried come to an end, also where nobody
says how deep they are."""


class RefusalCode(StrEnum):
    """Why a run was refused."""

    TOO_DEEP = "too_deep"
    OVER_BUDGET = "over_budget"


@dataclass(frozen=True, slots=True)
class Admitted:
    """The run may start."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The run must not start; it is recorded with this reason."""

    code: RefusalCode
    message: str


def admit(*, depth: int, spent: int, budget_per_hour: int) -> Admitted | Refused:
    """Decide on one run. `depth` is the run's own place in the chain of causes (1: caused by nobody's run), `spent` how
    many runs the workflow started within the hour before."""
    if depth > DEPTH_LIMIT:
        return Refused(
            RefusalCode.TOO_DEEP,
            f"Number {depth} in a chain of runs that cause each other; a chain ends after {DEPTH_LIMIT}.",
        )
    if spent >= budget_per_hour:
        return Refused(
            RefusalCode.OVER_BUDGET, f"The workflow has started its {budget_per_hour} runs of the last hour."
        )
    return Admitted()
