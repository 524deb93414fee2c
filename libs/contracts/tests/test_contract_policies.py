"""Health policies: defaults, what is refused, and which value counts for one subject."""

from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from fettle_contracts.health_policy import (
    ROLLUP_FIELDS,
    RULES,
    HealthPolicy,
    Match,
    Override,
    bounds_for,
    effective,
)
from fettle_contracts.identity import SubjectRef
from fettle_contracts.message import Fault, faults

T17 = SubjectRef.parse("device/t17")
PLAIN_RULES = [name for name in RULES if name not in (*ROLLUP_FIELDS, "timeout_s", "default_interval_s")]


def _faults(value: dict[str, Any]) -> list[Fault]:
    with pytest.raises(ValidationError) as refused:
        HealthPolicy.model_validate(value)
    return list(faults(refused.value))


@pytest.mark.rule("KF-12")
def test_the_platforms_defaults() -> None:
    policy = HealthPolicy()
    assert policy.to_dict() == {
        "enabled": False,
        "publish_tickets": False,
        "discover": "judge",
        "subject_cap": 200_000,
        **RULES,
        "overrides": [],
    }


@pytest.mark.rule("KF-12")
def test_a_timeout_that_nobody_set_is_three_intervals_and_at_least_thirty_seconds() -> None:
    rules = effective(HealthPolicy())
    assert rules.timeout_for(None) == 180
    assert rules.timeout_for(2) == 30
    assert rules.timeout_for(3600) == 10_800
    assert effective(HealthPolicy(timeout_s=1)).timeout_for(2) == 1


OVERRIDE_ROWS = st.fixed_dictionaries(
    {},
    optional={
        layer: st.fixed_dictionaries({}, optional={name: st.integers(2, 900) for name in PLAIN_RULES}).filter(bool)
        for layer in ("integration", "model", "subject")
    },
)
NAMES = {"integration": "hue-1", "model": "T100", "subject": "device/t17"}


@pytest.mark.rule("KF-13")
@given(
    org=st.fixed_dictionaries({}, optional={name: st.integers(2, 900) for name in PLAIN_RULES}),
    layers=OVERRIDE_ROWS,
    order=st.permutations(["integration", "model", "subject"]),
)
def test_each_field_takes_the_last_layer_that_sets_it(
    org: dict[str, int], layers: dict[str, dict[str, int]], order: list[str]
) -> None:
    overrides = [{"match": {name: NAMES[name]}, **layers[name]} for name in order if name in layers]
    rules = effective(HealthPolicy.kept({**org, "overrides": overrides}), "hue-1", "T100", T17)
    for name in PLAIN_RULES:
        value, source = RULES[name], "platform"
        for layer, given_here in (("org", org), *((layer, layers.get(layer, {})) for layer in NAMES)):
            if name in given_here and not (layer == "org" and given_here[name] == value):
                value, source = given_here[name], "org" if layer == "org" else f"{layer} {NAMES[layer]}"
        assert (getattr(rules, name), rules.sources[name]) == (value, source)


@pytest.mark.rule("KF-13")
def test_overrides_of_others_do_not_count() -> None:
    policy = HealthPolicy.model_validate(
        {"overrides": [{"match": {name: f"{value}x"}, "open_debounce_s": 5} for name, value in NAMES.items()]}
    )
    assert effective(policy, "hue-1", "T100", T17).open_debounce_s == 60
    assert effective(policy).open_debounce_s == 60


@pytest.mark.rule("KF-13")
def test_an_override_can_take_the_timeout_back_to_the_interval() -> None:
    policy = HealthPolicy.model_validate(
        {"timeout_s": 5, "overrides": [{"match": {"model": "chiller"}, "timeout_s": None}]}
    )
    again = HealthPolicy.from_json(policy.to_json())
    for one in (policy, again):
        assert effective(one, model="chiller").timeout_for(600) == 1800
        assert effective(one, model="T100").timeout_for(600) == 5
    assert policy.to_dict()["overrides"] == [{"match": {"model": "chiller"}, "timeout_s": None}]


@pytest.mark.rule("KF-12")
def test_what_is_shown_can_be_sent_back() -> None:
    policy = HealthPolicy(timeout_s=5)
    assert effective(HealthPolicy.from_json(policy.to_json())) == effective(policy)


