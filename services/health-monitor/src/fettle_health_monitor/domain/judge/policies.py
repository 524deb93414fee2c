"""Which times hold for a subject: an org's policy resolved field by field.

Platform default, org, integration, model, subject: the later in this list wins, each field on its own. The first two
come as one, since a policy record is a whole statement. An integration's overrides are for the devices behind it; for
the integration itself there is its override as a subject.
"""

from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType

from fettle_contracts.health_policy import TIMEOUT_INTERVALS, TIMEOUT_MIN_S
from fettle_health_monitor.domain.control import Policy


class Timing(NamedTuple):
    """How long a subject may be silent, how long a reading must last, and what makes it flap: so many confirmed changes
    or flips within `flap_window`, until a reading lasts for `flap_stable`. Times in milliseconds."""

    timeout: int
    open_debounce: int
    resolve_debounce: int
    flap_window: int = 0
    flap_stable: int = 0
    flap_changes: int = 0
    flap_flips: int = 0


NOT_JUDGED: Final = Timing(0, 0, 0)
"""The timing of a subject whose org is switched off: no timer of it runs."""


class Profile(NamedTuple):
    """What decides which timing a subject has, shared by all that are alike."""

    org: str
    integration: str | None
    model: str | None
    interval_s: float | None


class OrgPolicy:
    """One version of an org's policy, ready to be asked for the timing of any subject."""

    __slots__ = ("_by_integration", "_by_model", "_by_subject", "statement")

    def __init__(self, statement: Policy) -> None:
        self.statement = statement
        self._by_integration = {o.match.integration: o for o in statement.overrides if o.match.integration is not None}
        self._by_model = {o.match.model: o for o in statement.overrides if o.match.model is not None}
        self._by_subject = {o.match.subject: o for o in statement.overrides if o.match.subject is not None}

    def timing(self, profile: Profile, subject: str) -> Timing:
        """The timing of `subject` (`type/id`) with this profile. `NOT_JUDGED` while the org is switched off."""
        if not self.statement.enabled:
            return NOT_JUDGED
        layers = [
            override
            for override in (
                self._by_subject.get(subject),
                self._by_model.get(profile.model or ""),
                self._by_integration.get(profile.integration or ""),
            )
            if override is not None
        ]
        own = self.statement
        timeout = _first(own.timeout_s, *(layer.timeout_s for layer in layers))
        if timeout is None:
            guess = _first(own.default_interval_s, *(layer.default_interval_s for layer in layers))
            timeout = max(TIMEOUT_INTERVALS * (profile.interval_s or guess or 0), TIMEOUT_MIN_S)
        return Timing(
            _ms(timeout),
            _ms(_first(own.open_debounce_s, *(layer.open_debounce_s for layer in layers))),
            _ms(_first(own.resolve_debounce_s, *(layer.resolve_debounce_s for layer in layers))),
            _ms(_first(own.flap_window_s, *(layer.flap_window_s for layer in layers))),
            _ms(_first(own.flap_stable_s, *(layer.flap_stable_s for layer in layers))),
            _count(_first(own.flap_threshold, *(layer.flap_threshold for layer in layers))),
            _count(_first(own.flap_flips_threshold, *(layer.flap_flips_threshold for layer in layers))),
        )

    @property
    def names_subjects(self) -> bool:
        """Whether subjects with the same profile can have different timings."""
        return bool(self._by_subject)

    def cap(self, partitions: int) -> int:
        """How many subjects of the org one shard watches."""
        return max(1, self.statement.subject_cap // partitions)


def _first(fallback: float | None, *overrides: float | UnsetType | None) -> float | None:
    """The first override that is set, in the order given (the strongest first), else the org's own value."""
    for value in overrides:
        if value is not UNSET:
            return value
    return fallback


def _ms(seconds: float | None) -> int:
    return round((seconds or 0) * 1000)


def _count(number: float | None) -> int:
    return int(number or 0)
