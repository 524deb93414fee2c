"""The health policy of an org: what it holds, what is refused, and which value counts for one subject.

Fields resolve one by one: platform default, org, integration, model, subject; the later in this list wins. Rollup
rules stop at the integration.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from fettle_contracts.health_conflicts import Conflict, Place, Said, first_conflict, first_debounce_conflict
from fettle_contracts.identity import SubjectRef, SubjectText
from fettle_contracts.message import Message, is_none

DAY_S = 86_400
TIMEOUT_INTERVALS = 3
TIMEOUT_MIN_S = 30
OVERRIDES_LIMIT = 1000

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KEPT = object()


def _no_control(text: str, info: ValidationInfo) -> str:
    if info.context is not _KEPT and _CONTROL.search(text):
        raise ValueError("must have no control characters")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_control)]
Window = Annotated[int, Strict(), Field(ge=1, le=DAY_S)]
Debounce = Annotated[int, Strict(), Field(ge=0, le=DAY_S)]
Count = Annotated[int, Strict(), Field(ge=2, le=100_000)]
Switch = Annotated[bool, Strict()]
"""Strict: `true` is no second, and 1 no switch."""

ROLLUP_FIELDS = ("rollup_threshold", "rollup_window_s")
RULES: Mapping[str, int | None] = MappingProxyType(
    {
        "timeout_s": None,
        "default_interval_s": 60,
        "open_debounce_s": 60,
        "resolve_debounce_s": 60,
        "flap_threshold": 5,
        "flap_flips_threshold": 12,
        "flap_window_s": 600,
        "flap_stable_s": 600,
        "rollup_threshold": 5,
        "rollup_window_s": 300,
    }
)
"""The rules that can be overridden, with the platform's defaults. `timeout_s` null: 3 x interval, at least 30 s."""


Scope = tuple[str | None, str | None, str | None]
"""An integration, a model or a subject; none of them is the whole org."""
WHOLE_ORG: Scope = (None, None, None)


class Match(Message):
    """What an override is for: exactly one of an integration's id, a model, a subject (`device/t17`)."""

    integration: Name | None = Field(default=None, exclude_if=is_none)
    model: Name | None = Field(default=None, exclude_if=is_none)
    subject: SubjectText | None = Field(default=None, exclude_if=is_none)

    @model_validator(mode="after")
    def _exactly_one(self) -> "Match":
        if sum(value is not None for value in (self.integration, self.model, self.subject)) != 1:
            raise ValueError("names exactly one of integration, model, subject")
        return self

    @property
    def scope(self) -> Scope:
        return self.integration, self.model, self.subject


def _without_serializers(schema: Any) -> Any:
    parts = {name: part for name, part in schema.items() if name != "serialization"}
    return parts | {"schema": _without_serializers(parts["schema"])} if isinstance(parts.get("schema"), dict) else parts