@pytest.mark.rule("KF-12")
@pytest.mark.parametrize(
    ("value", "field", "rule"),
    [
        ({"flap_window_s": 86_401}, "flap_window_s", "at most 86400"),
        ({"rollup_window_s": 86_401}, "rollup_window_s", "at most 86400"),
        ({"timeout_s": 0}, "timeout_s", "at least 1"),
        ({"open_debounce_s": -1}, "open_debounce_s", "at least 0"),
        ({"open_debounce_s": 1.5}, "open_debounce_s", "whole number"),
        ({"timeout_s": True}, "timeout_s", "whole number"),
        ({"open_debounce_s": "60"}, "open_debounce_s", "whole number"),
        ({"flap_threshold": True}, "flap_threshold", "whole number"),
        ({"subject_cap": True}, "subject_cap", "whole number"),
        ({"enabled": 1}, "enabled", "true or false"),
        ({"publish_tickets": "yes"}, "publish_tickets", "true or false"),
        ({"discover": "all"}, "discover", "'judge' or 'list_only'"),
        ({"subject_cap": 0}, "subject_cap", "at least 1"),
        ({"timeout_s": 30, "default_interval_s": 45}, "timeout_s", "timeout_s 30 is under default_interval_s 45"),
        (
            {"open_debounce_s": 300},
            "open_debounce_s",
            "open_debounce_s 300 is not below rollup_window_s 300 for the org:",
        ),
        ({"rollup_window_s": 60}, "rollup_window_s", "open_debounce_s 60 is not below rollup_window_s 60 for the org:"),
        (
            {"overrides": [{"match": {"integration": "a"}, "rollup_window_s": 30}]},
            "overrides.0.rollup_window_s",
            "60 is not below rollup_window_s 30 for integration a (with what is set for the org):",
        ),
        (
            {
                "overrides": [
                    {"match": {"subject": "device/a"}, "open_debounce_s": 100},
                    {"match": {"integration": "b"}, "rollup_window_s": 90},
                ]
            },
            "overrides.0.open_debounce_s",
            "100 is not below rollup_window_s 90 for subject device/a (with what is set for integration b):",
        ),
        (
            {"overrides": [{"match": {"integration": "a"}, "open_debounce_s": 400, "rollup_window_s": 900}]},
            "overrides.0.open_debounce_s",
            "400 is not below rollup_window_s 300 for integration a (with what is set for the org):",
        ),
        ({"overrides": [{"match": {}, "timeout_s": 9}]}, "overrides.0.match", "exactly one of"),
        (
            {"overrides": [{"match": {"model": "a", "integration": "b"}, "timeout_s": 9}]},
            "overrides.0.match",
            "exactly one of",
        ),
        ({"overrides": [{"match": {"subject": "t17"}, "timeout_s": 9}]}, "overrides.0.match.subject", "type/id"),
        ({"overrides": [{"match": {"model": "a"}}]}, "overrides.0", "overrides nothing"),
        ({"overrides": [{"match": {"model": "a"}, "open_debouce_s": 3}]}, "overrides.0", "overrides nothing"),
        ({"overrides": [{"match": {"model": "a"}, "rollup_threshold": 3}]}, "overrides.0", "an integration only"),
        (
            {"overrides": [{"match": {"model": "a"}, "timeout_s": 9}, {"match": {"model": "a"}, "timeout_s": 8}]},
            "overrides.1.match",
            "two overrides match model a",
        ),
        (
            {"default_interval_s": 600, "overrides": [{"match": {"model": "a"}, "timeout_s": 9}]},
            "overrides.0.timeout_s",
            "timeout_s 9 is under default_interval_s 600 for model a (with what is set for the org)",
        ),
        (
            {
                "overrides": [
                    {"match": {"subject": "device/t17"}, "default_interval_s": 60},
                    {"match": {"integration": "hue-1"}, "timeout_s": 9},
                ]
            },
            "overrides.0.default_interval_s",
            "9 is under default_interval_s 60 for subject device/t17 (with what is set for integration hue-1)",
        ),
        ({"overrides": [{"match": {"model": "a\0"}, "timeout_s": 90}]}, "overrides.0.match.model", "no control"),
        (
            {"overrides": [{"match": {"integration": "a\x9f"}, "timeout_s": 90}]},
            "overrides.0.match.integration",
            "no control",
        ),
    ],
)
def test_values_that_cannot_work_are_refused_naming_field_and_rule(
    value: dict[str, Any], field: str, rule: str
) -> None:
    assert any(fault.field == field and rule in fault.message for fault in _faults(value)), _faults(value)


