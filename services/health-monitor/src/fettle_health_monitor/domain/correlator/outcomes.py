"""How a verdict can end. Exactly one of these is recorded for each, with its reason, and `because`: that in one word of
few, for metrics.

Those that depend on the ticket service's answer are decided here and end by it (`answers.py`). The sum grows here and
in `decide.py` together.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias
from uuid import UUID

from fettle_contracts.ticket import Resolution
from fettle_health_monitor.domain.correlator.evidence import instant
from fettle_health_monitor.domain.correlator.rollups import Member, Parent


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What a silence by `by` that lasted until `until` (broker milliseconds) has held back: so many verdicts."""

    by: str
    until: int
    times: int

    def __str__(self) -> str:
        times = "once" if self.times == 1 else f"{self.times} times"
        return f"Held back by a silence of {self.by} until {instant(self.until)}: {times}."


@dataclass(frozen=True, slots=True)
class Opened:
    """A ticket is asked for; the ticket service opens one or reopens the last one inside its window.

    `supersedes`: the conditions that this one took the place of; their tickets are resolved. `after`: the shared
    ticket, about many devices or the integration's own, that the device was left over from. Where the ticket is an
    integration's: `merges` are the devices' own tickets that are merged into it, and with `takes_over` so is the one
    about many devices, whose members come along. `held_back`: what a silence kept back before."""

    name: ClassVar[str] = "opened"
    reason: str
    because: str = "unhealthy"
    supersedes: tuple[str, ...] = ()
    after: Parent | None = None
    merges: tuple[Member, ...] = ()
    takes_over: bool = False
    held_back: HeldBack | None = None


@dataclass(frozen=True, slots=True)
class OpenedTogether:
    """A ticket about many devices of an integration is asked for in place of the single one; on record it is `opened`
    like any other. `members` are on its list from the beginning; the own tickets of `merges` are merged into it. They
    turned unhealthy within `window_ms`; `threshold` of them would have been enough."""

    name: ClassVar[str] = "opened"
    because: ClassVar[str] = "many_fail"
    parent: Parent
    name_of_integration: str
    failing: int
    members: tuple[Member, ...]
    merges: tuple[Member, ...]
    threshold: int
    window_ms: int

    @property
    def reason(self) -> str:
        return f"{self.failing} devices behind {self.parent.subject} fail together"


@dataclass(frozen=True, slots=True)
class Joined:
    """The device is on the list of a ticket that is there, or is asked for."""

    name: ClassVar[str] = "joined"
    parent: Parent
    member: Member

    @property
    def reason(self) -> str:
        return f"joined {self.parent}"

    @property
    def because(self) -> str:
        return self.parent.condition


@dataclass(frozen=True, slots=True)
class Merged:
    """The ticket of the verdict's subject and condition goes on in `parent`."""

    name: ClassVar[str] = "merged"
    parent: Parent

    @property
    def reason(self) -> str:
        return f"merged into {self.parent}"

    @property
    def because(self) -> str:
        return self.parent.condition


@dataclass(frozen=True, slots=True)
class Reopened:
    """The same command, after an early resolve of a subject that stayed unhealthy."""

    name: ClassVar[str] = "reopened"
    because: ClassVar[str] = "resolved_early"
    reason: str
    merges: tuple[Member, ...] = ()
    takes_over: bool = False


@dataclass(frozen=True, slots=True)
class AlreadyOpen:
    """The incident has its ticket: `number`, which may have come back by somebody's hand. `supersedes`: the conditions
    that this one took the place of; their tickets are resolved, and what is on their lists goes on this ticket's. With
    `takes_over` the one about many devices is merged into it."""

    name: ClassVar[str] = "already_open"
    because: ClassVar[str] = "unresolved"
    number: int
    supersedes: tuple[str, ...] = ()
    takes_over: bool = False

    @property
    def reason(self) -> str:
        return f"ticket #{self.number} is unresolved"


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The org's policy asks for a live picture without tickets: `policy_version`; or one did when the subject fired,
    and it fires since."""

    name: ClassVar[str] = "unpublished"
    because: ClassVar[str] = "not_published"
    policy_version: int | None = None

    @property
    def reason(self) -> str:
        if self.policy_version is None:
            return "nothing was published when it fired, and it has not been well since"
        return f"publish_tickets is off in policy version {self.policy_version}"


@dataclass(frozen=True, slots=True)
class Silenced:
    """A silence of just this subject covers the verdict's instant: the one that lasts longest, until `until` (broker
    milliseconds)."""

    name: ClassVar[str] = "silenced"
    because: ClassVar[str] = "silence"
    silence: UUID
    by: str
    until: int

    @property
    def reason(self) -> str:
        return f"silence {self.silence} of {self.by} lasts until {instant(self.until)}"


@dataclass(frozen=True, slots=True)
class Unobserved:
    """Heartbeats of the whole org are lost: the subject's silence says nothing about it. It is judged when reporting
    has resumed."""

    name: ClassVar[str] = "unobserved"
    because: ClassVar[str] = "heartbeats_lost"

    @property
    def reason(self) -> str:
        return "heartbeats of the org are lost, so that nobody knows whether the subject is silent"


@dataclass(frozen=True, slots=True)
class Refused:
    """No ticket may come of it. What the ticket service refuses ends so too, by its code."""

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

    @property
    def because(self) -> str:
        return self.resolution.value


@dataclass(frozen=True, slots=True)
class NothingToResolve:
    """No ticket of the subject can be unresolved."""

    name: ClassVar[str] = "nothing_to_resolve"
    because: ClassVar[str] = "no_ticket"

    @property
    def reason(self) -> str:
        return "no ticket of the subject is unresolved"


@dataclass(frozen=True, slots=True)
class CalledOff:
    """A verdict that turned out to call for nothing: its subject recovered, or was removed, while it had to wait, or
    things stand otherwise now that it is due."""

    name: ClassVar[str] = "called_off"
    reason: str
    because: Literal["recovered", "few_down", "many_down"]


Outcome: TypeAlias = (
    Opened
    | OpenedTogether
    | Reopened
    | Joined
    | Merged
    | AlreadyOpen
    | Silenced
    | Unobserved
    | Unpublished
    | Refused
    | Resolved
    | NothingToResolve
    | CalledOff
)

OutcomeName = Literal[
    "opened",
    "reopened",
    "already_open",
    "joined",
    "merged",
    "silenced",
    "unpublished",
    "unobserved",
    "refused",
    "resolved",
    "nothing_to_resolve",
    "called_off",
]


@dataclass(frozen=True, slots=True)
class Wait:
    """No outcome yet: the verdict is decided again when what it waits for is over."""

    reason: Literal["judged_afresh", "resolved_early"]
