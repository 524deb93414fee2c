"""Versions of an org's policy, and what shards are told of them."""

import pytest
from correlator_facts import BRISK
from pydantic import ValidationError

from fettle_contracts.health_policy import HealthPolicy, Match, Override
from fettle_health_monitor.domain import control
from fettle_health_monitor.domain.correlator.policies import Changed, PolicyVersion, Stale, Unchanged, change
from fettle_health_monitor.domain.correlator.registration import Registration

FIRST = PolicyVersion("acme", 1, HealthPolicy())


@pytest.mark.rule("HM-73")
def test_a_change_makes_the_next_version() -> None:
    assert change(FIRST, BRISK, publish_existing=False, seen=None) == Changed(PolicyVersion("acme", 2, BRISK))


@pytest.mark.rule("HM-73")
def test_putting_what_stands_changes_nothing() -> None:
    assert change(FIRST, HealthPolicy(), publish_existing=False, seen=1) == Unchanged(FIRST)


@pytest.mark.rule("HM-67")
def test_asking_for_what_exists_is_a_change_by_itself() -> None:
    standing = PolicyVersion("acme", 4, BRISK)
    assert change(standing, BRISK, publish_existing=True, seen=None) == Changed(PolicyVersion("acme", 5, BRISK, True))


@pytest.mark.rule("HM-73")
def test_a_writer_who_saw_an_older_version_is_told() -> None:
    assert change(PolicyVersion("acme", 4, BRISK), HealthPolicy(), publish_existing=False, seen=3) == Stale(
        PolicyVersion("acme", 4, BRISK)
    )


@pytest.mark.rule("HM-73")
def test_a_shard_is_told_the_whole_policy_with_defaults_and_overrides() -> None:
    policy = HealthPolicy(
        enabled=True,
        overrides=(
            Override(match=Match(model="T100"), timeout_s=None, open_debounce_s=5),
            Override(match=Match(integration="hue-1"), rollup_threshold=9),
        ),
    )
    told = PolicyVersion("acme", 2, policy).statement()
    again = control.decode("policy", control.encode(told))
    assert again == told
    assert told.version == 2
    assert told.resolve_debounce_s == 60
    assert told.overrides == (control.Override(match=control.Match(model="T100"), timeout_s=None, open_debounce_s=5),)


@pytest.mark.rule("HM-70")
def test_the_open_debounce_of_a_subject_is_its_own() -> None:
    policy = HealthPolicy(
        open_debounce_s=7, overrides=(Override(match=Match(subject="device/t17"), open_debounce_s=2),)
    )
    version = PolicyVersion("acme", 1, policy)
    assert version.rules_for("device/t17", None, None).open_debounce_s == 2
    assert version.rules_for("device/t18", None, None).open_debounce_s == 7


@pytest.mark.rule("HM-78")
@pytest.mark.parametrize(
    "body",
    [
        {"interval_s": 0},
        {"interval_s": 86_401},
        {"interval_s": True},
        {"interval_s": "60"},
        {"name": ""},
        {"name": "two\nlines"},
        {"name": "é" * 201},
        {"integration": ""},
        {"space": "x" * 501},
    ],
)
def test_a_registration_that_no_heartbeat_could_say_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Registration.model_validate(body)


@pytest.mark.rule("HM-78")
def test_a_registration_says_what_wins_over_heartbeats() -> None:
    said = Registration.model_validate({"name": "Thermostat 17", "interval_s": 30}).statement()
    assert said == control.Register(name="Thermostat 17", interval_s=30)
