"""An org's health policies: numbered versions, what a shard is told of them, and what changing one means."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from fettle_contracts.health_policy import EffectivePolicy, HealthPolicy, Override, effective
from fettle_contracts.identity import SubjectRef
from fettle_health_monitor.domain import control
from fettle_health_monitor.domain.correlator.decide import Switches


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of an org's policy. Versions count from 1 and are never changed."""

    org: str
    version: int
    policy: HealthPolicy
    publish_existing: bool = False

    @property
    def switches(self) -> Switches:
        return Switches(self.version, self.policy.enabled, self.policy.publish_tickets)

    def rules_for(self, subject: str, integration: str | None, model: str | None) -> EffectivePolicy:
        """The rules that count for one subject."""
        return effective(self.policy, integration, model, SubjectRef.parse(subject))

    def statement(self) -> control.Policy:
        """What a shard must know of it: all but what concerns tickets, which shards know nothing about."""
        policy = self.policy
        return control.Policy(
            org=self.org,
            version=self.version,
            enabled=policy.enabled,
            discover=policy.discover,
            subject_cap=policy.subject_cap,
            timeout_s=policy.timeout_s,
            default_interval_s=policy.default_interval_s,
            open_debounce_s=policy.open_debounce_s,
            resolve_debounce_s=policy.resolve_debounce_s,
            flap_threshold=policy.flap_threshold,
            flap_flips_threshold=policy.flap_flips_threshold,
            flap_window_s=policy.flap_window_s,
            flap_stable_s=policy.flap_stable_s,
            overrides=tuple(told for override in policy.overrides if (told := _override(override)) is not None),
        )


def _override(override: Override) -> control.Override | None:
    """None for one that sets rollup rules only: those are decided org-wide."""
    told = {name: value for name, value in override.fields.items() if name in control.Override.__struct_fields__}
    if not told:
        return None
    match = control.Match(
        integration=override.match.integration, model=override.match.model, subject=override.match.subject
    )
    return control.Override(match=match, **told)


def ask_for_existing(versions: Iterable[PolicyVersion]) -> bool:
    """Whether tickets for what fires already are asked for where these versions come into force together, in this
    order: by the last, or by one behind which none publishes no tickets."""
    asked = False
    for each in versions:
        asked = (asked or each.publish_existing) and each.policy.publish_tickets
    return asked


@dataclass(frozen=True, slots=True)
class Changed:
    """The next version."""

    version: PolicyVersion


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The policy asked for is the one that stands."""

    version: PolicyVersion


@dataclass(frozen=True, slots=True)
class Stale:
    """The policy has changed since the version that the caller saw."""

    version: PolicyVersion


PolicyChange: TypeAlias = Changed | Unchanged | Stale


def change(present: PolicyVersion, wanted: HealthPolicy, *, publish_existing: bool, seen: int | None) -> PolicyChange:
    """What putting `wanted` in the place of `present` means. `seen` is the version that the caller last saw, if said.

    `publish_existing` asks for something even where the policy stays as it is.
    """
    if seen is not None and seen != present.version:
        return Stale(present)
    if wanted.to_dict() == present.policy.to_dict() and not publish_existing:
        return Unchanged(present)
    return Changed(PolicyVersion(present.org, present.version + 1, wanted, publish_existing))