class Override(Message):
    """Rules for a part of the fleet. A field left out is not overridden; `timeout_s: null` is (3 x interval)."""

    match: Match
    timeout_s: Window | None = None
    default_interval_s: Window = 60
    open_debounce_s: Debounce = 60
    resolve_debounce_s: Debounce = 60
    flap_threshold: Count = 5
    flap_flips_threshold: Count = 12
    flap_window_s: Window = 600
    flap_stable_s: Window = 600
    rollup_threshold: Count = 5
    rollup_window_s: Window = 300

    @property
    def fields(self) -> dict[str, Any]:
        """The rules that this override sets."""
        return {name: getattr(self, name) for name in RULES if name in self.model_fields_set}

    @model_validator(mode="after")
    def _sets_something_that_it_may(self) -> "Override":
        if not self.fields:
            raise ValueError("overrides nothing")
        if self.match.integration is None and any(name in self.fields for name in ROLLUP_FIELDS):
            raise ValueError("rollup rules can be set for the org or an integration only")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What is written can be read: it has the fields that can be set, though the serializer says any object."""
        return handler(_without_serializers(schema))

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if name in self.model_fields_set}


class HealthPolicy(Message):
    """What an org decides about its health monitor; a field left out has the platform's default."""

    enabled: Switch = False
    publish_tickets: Switch = False
    discover: Literal["judge", "list_only"] = "judge"
    subject_cap: int = Field(default=200_000, strict=True, ge=1, le=1_000_000)
    timeout_s: Window | None = None
    default_interval_s: Window = 60
    open_debounce_s: Debounce = 60
    resolve_debounce_s: Debounce = 60
    flap_threshold: Count = 5
    flap_flips_threshold: Count = 12
    flap_window_s: Window = 600
    flap_stable_s: Window = 600
    rollup_threshold: Count = 5
    rollup_window_s: Window = 300
    overrides: tuple[Override, ...] = Field(default=(), max_length=OVERRIDES_LIMIT)

    @property
    def timeouts(self) -> dict[Scope, int | None]:
        """What it says of `timeout_s`, for the whole org and for each part of the fleet."""
        said = {
            override.match.scope: override.timeout_s for override in self.overrides if "timeout_s" in override.fields
        }
        return {WHOLE_ORG: self.timeout_s, **said}

    @classmethod
    def kept(cls, stored: Mapping[str, Any]) -> Self:
        """A policy that was accepted once: how values work together is not asked again, so that a rule that came later
        does not make it unreadable. Raises ValidationError as always for what is no policy."""
        return cls.model_validate(stored, context=_KEPT)

    @model_validator(mode="after")
    def _works_together(self, info: ValidationInfo) -> Self:
        if info.context is _KEPT:
            return self
        seen: set[Match] = set()
        for number, override in enumerate(self.overrides):
            if override.match in seen:
                raise _refusal(("overrides", number, "match"), f"two overrides match {_named(override.match)}")
            seen.add(override.match)
        # Compared by value, so that an answer of the API, which shows every field, can be sent back.
        said = {name for name, default in RULES.items() if getattr(self, name) != default}
        check_timeouts(self, said)
        _check_debounces(self, said)
        return self


def check_timeouts(policy: HealthPolicy, said: Collection[str]) -> None:
    """Raises ValidationError, naming the field, when a timeout is under the interval that holds with it in some
    combination of org, integration, model and subject. `said`: the fields that the org sets itself, as the platform's
    default interval is a guess and no fact."""
    own = Said((), "the org", {name: getattr(policy, name) for name in RULES if name in said})
    _refuse(first_conflict([[own], *_levels(policy)]))


def _check_debounces(policy: HealthPolicy, said: Collection[str]) -> None:
    """Raises ValidationError, naming a field, when an open debounce is not below a rollup window that holds with it."""
    own = Said((), "the org", {name: getattr(policy, name) for name in RULES})
    integrations, models, subjects = _levels(policy)
    field = "open_debounce_s" if "open_debounce_s" in said else "rollup_window_s"
    _refuse(first_debounce_conflict(own, integrations, [*models, *subjects], field=field))


def _levels(policy: HealthPolicy) -> list[list[Said]]:
    overrides = [
        (override.match, Said(("overrides", number), _named(override.match), override.fields))
        for number, override in enumerate(policy.overrides)
    ]
    return [
        [told for match, told in overrides if getattr(match, level) is not None]
        for level in ("integration", "model", "subject")
    ]


def _refuse(conflict: Conflict | None) -> None:
    if conflict is not None:
        raise _refusal(conflict.place, conflict.message)


def _refusal(place: Place, message: str) -> ValidationError:
    """A validator that raises this is understood to speak of the field at `place`."""
    error = InitErrorDetails(
        type=PydanticCustomError("cannot_work", "{rule}", {"rule": message}), loc=place, input=None
    )
    return ValidationError.from_exception_data("HealthPolicy", [error])


