"""The health policy as its page shows it: rules in words, overrides, and which value holds for whom and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from fettle_console.views.words import length
from fettle_contracts.health_policy import RULES, TIMEOUT_MIN_S, HealthPolicy, effective
from fettle_contracts.identity import SubjectRef


@dataclass(frozen=True, slots=True)
class RuleWords:
    """One rule: what it says, in which unit, and of what it is a part."""

    name: str
    label: str
    unit: str
    group: str


RULE_WORDS = (
    RuleWords("timeout_s", "Silent for longer than this is unhealthy", "s", "Silence"),
    RuleWords("default_interval_s", "Interval, where none is known", "s", "Silence"),
    RuleWords("open_debounce_s", "Unhealthy for this long opens a ticket", "s", "Tickets"),
    RuleWords("resolve_debounce_s", "Healthy for this long resolves it", "s", "Tickets"),
    RuleWords("flap_threshold", "This many changes are flapping", "", "Flapping"),
    RuleWords("flap_flips_threshold", "So are this many flips of the reading", "", "Flapping"),
    RuleWords("flap_window_s", "Flapping is counted within", "s", "Flapping"),
    RuleWords("flap_stable_s", "Stable for this long ends flapping", "s", "Flapping"),
    RuleWords("rollup_threshold", "This many devices of an integration share a ticket", "", "Shared tickets"),
    RuleWords("rollup_window_s", "They must have turned unhealthy within", "s", "Shared tickets"),
)
RULE_GROUPS = [(group, list(few)) for group, few in groupby(RULE_WORDS, lambda rule: rule.group)]
_WORDS = {rule.name: rule for rule in RULE_WORDS}
KINDS = (("integration", "Integration"), ("model", "Model"), ("subject", "Subject"))


@dataclass(frozen=True, slots=True)
class ShownOverride:
    """One override: for whom, and what it sets. `place` is its number in the policy."""

    place: int
    kind: str
    value: str
    sets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Holds:
    """Which value of a rule counts for a subject, who set it, and whom it overruled; `would`: by the typed policy, None
    when that is the same."""

    label: str
    value: str
    set_by: str
    over: Sequence[str]
    would: str | None


def value_words(name: str, value: Any) -> str:
    """A rule's value with its unit."""
    if value is None:
        return f"3 × interval, at least {TIMEOUT_MIN_S} s"
    return length(value) if name.endswith("_s") else str(value)


def overrides(policy: Mapping[str, Any]) -> list[ShownOverride]:
    """In the order of the policy."""
    found = []
    for place, one in enumerate(policy.get("overrides", ())):
        ((kind, value),) = one["match"].items()
        sets = [f"{_WORDS[name].label.lower()}: {value_words(name, one[name])}" for name in RULES if name in one]
        found.append(ShownOverride(place, kind, value, sets))
    return found


def holding(policy: HealthPolicy, subject: Mapping[str, Any], typed: HealthPolicy | None = None) -> list[Holds]:
    """The rules for a subject as the API shows it, by the policy, and by one that is only typed."""
    reference = SubjectRef.parse(f"{subject['type']}/{subject['id']}")
    whose = (subject.get("integration"), subject.get("model"), reference)
    rules = effective(policy, *whose)
    others = effective(typed, *whose) if typed else rules
    found = []
    for rule in RULE_WORDS:
        layers = list(_layers(policy, rule.name, *whose))
        value = _said(rule.name, getattr(rules, rule.name), rules.timeout_for(subject.get("interval_s")))
        would = _said(rule.name, getattr(others, rule.name), others.timeout_for(subject.get("interval_s")))
        over = [f"{value_words(rule.name, said)} of {who}" for who, said in reversed(layers[:-1])]
        found.append(Holds(rule.label, value, layers[-1][0], over, would if would != value else None))
    return found


def _said(name: str, value: Any, timeout_s: float) -> str:
    words = value_words(name, value)
    return f"{length(timeout_s)} ({words})" if name == "timeout_s" and value is None else words


def _layers(
    policy: HealthPolicy, name: str, integration: str | None, model: str | None, subject: SubjectRef
) -> Iterable[tuple[str, Any]]:
    """Who says something of the rule, the last one wins: (who, value)."""
    yield "the platform", RULES[name]
    if getattr(policy, name) != RULES[name]:
        yield "the org", getattr(policy, name)
    wanted = (("integration", integration), ("model", model), ("subject", str(subject)))
    for kind, value in wanted:
        for override in policy.overrides:
            if value is not None and getattr(override.match, kind) == value and name in override.fields:
                yield f"{kind} {value}", override.fields[name]
