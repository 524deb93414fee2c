"""What the health monitor sees, and by which rules."""

from typing import Any, Literal, NotRequired, TypedDict

from fettle_client.shapes.people import SubjectType
from fettle_client.shapes.silences import Silence
from fettle_client.shapes.tickets import TicketState

HealthState = Literal["healthy", "pending_open", "firing", "pending_resolve", "flapping", "unknown"]
SubjectSort = Literal["subject", "since", "-since"]
Condition = Literal["device_offline", "integration_unreachable", "integration_credentials_invalid"]


class SubjectTicket(TypedDict):
    """A subject's unresolved ticket, or the one that it shares with others."""

    id: str
    number: int
    state: TicketState


class ListedSubject(TypedDict):
    """A subject as it is now. `state` is null while it is not judged; `unwatched` says why, if the org's policy is the
    reason (`subject_cap`, `list_only`). `last_heard_as_of` is null where nobody said when it was last heard: in a list
    that was not asked for it, and while the owner of its shard does not answer."""

    type: SubjectType
    id: str
    name: str | None
    state: HealthState | None
    since: str | None
    condition: Condition | None
    integration: str | None
    space: str | None
    model: str | None
    interval_s: int | float | None
    registered: bool
    unwatched: str | None
    policy_version: int | None
    ticket: SubjectTicket | None
    last_heard: str | None
    last_heard_as_of: str | None


class Blind(TypedDict):
    """A time in which nobody was heard, or a shard stood still."""

    kind: Literal["unobserved", "stalled"]
    since: str
    until: str | None


class Holding(TypedDict):
    """A time in which a silence holds."""

    silence: str
    since: str
    until: str
    made_by: str
    reason: str | None


class ShownSubject(ListedSubject):
    """One subject, with when it was last heard, as of when, and who says so; its active silences, when silences held
    in the last day, and when it was not observed."""

    silences: list[Silence]
    silenced: list[Holding]
    blind: list[Blind]
    last_heard_told_by: Literal["owner", "checkpoint"] | None
    as_of: str | None


class HeardHeartbeat(TypedDict):
    """A heartbeat by the broker's time; `status` is null for one that could not be read."""

    at: str
    status: Literal["ok", "offline", "unreachable", "credentials_invalid"] | None


class Heard(TypedDict):
    """All heartbeats of a subject from `since` to `until`, the earliest first."""

    subject: str
    since: str
    until: str
    heartbeats: list[HeardHeartbeat]
    as_of: str | None


class StateCounts(TypedDict):
    """How many are in each state; `unjudged` are those that are in none."""

    healthy: int
    pending_open: int
    firing: int
    pending_resolve: int
    flapping: int
    unknown: int
    unjudged: int


class FleetIntegration(TypedDict):
    """An integration with the devices behind it; `id` null: devices behind none. `unhealthy` is how many were at most
    in each step of the day."""

    id: str | None
    name: str | None
    state: HealthState | None
    devices: StateCounts
    unhealthy: list[int]


class FleetBlind(TypedDict):
    """A time in which subjects of at most `shards` shards could not be observed."""

    since: str
    until: str | None
    shards: int


class FleetLoss(TypedDict):
    """A time in which the org's heartbeats did not arrive."""

    since: str
    until: str | None
    subjects: int


class FleetExample(TypedDict):
    """One of several subjects."""

    type: SubjectType
    id: str
    name: str | None


class FleetChange(TypedDict):
    """What subjects behind an integration, or itself, became in the last hour."""

    integration: str | None
    became: Literal["firing", "healthy", "flapping", "unknown", "new", "forgotten"]
    subjects: int
    latest: str
    example: FleetExample


class Overview(TypedDict):
    """The fleet now and over the day since `since`, in steps of `step_s` seconds."""

    since: str
    step_s: int
    enabled: bool
    publish_tickets: bool
    states: StateCounts
    unhealthy: list[int]
    integrations: list[FleetIntegration]
    more_integrations: int
    blind: list[FleetBlind]
    lost: list[FleetLoss]
    changes: list[FleetChange]
    as_of: str | None


_From = TypedDict("_From", {"from": HealthState | None})


class TransitionSubject(TypedDict):
    """The subject, with the integration that it reports through."""

    type: SubjectType
    id: str
    name: NotRequired[str]
    integration: NotRequired[str]


class Transition(_From):
    """A change of a subject's state. `from` is null when it is first heard or registered, `to` when it is forgotten."""

    id: str
    org: str
    subject: TransitionSubject
    to: HealthState | None
    condition: Condition | None
    at: str
    since: str | None
    policy_version: int
    flap_count: int
    evidence: dict[str, Any]


class Override(TypedDict, total=False):
    """Rules for just what `match` names: one of `integration`, `model` and `subject`."""

    match: dict[Literal["integration", "model", "subject"], str]
    timeout_s: int | None
    default_interval_s: int
    open_debounce_s: int
    resolve_debounce_s: int
    flap_threshold: int
    flap_flips_threshold: int
    flap_window_s: int
    flap_stable_s: int
    rollup_threshold: int
    rollup_window_s: int


class HealthPolicy(TypedDict, total=False):
    """The rules of an org. What is left out when it is put gets the platform's default; `publish_existing` is heard
    then only: tickets for what fires already."""

    enabled: bool
    publish_tickets: bool
    publish_existing: bool
    discover: Literal["judge", "list_only"]
    subject_cap: int
    timeout_s: int | None
    default_interval_s: int
    open_debounce_s: int
    resolve_debounce_s: int
    flap_threshold: int
    flap_flips_threshold: int
    flap_window_s: int
    flap_stable_s: int
    rollup_threshold: int
    rollup_window_s: int
    overrides: list[Override]


class InForce(TypedDict):
    """The version that a shard judges by; null while it has not said."""

    shard: int
    version: int | None


class ShownPolicy(HealthPolicy):
    """The newest version of the org's policy, and which version is in force where. May be put as it is."""

    version: int
    in_force: list[InForce]
    as_of: str | None


class ImportedLine(TypedDict, total=False):
    """What became of a line of a file: `added`, `changed`, `unchanged`, or `refused` by a rule. The last one of all has
    nothing but the `summary`."""

    line: int
    subject: str | None
    result: Literal["added", "changed", "unchanged", "refused"]
    code: str
    field: str
    rule: str
    summary: "ImportSummary"


class ImportSummary(TypedDict):
    """What an import came to. `acknowledged`: whether Kafka has all that shards are told; null in a dry run."""

    dry_run: bool
    lines: int
    added: int
    changed: int
    unchanged: int
    refused: int
    acknowledged: bool | None
    as_of: str | None