def _named(match: Match) -> str:
    if match.integration is not None:
        return f"integration {match.integration}"
    return f"model {match.model}" if match.model is not None else f"subject {match.subject}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an override for one subject may set beside the rest of a policy. `refused` are the rules that it may set to
    no value at all; the policy may be put with a switch the other way if it `stands` as it is."""

    timeout_from_s: int = 1
    open_debounce_to_s: int = DAY_S
    refused: frozenset[str] = frozenset()
    stands: bool = True


UNBOUNDED = Bounds()


def bounds_for(policy: HealthPolicy, subject: str) -> Bounds:
    """Those for this subject (`device/t17`), whichever integration and model it is of: it may change them. Takes a
    while for a policy with many overrides: call it in a thread."""
    windows = {policy.rollup_window_s}
    intervals = {policy.default_interval_s} - {RULES["default_interval_s"]}
    for override in policy.overrides:
        if override.match.integration is not None and "rollup_window_s" in override.fields:
            windows.add(override.rollup_window_s)
        if override.match.subject is None and "default_interval_s" in override.fields:
            intervals.add(override.default_interval_s)
    own = [override for override in policy.overrides if override.match.subject == subject]
    if own and "default_interval_s" in own[0].fields:
        intervals = {own[0].default_interval_s}
    fits = Bounds(max(intervals, default=1), min(windows) - 1, stands=_would_be_taken(policy.to_dict()))
    if not own and len(policy.overrides) >= OVERRIDES_LIMIT:
        return replace(fits, refused=frozenset(RULES))
    if fits.stands:
        return fits
    may_mend = {"timeout_s": fits.timeout_from_s, "open_debounce_s": fits.open_debounce_to_s}
    mends = {rule for rule, value in may_mend.items() if _would_be_taken(_with(policy, subject, rule, value))}
    return replace(fits, refused=frozenset(RULES.keys() - mends))


def _with(policy: HealthPolicy, subject: str, rule: str, value: int) -> dict[str, Any]:
    """The policy with this value for just this subject."""
    overrides = [override.to_dict() for override in policy.overrides if override.match.subject != subject]
    own = [override.to_dict() for override in policy.overrides if override.match.subject == subject]
    changed = {"match": {"subject": subject}, **(own[-1] if own else {}), rule: value}
    return {**policy.to_dict(), "overrides": [*overrides, changed]}


def _would_be_taken(policy: Mapping[str, Any]) -> bool:
    try:
        HealthPolicy.model_validate(policy)
    except ValidationError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """The rules that count for one subject; `sources` says for each rule which layer set it."""

    enabled: bool
    publish_tickets: bool
    discover: str
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
    sources: Mapping[str, str]

    def timeout_for(self, interval_s: float | None) -> float:
        """Seconds of silence after which a subject with this interval is unhealthy; None: interval unknown."""
        if self.timeout_s is not None:
            return self.timeout_s
        return max(TIMEOUT_MIN_S, TIMEOUT_INTERVALS * (interval_s or self.default_interval_s))


def effective(
    policy: HealthPolicy, integration: str | None = None, model: str | None = None, subject: SubjectRef | None = None
) -> EffectivePolicy:
    """The rules for a subject behind `integration`, of `model`; each may be unknown. Takes every field on its own."""
    values: dict[str, Any] = {name: getattr(policy, name) for name in RULES}
    sources = {name: "platform" if values[name] == default else "org" for name, default in RULES.items()}
    for applies in _layers(integration, model, subject):
        for override in policy.overrides:
            if applies(override.match):
                values |= override.fields
                sources |= dict.fromkeys(override.fields, _named(override.match))
    return EffectivePolicy(
        enabled=policy.enabled,
        publish_tickets=policy.publish_tickets,
        discover=policy.discover,
        subject_cap=policy.subject_cap,
        sources=MappingProxyType(sources),
        **values,
    )


def _layers(
    integration: str | None, model: str | None, subject: SubjectRef | None
) -> tuple[Callable[[Match], bool], ...]:
    reference = None if subject is None else str(subject)
    return (
        lambda match: match.integration is not None and match.integration == integration,
        lambda match: match.model is not None and match.model == model,
        lambda match: match.subject is not None and match.subject == reference,
    )
