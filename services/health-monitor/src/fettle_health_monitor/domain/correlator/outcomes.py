"""How a verdict can end. Exactly one of these is recorded for each, with its reason.

The sum grows here and in `decide.py` together: joined a rollup, merged, silenced, held while unobserved.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from fettle_contracts.ticket import Resolution


@dataclass(frozen=True, slots=True)
class Opened:
    """A ticket is asked for; the ticket service opens one or reopens the last one inside its window.

    `supersedes`: the conditions that this one took the place of; their tickets are resolved."""

    name: ClassVar[str] = "opened"
    reason: str
    supersedes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reopened:
    """The same command, after an early resolve of a subject that stayed unhealthy."""

    name: ClassVar[str] = "reopened"
    reason: str


@dataclass(frozen=True, slots=True)
class AlreadyOpen:
    """The incident has its ticket: `number`."""

    name: ClassVar[str] = "already_open"
    number: int

    @property
    def reason(self) -> str:
        return f"ticket #{self.number} is unresolved"


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The org's policy asks for a live picture without tickets."""

    name: ClassVar[str] = "unpublished"
    policy_version: int

    @property
    def reason(self) -> str:
        return f"publish_tickets is off in policy version {self.policy_version}"


@dataclass(frozen=True, slots=True)
class Refused:
    """No ticket may come of it."""

    name: ClassVar[str] = "refused"
    because: Literal["org_unknown", "org_deleted", "not_enabled"]

    @property
    def reason(self) -> str:
        return {
            "org_unknown": "the org is not known",
            "org_deleted": "the org has been deleted",
            "not_enabled": "the org's health monitor is switched off",
        }[self.because]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The end of the subject's tickets is asked for: those about `conditions`."""

    name: ClassVar[str] = "resolved"
    resolution: Resolution
    conditions: tuple[str, ...]

    @property
    def reason(self) -> str:
        return self.resolution.value


@dataclass(frozen=True, slots=True)
class NothingToResolve:
    """No ticket of the subject can be unresolved."""

    name: ClassVar[str] = "nothing_to_resolve"

    @property
    def reason(self) -> str:
        return "no ticket of the subject is unresolved"


Outcome: TypeAlias = Opened | Reopened | AlreadyOpen | Unpublished | Refused | Resolved | NothingToResolve
