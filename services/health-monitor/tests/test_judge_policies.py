"""Policies at their place in the log, what the registry says, and who is watched."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_log import DEVICE, GATEWAY, T0, Judged, Log, judge, policy

from fettle_contracts.health_policy import HealthPolicy, effective
from fettle_contracts.health_policy import Override as ContractOverride
from fettle_contracts.identity import SubjectRef
from fettle_health_monitor.domain.control import Heard, Match, Override
from fettle_health_monitor.domain.judge.folded import Ignored
from fettle_health_monitor.domain.judge.policies import OrgPolicy, Profile
from fettle_health_monitor.domain.judgements import HeardAgain, InForce, Unwatched
from fettle_health_monitor.domain.judgements import Profile as ProfileTold

RULES = {
    "timeout_s": st.none() | st.integers(1, 900),
    "default_interval_s": st.integers(1, 300),
    "open_debounce_s": st.integers(0, 300),
    "resolve_debounce_s": st.integers(0, 300),
}
NAMES = st.sampled_from(["a", "b"])


@st.composite
def overrides(draw: st.DrawFn) -> list[dict[str, Any]]:
    matches = draw(
        st.lists(st.tuples(st.sampled_from(["integration", "model", "subject"]), NAMES), unique=True, max_size=5)
    )
    rules = [draw(st.fixed_dictionaries({}, optional=RULES)) for _ in matches]
    return [
        {"match": {field: f"device/{name}" if field == "subject" else name}, **fields}
        for (field, name), fields in zip(matches, rules, strict=True)
        if fields
    ]


@pytest.mark.rule("HM-16")
@given(st.fixed_dictionaries(RULES), overrides(), NAMES, NAMES, NAMES, st.none() | st.floats(1, 600))
def test_timings_resolve_field_by_field_as_the_contract_says(
    rules: dict[str, Any], over: list[dict[str, Any]], integration: str, model: str, device: str, interval: float | None
) -> None:
    contract = HealthPolicy.model_construct(
        **rules, overrides=tuple(ContractOverride.model_validate(one) for one in over)
    )
    ours = policy(**rules, overrides=tuple(Override(match=Match(**one["match"]), **rest(one)) for one in over))
    expected = effective(contract, integration, model, SubjectRef.parse(f"device/{device}"))

    timing = OrgPolicy(ours).timing(Profile("acme", integration, model, interval), f"device/{device}")

    assert timing.timeout == round(expected.timeout_for(interval) * 1000)
    assert timing.open_debounce == expected.open_debounce_s * 1000
    assert timing.resolve_debounce == expected.resolve_debounce_s * 1000


def rest(override: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in override.items() if name != "match"}


@pytest.mark.rule("HM-14")
def test_a_shorter_timeout_that_has_passed_takes_effect_at_the_policys_moment() -> None:
    log = Log().policy(timeout_s=100).beat("acme/device/b").pulsed(5).beat("acme/device/a").pulsed(50)

    judged = judge(log.policy(timeout_s=10, open_debounce_s=7, version=2).pulsed(60))

    assert judged.steps("device/a")[1:] == [
        (50.0, "healthy", "pending_open", "silent"),
        (57.0, "pending_open", "firing", "debounce_passed"),
    ]
    late = [change for change in judged.changes if change.at == T0 + 50_000]
    assert [change.subject for change in late] == ["device/b", "device/a"]
    assert {change.policy_version for change in late} == {2}


@pytest.mark.rule("HM-270")
def test_an_override_for_an_integration_is_for_the_devices_behind_it() -> None:
    over = (
        Override(match=Match(integration="hue-1"), timeout_s=20),
        Override(match=Match(subject="integration/hue-2"), timeout_s=30),
    )
    log = Log().policy(timeout_s=50, overrides=over).beat(integration="hue-1")
    log.beat("acme/integration/hue-1", type="integration").beat("acme/integration/hue-2", type="integration")

    judged = judge(log.pulsed(60))

    silent_at = {change.subject: change.at - T0 for change in judged.changes if change.reason == "silent"}
    assert silent_at == {"device/t17": 20_000, "integration/hue-2": 30_000, "integration/hue-1": 50_000}


@pytest.mark.rule("HM-270")
@pytest.mark.parametrize("named", ["as it appears", "later", "by the registry", "by what it had said"])
def test_an_integration_is_behind_none_whatever_it_names(named: str) -> None:
    over = (Override(match=Match(integration="hue-1"), timeout_s=3600),)
    log = Log().policy(timeout_s=180, overrides=over).beat(integration="hue-1").beat("acme/device/b")
    match named:
        case "as it appears":
            log.beat(GATEWAY, status="ok", integration="hue-1")
        case "later":
            log.beat(GATEWAY).beat(GATEWAY, status="ok", integration="hue-1", model="T100")
        case "by the registry":
            log.register(GATEWAY, integration="hue-1")
        case _:
            log.register(GATEWAY, integration="hue-2").register(GATEWAY, heard=Heard(integration="hue-1"))
    judged = judge(log.pulsed(200))

    silent_at = {change.subject: change.at - T0 for change in judged.changes if change.reason == "silent"}
    assert silent_at == {"device/b": 180_000, "integration/hue-1": 180_000}
    told = [each for each in judged.judgements if isinstance(each, ProfileTold) and each.subject == "integration/hue-1"]
    assert {each.integration for each in told} <= {None}


@pytest.mark.rule("HM-14")
def test_a_running_debounce_is_timed_anew_from_where_it_began() -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=60).beat().pulsed(15)

    assert judge(log.policy(timeout_s=10, open_debounce_s=20).pulsed(40)).steps()[-1] == (
        30.0,
        "pending_open",
        "firing",
        "debounce_passed",
    )


@pytest.mark.rule("HM-15")
def test_a_longer_timeout_lifts_a_silence_that_is_not_too_long_any_more() -> None:
    brisk: dict[str, Any] = {"timeout_s": 10, "open_debounce_s": 10, "resolve_debounce_s": 5}
    pending = judge(Log().policy(**brisk).beat().pulsed(15).policy(timeout_s=100).pulsed(20))
    firing = judge(Log().policy(**brisk).beat().pulsed(25).policy(timeout_s=100, resolve_debounce_s=5).pulsed(35))

    assert pending.steps()[-1] == (15.0, "pending_open", "healthy", "policy_changed")
    assert firing.steps()[-2:] == [
        (25.0, "firing", "pending_resolve", "policy_changed"),
        (30.0, "pending_resolve", "healthy", "debounce_passed"),
    ]


@pytest.mark.rule("HM-271")
@pytest.mark.parametrize("said", [{"interval_s": 20}, {"integration": "slow"}, {"model": "slow"}])
def test_a_registration_that_allows_more_silence_lifts_one_that_is_not_too_long_any_more(said: dict[str, Any]) -> None:
    over = (Override(match=Match(integration="slow"), timeout_s=60), Override(match=Match(model="slow"), timeout_s=60))
    brisk: dict[str, Any] = {"default_interval_s": 1, "open_debounce_s": 10, "resolve_debounce_s": 5, "overrides": over}
    pending = judge(Log().policy(**brisk).beat().pulsed(35).register(**said).pulsed(40))
    firing = judge(Log().policy(**brisk).beat().pulsed(45).register(**said).pulsed(55))
    too_late = judge(Log().policy(**brisk).beat().pulsed(65).register(**said).pulsed(70))
    offline = judge(Log().policy(**brisk).beat(status="offline").pulsed(15).register(**said).pulsed(20))

    assert pending.steps()[-1] == (35.0, "pending_open", "healthy", "registration_changed")
    assert firing.steps()[-2:] == [
        (45.0, "firing", "pending_resolve", "registration_changed"),
        (50.0, "pending_resolve", "healthy", "debounce_passed"),
    ]
    assert too_late.steps()[-1][2:] == ("firing", "debounce_passed")
    assert offline.steps()[-1] == (10.0, "pending_open", "firing", "debounce_passed")


@pytest.mark.rule("HM-271")
def test_a_registration_lifts_a_silence_up_to_the_last_millisecond() -> None:
    def at(seconds: float) -> list[tuple[float, str | None, str | None, str]]:
        log = Log().policy(default_interval_s=1, open_debounce_s=60).beat().pulsed(59).at(seconds)
        return judge(log.register(interval_s=20)).steps()[2:]

    assert at(59.999) == [(59.999, "pending_open", "healthy", "registration_changed")]
    assert at(60) == []


@pytest.mark.rule("HM-271", "HM-160")
def test_the_first_heartbeat_after_a_registration_that_allows_more_silence_is_told() -> None:
    log = Log().policy(default_interval_s=1).beat().pulsed(35).register(interval_s=20).pulsed(36).beat().pulsed(37)
    heard = [each.at for each in judge(log.beat()).judgements if isinstance(each, HeardAgain)]
    assert heard == [T0 + 36_000]


@pytest.mark.rule("HM-271", "HM-20")
def test_a_registration_that_leaves_the_timeout_alone_lifts_nothing_after_a_hole() -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=10).beat().pulsed(25).at(600).pulse().pulsed(602)

    assert judge(log.register(interval_s=20).pulsed(605)).steps()[-1][2] == "firing"


@pytest.mark.rule("HM-15", "HM-20")
def test_a_policy_that_leaves_the_timeout_alone_lifts_nothing_after_a_hole() -> None:
    log = Log().policy(timeout_s=10, open_debounce_s=10).beat().pulsed(25).at(600).pulse().pulsed(602)

    assert judge(log.policy(timeout_s=10, open_debounce_s=9).pulsed(605)).steps()[-1][2] == "firing"


@pytest.mark.rule("HM-13")
def test_an_org_that_is_switched_off_is_frozen_and_counts_from_switching_on() -> None:
    brisk: dict[str, Any] = {"timeout_s": 10, "open_debounce_s": 10}
    log = Log().policy(**brisk).beat().pulsed(15).policy(enabled=False, **brisk).beat().pulsed(100)
    judged = judge(log)

    assert judged.steps()[-1] == (10.0, "healthy", "pending_open", "silent")
    assert judged.folded.ignored == {Ignored.SWITCHED_OFF: 1}
    assert judged.fold(log.policy(**brisk).pulsed(125)).steps()[-1] == (
        120.0,
        "pending_open",
        "firing",
        "debounce_passed",
    )
    told = [one.enabled for one in judged.judgements if isinstance(one, InForce)]
    assert told == [True, False, True]


@pytest.mark.rule("HM-13")
def test_a_reported_fault_has_its_whole_debounce_again_after_switching_on() -> None:
    log = Log().policy(open_debounce_s=30).beat(status="offline").pulsed(20).policy(enabled=False).pulsed(40)

    assert judge(log.policy(open_debounce_s=30).pulsed(80)).steps()[-1][0] == 70.0


@pytest.mark.rule("HM-28")
def test_heartbeats_of_an_unknown_org_are_counted_and_nothing_else() -> None:
    judged = judge(Log().beat("ghost/device/a").raw(b"ghost/device/b", b"{"))

    assert (judged.judgements, judged.folded.refusals) == ([], [])
    assert judged.folded.ignored == {Ignored.UNKNOWN_ORG: 2}


@pytest.mark.rule("HM-18")
def test_a_registered_subject_counts_from_its_registration() -> None:
    judged = judge(Log().policy(timeout_s=10).at(3).register().pulsed(14))

    assert judged.steps() == [(3.0, None, "healthy", "registered"), (13.0, "healthy", "pending_open", "silent")]
    assert judged.changes[-1].evidence.last_heard is None
    assert judged.changes[0].evidence.status is None


@pytest.mark.rule("HM-18")
def test_a_forgotten_subject_is_gone_and_new_when_heard_again() -> None:
    log = Log().policy(timeout_s=10).beat().pulsed(12).forget().forget().pulsed(30).beat()

    assert judge(log).steps()[1:] == [
        (10.0, "healthy", "pending_open", "silent"),
        (12.0, "pending_open", None, "forgotten"),
        (30.0, None, "healthy", "first_heard"),
    ]


@pytest.mark.rule("HM-17")
def test_the_registry_wins_over_heartbeats_where_it_speaks() -> None:
    over = (Override(match=Match(integration="slow"), timeout_s=100), Override(match=Match(model="m"), timeout_s=50))
    log = Log().policy(timeout_s=10, overrides=over).register(integration="slow").beat(integration="fast", model="m")

    assert judge(log.pulsed(60)).steps()[-1] == (50.0, "healthy", "pending_open", "silent")
    assert judge(Log().policy().register(interval_s=40).beat(interval_s=1).pulsed(121)).steps()[-1][0] == 120.0


@pytest.mark.rule("HM-29")
def test_a_profile_is_told_when_first_heard_and_when_it_changes() -> None:
    log = Log().policy().beat(name="Thermostat", space="oslo").beat(name="Thermostat", seq=2).beat(seq=3)
    log.beat(name="Hall", integration="hue-1").beat(integration="hue-1", interval_s=30)

    told = [one for one in judge(log).judgements if isinstance(one, ProfileTold)]

    assert [(one.name, one.space, one.integration, one.interval_s) for one in told] == [
        ("Thermostat", "oslo", None, None),
        ("Hall", None, "hue-1", None),
        (None, None, "hue-1", 30),
    ]


@pytest.mark.rule("HM-1")
def test_an_interval_that_a_heartbeat_names_moves_the_deadline() -> None:
    log = Log().policy().beat(interval_s=600).pulsed(5).beat(interval_s=10).pulsed(40)

    assert judge(log).steps()[-1] == (35.0, "healthy", "pending_open", "silent")


@pytest.mark.rule("HM-19")
@pytest.mark.parametrize(
    ("fields", "why"), [({"discover": "list_only"}, "list_only"), ({"subject_cap": 1}, "subject_cap")]
)
def test_newcomers_that_are_not_watched_are_listed_once(fields: dict[str, Any], why: str) -> None:
    log = Log().policy(**fields).register("acme/device/known").beat("acme/device/known").beat().beat().pulsed(400)
    judged = judge(log)

    assert judged.steps() == []
    listed = [one for one in judged.judgements if isinstance(one, Unwatched)]
    assert [(one.subject, one.reason) for one in listed] == [("device/t17", why)]
    assert judged.folded.ignored == {Ignored(why): 2}
    assert judged.fold(log.policy().beat()).steps()[0][2] == "healthy"


@pytest.mark.rule("HM-19")
@pytest.mark.parametrize("registered", [True, False])
def test_a_newcomer_that_was_removed_is_listed_again(registered: bool) -> None:
    log = Log().policy(discover="list_only").beat()
    if registered:
        log.register().beat()
    judged = judge(log.forget().beat().pulsed(5).beat())

    assert [type(one) for one in judged.judgements].count(Unwatched) == 2


@pytest.mark.rule("HM-19")
def test_a_newcomer_takes_the_place_of_a_forgotten_one() -> None:
    log = Log().policy(subject_cap=1).beat("acme/device/a").forget("acme/device/a").beat(DEVICE)

    assert Judged().fold(log).steps()[0][3] == "first_heard"


@pytest.mark.rule("HM-160")
def test_the_first_heartbeat_after_a_policy_that_allows_more_silence_is_told() -> None:
    """It changes no state: the subject reads healthy since the policy."""
    log = (
        Log()
        .policy(timeout_s=3, open_debounce_s=60)
        .beat()
        .pulsed(5)
        .policy(version=2, timeout_s=30, open_debounce_s=60)
    )
    log.pulsed(7).beat().pulsed(8).beat()
    heard = [each.at for each in judge(log).judgements if isinstance(each, HeardAgain)]
    assert heard == [T0 + 7_000]


@pytest.mark.rule("HM-77", "HM-78")
def test_what_the_registry_no_longer_says_stays_until_heartbeats_say_otherwise() -> None:
    """This is how a shard that starts anew is told whom it judged before without a registration."""
    told = Log().policy().register(interval_s=40).register()
    assert judge(told.pulsed(121)).steps()[-1] == (120.0, "healthy", "pending_open", "silent")
    told = Log().policy().register(interval_s=40).register().at(10).beat(interval_s=20)
    assert judge(told.pulsed(71)).steps()[-1] == (70.0, "healthy", "pending_open", "silent")