TIMES = st.fixed_dictionaries(
    {}, optional={"timeout_s": st.none() | st.integers(1, 4), "default_interval_s": st.integers(1, 4)}
).filter(bool)
LAYERS = {name: [{name: value}, {name: f"{value}x"}] for name, value in NAMES.items()}


@pytest.mark.rule("KF-12", "KF-13")
@given(
    org=TIMES,
    overrides=st.lists(
        st.tuples(st.sampled_from([match for layer in LAYERS.values() for match in layer]), TIMES),
        unique_by=lambda override: str(override[0]),
        max_size=6,
    ),
)
def test_a_policy_is_refused_exactly_when_a_subject_could_have_a_timeout_under_its_interval(
    org: dict[str, Any], overrides: list[tuple[dict[str, str], dict[str, Any]]]
) -> None:
    body = {**org, "overrides": [{"match": match, **times} for match, times in overrides]}
    kept = HealthPolicy.kept(body)
    values = [[None, *(match[name] for match in layer)] for name, layer in LAYERS.items()]
    found = [
        effective(kept, integration, model, None if subject is None else SubjectRef.parse(subject))
        for integration, model, subject in product(*values)
    ]
    impossible = any(
        rules.timeout_s is not None
        and rules.sources["default_interval_s"] != "platform"
        and rules.timeout_s < rules.default_interval_s
        for rules in found
    )
    if impossible:
        (fault,) = _faults(body)
        assert fault.field.endswith(("timeout_s", "default_interval_s"))
    else:
        assert HealthPolicy.model_validate(body) == kept


LASTING = st.fixed_dictionaries({}, optional={"open_debounce_s": st.integers(59, 62)})
SHARING = st.fixed_dictionaries(
    {}, optional={"open_debounce_s": st.integers(59, 62), "rollup_window_s": st.integers(59, 62)}
)


@pytest.mark.rule("HM-272", "KF-12", "KF-13")
@given(
    org=SHARING,
    integrations=st.lists(SHARING.filter(bool), max_size=2),
    models=st.lists(LASTING.filter(bool), max_size=2),
    subjects=st.lists(LASTING.filter(bool), max_size=2),
)
def test_a_policy_is_refused_exactly_when_a_subject_could_fire_behind_its_rollup_window(
    org: dict[str, Any], integrations: list[Any], models: list[Any], subjects: list[Any]
) -> None:
    given_here = {"integration": integrations, "model": models, "subject": subjects}
    overrides = [
        {"match": LAYERS[name][number], **rules}
        for name, said in given_here.items()
        for number, rules in enumerate(said)
    ]
    kept = HealthPolicy.kept({**org, "overrides": overrides})
    values = [[None, *(match[name] for match in layer)] for name, layer in LAYERS.items()]
    found = [
        effective(kept, integration, model, None if subject is None else SubjectRef.parse(subject))
        for integration, model, subject in product(*values)
    ]
    if any(each.open_debounce_s >= min(each.rollup_window_s, kept.rollup_window_s) for each in found):
        (fault,) = _faults({**org, "overrides": overrides})
        assert fault.field.endswith(("open_debounce_s", "rollup_window_s"))
        assert "open_debounce_s" in fault.message
        assert "rollup_window_s" in fault.message
    else:
        assert HealthPolicy.model_validate({**org, "overrides": overrides}) == kept


NEAR = st.fixed_dictionaries(
    {},
    optional={
        "timeout_s": st.none() | st.integers(59, 62),
        "default_interval_s": st.integers(59, 62),
        "open_debounce_s": st.integers(59, 62),
    },
)
NEAR_AND_WINDOW = st.builds(
    lambda times, windows: times | windows,
    NEAR,
    st.fixed_dictionaries({}, optional={"rollup_window_s": st.integers(60, 63)}),
)


