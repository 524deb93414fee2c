"""Why there is or is not a ticket, and what a replay found."""

from typing import Any, Literal, TypedDict

from fettle_client.shapes.health import Blind, Condition, HealthState, SubjectTicket


class Timer(TypedDict):
    """What is waited for, and until when if all time until then is observed. `ran_out`: it ended then."""

    what: Literal["silence", "open_debounce", "resolve_debounce", "stable_window", "condition"]
    at: str
    ran_out: bool


class Number(TypedDict):
    """A value that holds for the subject, and which layer of the policy set it."""

    value: float
    set_by: str


class Rules(TypedDict):
    """The policy that held."""

    version: int
    enabled: bool
    publish_tickets: bool
    numbers: dict[str, Number]


Outcome = Literal[
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


class Verdict(TypedDict):
    """The last verdict about the subject by then, and how it ended; where that rests on an answer of the ticket service
    that is still to come, how it was decided."""

    id: str
    cause: str
    condition: str | None
    at: str
    outcome: Outcome
    reason: str
    policy_version: int
    evidence: dict[str, Any]


class Replayed(TypedDict):
    """From when on the subject was judged again, the heartbeats of its own since, and how many of them were refused or
    not judged, by why."""

    since: str
    heartbeats: int
    refused: dict[str, int]
    ignored: dict[str, int]


class Change(TypedDict):
    """One change that would have decided otherwise, from `replayed.since` on; a switch as if it had stood so all along.
    `what` is a number of the policy (for just this subject), a switch of the org, its `discover`, or `silence`.
    `from_the_beginning`: later it would change nothing."""

    what: str
    present: float | bool | str | None
    wanted: int | bool | str | None
    from_the_beginning: bool
    size: float
    silence: str | None
    starts_at: str | None
    length_s: int | None
    text: str


class Why(TypedDict):
    """`called_for`: the monitor has asked for a ticket by then and not for its end; `ticket` shows it as it is now.
    `change` is the smallest, `others` would have decided otherwise too; where there is none, `no_change` says why."""

    subject: str
    at: str
    as_of: str
    called_for: bool
    ticket: SubjectTicket | None
    because: str
    suppressed_by: str | None
    state: HealthState | None
    condition: Condition | None
    since: str | None
    last_heard: str | None
    reported: str | None
    timer: Timer | None
    policy: Rules | None
    verdict: Verdict | None
    blind: list[Blind]
    replayed: Replayed | None
    change: Change | None
    others: list[Change]
    no_change: str | None


class Difference(TypedDict):
    """A change that a replay has otherwise than it stands in `published` or `history`."""

    where: str
    wrong: str
    id: str
    fields: list[str]
    replayed: dict[str, Any] | None
    found: dict[str, Any] | None


class Verified(TypedDict):
    """What a replay of a partition found. `same`: nothing else than what was published."""

    partition: int
    generation: int
    since: str
    until: str
    records: int
    same: bool
    published_same: int
    history_same: int
    differences: list[Difference]
    differences_count: int
    states: list[str]
    as_of: str | None


class Verifying(TypedDict, total=False):
    """One line of a replay: how much of it is `done` (0 to 1), at its end what was `verified`, or the `problem` that
    came in between."""

    done: float
    verified: Verified
    problem: dict[Literal["code", "detail"], str]