def _is_accepted(value: dict[str, Any]) -> bool:
    try:
        HealthPolicy.model_validate(value)
    except ValidationError:
        return False
    return True


@pytest.mark.rule("HM-288")
@given(
    org=NEAR_AND_WINDOW,
    integrations=st.lists(NEAR_AND_WINDOW.filter(bool), max_size=2),
    models=st.lists(NEAR.filter(bool), max_size=2),
    own=NEAR,
    rule=st.sampled_from(["timeout_s", "open_debounce_s"]),
    value=st.integers(57, 64),
)
def test_bounds_are_what_an_override_for_one_subject_may_set(
    org: dict[str, Any], integrations: list[Any], models: list[Any], own: dict[str, Any], rule: str, value: int
) -> None:
    subject = str(LAYERS["subject"][0]["subject"])
    others = [
        {"match": LAYERS[name][number], **rules}
        for name, said in (("integration", integrations), ("model", models))
        for number, rules in enumerate(said)
    ]
    match = {"match": {"subject": subject}}
    before = {**org, "overrides": [*others, *([{**match, **own}] if own else [])]}
    assume(_is_accepted(before))
    bounds = bounds_for(HealthPolicy.model_validate(before), subject)
    within = {
        "timeout_s": value >= bounds.timeout_from_s,
        "open_debounce_s": value <= bounds.open_debounce_to_s,
    }[rule]
    assert _is_accepted({**org, "overrides": [*others, {**match, **own, rule: value}]}) is within


OWN = {"match": {"subject": "device/t17"}}
ALL = set(RULES)


@pytest.mark.rule("HM-300")
@pytest.mark.parametrize(
    ("stored", "refused", "stands"),
    [
        ({"open_debounce_s": 59}, set(), True),
        ({"open_debounce_s": 400}, ALL, False),
        ({"overrides": [{"match": {"model": "a"}, "open_debounce_s": 400}]}, ALL, False),
        ({"overrides": [{**OWN, "open_debounce_s": 400, "timeout_s": 9}]}, ALL - {"open_debounce_s"}, False),
        ({"overrides": [{**OWN, "timeout_s": 9, "default_interval_s": 10}]}, ALL - {"timeout_s"}, False),
    ],
)
def test_of_a_policy_that_would_be_refused_only_what_mends_it_may_be_set(
    stored: dict[str, Any], refused: set[str], stands: bool
) -> None:
    bounds = bounds_for(HealthPolicy.kept(stored), "device/t17")
    assert (set(bounds.refused), bounds.stands) == (refused, stands)


@pytest.mark.rule("HM-300")
@pytest.mark.parametrize(
    ("others", "own", "refused"), [(1000, [], ALL), (999, [{**OWN, "timeout_s": 90}], set()), (999, [], set())]
)
def test_a_policy_that_is_full_has_room_for_no_other_override(
    others: int, own: list[dict[str, Any]], refused: set[str]
) -> None:
    overrides = [{"match": {"subject": f"device/{number}"}, "timeout_s": 90} for number in range(others)]
    bounds = bounds_for(HealthPolicy.model_validate({"overrides": [*overrides, *own]}), "device/t17")
    assert (set(bounds.refused), bounds.stands) == (refused, True)


@pytest.mark.rule("HM-272")
def test_an_open_debounce_that_is_not_below_the_rollup_window_stays_readable() -> None:
    assert HealthPolicy.kept({"open_debounce_s": 300}).open_debounce_s == 300


@pytest.mark.rule("KF-12")
def test_what_was_accepted_under_fewer_rules_stays_readable() -> None:
    stored = {"overrides": [{"match": {"model": "a\x01"}, "timeout_s": 9, "default_interval_s": 600}]}
    assert len(_faults(stored)) == 1
    assert HealthPolicy.kept(stored).to_dict()["overrides"] == stored["overrides"]


@pytest.mark.rule("KF-12")
def test_a_short_timeout_is_fine_where_nobody_knows_the_interval() -> None:
    assert HealthPolicy(timeout_s=1).timeout_s == 1


@pytest.mark.rule("KF-13")
def test_an_integration_may_set_rollup_rules() -> None:
    override = Override(match=Match(integration="hue-1"), rollup_threshold=3)
    assert effective(HealthPolicy(overrides=(override,)), "hue-1").rollup_threshold == 3
