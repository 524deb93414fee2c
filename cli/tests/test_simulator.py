"""The simulated fleet: the same however time is cut up, faithful to its faults, fit for the heartbeats topic."""

import itertools
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fettle_cli.simulator.faults import strikes
from fettle_cli.simulator.fleet import build_fleet
from fettle_cli.simulator.heartbeats import Beat, Simulation
from fettle_cli.simulator.scenario import Scenario, ScenarioError, load_scenario
from fettle_contracts.heartbeat import HEARTBEAT_MAX_BYTES, STATUSES, Heartbeat
from fettle_contracts.identity import HeartbeatKey

BEGAN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LASTS = st.tuples(st.floats(0.5, 20), st.floats(0.5, 20)).map(lambda pair: tuple(sorted(pair)))
COMING = {"first_s": st.floats(0, 20), "every_s": st.floats(2, 40), "lasts_s": LASTS}
FAULTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"kind": st.just("stop"), **COMING}),
    st.fixed_dictionaries({"kind": st.just("late"), **COMING}),
    st.fixed_dictionaries({"kind": st.just("flip"), "period_s": st.floats(0.5, 5), **COMING}),
    st.fixed_dictionaries({"kind": st.just("integration_down"), "share": st.floats(0, 1), **COMING}),
    st.fixed_dictionaries({"kind": st.just("clock_wrong"), "off_s": st.floats(-1e5, 1e5), **COMING}),
)
SCENARIOS = st.builds(
    lambda **fields: Scenario.model_validate(fields),
    seed=st.integers(0, 2**32),
    devices=st.integers(1, 30),
    integrations=st.integers(1, 10),
    interval_s=st.floats(0.5, 10),
    faults=st.lists(FAULTS, max_size=5),
)
CUTS = st.lists(st.floats(0, 60), max_size=8).map(sorted)


def _simulation(**fields: Any) -> Simulation:
    return Simulation(Scenario.model_validate({"devices": 6, "integrations": 2, **fields}), BEGAN)


def _of(beats: list[Beat], key: str) -> list[dict[str, Any]]:
    return [{"sent": beat.at_s, **json.loads(beat.value)} for beat in beats if beat.key.decode() == key]


def _key(simulation: Simulation, device: int) -> str:
    return f"demo/device/{simulation.fleet.devices[device].id}"


@pytest.mark.rule("OP-30")
@given(scenario=SCENARIOS, cuts=CUTS)
@settings(max_examples=60, deadline=None)
def test_cutting_time_up_changes_nothing(scenario: Scenario, cuts: list[float]) -> None:
    simulation, edges = Simulation(scenario, BEGAN), [0.0, *cuts, 60.0]
    pieces = [beat for begin, end in itertools.pairwise(edges) for beat in simulation.beats(begin, end)]
    assert Counter(pieces) == Counter(Simulation(scenario, BEGAN).beats(0, 60))


@pytest.mark.rule("OP-30")
@given(scenario=SCENARIOS)
@settings(max_examples=40, deadline=None)
def test_every_beat_is_a_good_heartbeat_sent_in_order(scenario: Scenario) -> None:
    beats = Simulation(scenario, BEGAN).beats(0, 30)
    assert [beat.at_s for beat in beats] == sorted(beat.at_s for beat in beats)
    for beat in beats:
        key, value = HeartbeatKey.parse(beat.key), Heartbeat.from_json(beat.value)
        assert value.status in STATUSES[key.subject.type]
        assert len(beat.value) <= HEARTBEAT_MAX_BYTES


@pytest.mark.rule("OP-30")
@given(scenario=SCENARIOS)
@settings(max_examples=40, deadline=None)
def test_no_beat_is_doubled_or_invented(scenario: Scenario) -> None:
    """Against the healthy fleet: a fault takes beats away or delays them, it never adds one."""
    healthy = Simulation(scenario.model_copy(update={"faults": ()}), BEGAN).beats(0, 60)
    due = {(beat.key, json.loads(beat.value)["seq"]) for beat in healthy}
    sent = Counter((beat.key, json.loads(beat.value)["seq"]) for beat in Simulation(scenario, BEGAN).beats(0, 60))
    assert set(sent) <= due
    assert max(sent.values(), default=1) == 1


@pytest.mark.rule("OP-30")
def test_a_healthy_fleet_reports_once_an_interval_at_the_scenarios_rate() -> None:
    simulation = _simulation(devices=50, integrations=5, interval_s=2)
    beats = simulation.beats(0, 20)
    assert len(beats) == simulation.scenario.rate * 20
    assert set(Counter(beat.key for beat in beats).values()) == {10}


@pytest.mark.rule("OP-31")
def test_a_stopped_device_is_silent_exactly_while_it_is_stopped() -> None:
    simulation = _simulation(faults=[{"kind": "stop", "first_s": 10, "every_s": 1000, "lasts_s": [20, 20]}])
    (strike,) = strikes(simulation.scenario, simulation.fleet, 0, 100)
    assert strike.device is not None
    heard = [beat["sent"] for beat in _of(simulation.beats(0, 100), _key(simulation, strike.device))]
    assert not [at_s for at_s in heard if 10 <= at_s < 30]
    assert len(heard) == 40
    others = [key for key in (_key(simulation, index) for index in range(6)) if key != _key(simulation, strike.device)]
    assert all(len(_of(simulation.beats(0, 100), key)) == 50 for key in others)


@pytest.mark.rule("OP-31")
def test_late_heartbeats_all_arrive_when_the_fault_ends_with_their_own_times() -> None:
    simulation = _simulation(faults=[{"kind": "late", "first_s": 10, "every_s": 1000, "lasts_s": [20, 20]}])
    (strike,) = strikes(simulation.scenario, simulation.fleet, 0, 100)
    assert strike.device is not None
    heard = _of(simulation.beats(0, 100), _key(simulation, strike.device))
    assert len(heard) == 50
    assert sum(beat["sent"] == 30 for beat in heard) == 10
    assert not [beat for beat in heard if 10 <= beat["sent"] < 30]
    assert len({beat["at"] for beat in heard}) == 50


@pytest.mark.rule("OP-31")
def test_a_flipping_device_says_offline_and_ok_in_turns() -> None:
    fault = {"kind": "flip", "first_s": 10, "every_s": 1000, "lasts_s": [24, 24], "period_s": 6}
    simulation = _simulation(faults=[fault])
    (strike,) = strikes(simulation.scenario, simulation.fleet, 0, 100)
    assert strike.device is not None
    said = {beat["sent"]: beat["status"] for beat in _of(simulation.beats(0, 100), _key(simulation, strike.device))}
    for at_s, status in said.items():
        assert status == ("offline" if 10 <= at_s < 34 and int((at_s - 10) / 6) % 2 == 0 else "ok")
    assert Counter(said.values())["offline"] == 6


@pytest.mark.rule("OP-31")
@pytest.mark.parametrize(("share", "silent"), [(1.0, 10), (0.0, 0)])
def test_an_integration_that_is_down_says_so_and_takes_its_share_of_devices_along(share: float, silent: int) -> None:
    fault = {"kind": "integration_down", "first_s": 10, "every_s": 1000, "lasts_s": [20, 20], "share": share}
    simulation = _simulation(devices=20, faults=[fault])
    (strike,) = strikes(simulation.scenario, simulation.fleet, 0, 100)
    beats = simulation.beats(0, 100)
    own = _of(beats, f"demo/integration/{strike.integration}")
    assert {beat["status"] for beat in own if 10 <= beat["sent"] < 30} == {"unreachable"}
    assert {beat["status"] for beat in own if not 10 <= beat["sent"] < 30} == {"ok"}
    heard = {beat.key for beat in beats if 10 <= beat.at_s < 30 and b"/device/" in beat.key}
    assert 20 - len(heard) == silent


@pytest.mark.rule("OP-31")
def test_a_wrong_clock_shows_in_the_evidence_alone() -> None:
    fault = {"kind": "clock_wrong", "first_s": 0, "every_s": 1000, "lasts_s": [1000, 1000], "off_s": -3600}
    wrong, right = _simulation(faults=[fault]), _simulation()
    (strike,) = strikes(wrong.scenario, wrong.fleet, 0, 100)
    assert strike.device is not None
    mine, theirs = (_of(one.beats(0, 20), _key(one, strike.device)) for one in (wrong, right))
    assert [beat["sent"] for beat in mine] == [beat["sent"] for beat in theirs]
    assert {beat["at"][:13] for beat in mine} == {"2026-11-23T09"}
    assert [{**beat, "at": None} for beat in mine] == [{**beat, "at": None} for beat in theirs]


@pytest.mark.rule("OP-30")
@given(st.integers(1, 500), st.integers(1, 40))
@settings(deadline=None)
def test_names_are_unique_and_places_plausible(devices: int, integrations: int) -> None:
    fleet = build_fleet(Scenario(devices=devices, integrations=integrations))
    assert len({device.id for device in fleet.devices}) == devices
    assert len({integration.id for integration in fleet.integrations}) == integrations
    sites = {integration.id: integration.space for integration in fleet.integrations}
    for device in fleet.devices:
        assert device.space.startswith(sites[device.integration] + "/")


@pytest.mark.rule("OP-30")
def test_a_seed_makes_another_day() -> None:
    one, other = (_simulation(seed=seed, faults=[]).beats(0, 4) for seed in (1, 2))
    assert [beat.at_s for beat in one] != [beat.at_s for beat in other]


@pytest.mark.rule("OP-31")
def test_the_demo_stops_a_device_within_ten_seconds_and_lets_it_come_back() -> None:
    scenario = load_scenario("demo")
    assert (scenario.devices, scenario.integrations, scenario.interval_s) == (200, 8, 2)
    fleet = build_fleet(scenario)
    stops = [one for one in strikes(scenario, fleet, 0, 30) if one.fault.kind == "stop"]
    assert min(one.begin_s for one in stops) <= 10
    assert 40 <= stops[0].end_s - stops[0].begin_s <= 150
    kinds = {one.fault.kind for one in strikes(scenario, fleet, 0, 1200)}
    assert kinds == {"stop", "late", "flip", "integration_down", "clock_wrong"}


@pytest.mark.rule("OP-31")
def test_the_demo_never_looks_like_a_great_outage() -> None:
    scenario = load_scenario("demo")
    simulation = Simulation(scenario, BEGAN)
    for begin in range(0, 3600, 300):
        heard = {beat.key for beat in simulation.beats(begin, begin + 8)}
        assert len(heard) >= 198


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("devices: 0", "devices: must be at least 1"),
        ("devces: 10", "devces"),
        ("faults: [{kind: explode, every_s: 1, lasts_s: [1, 2]}]", "kind"),
        ("faults: [{kind: stop, every_s: 0, lasts_s: [1, 2]}]", "every_s: must be more than 0"),
        ("faults: [{kind: stop, every_s: 9, lasts_s: [5, 2]}]", "lasts_s is [shortest, longest]"),
        ("faults: [", "is not YAML"),
        ("- 1", "must be an object"),
    ],
)
@pytest.mark.rule("OP-32")
def test_a_scenario_that_cannot_be_played_says_why(tmp_path: Any, text: str, reason: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as refused:
        load_scenario(str(path))
    assert reason in str(refused.value)
    assert str(path) in str(refused.value)


@pytest.mark.rule("OP-32")
def test_a_scenario_that_is_not_there_is_named() -> None:
    with pytest.raises(ScenarioError, match=r"nowhere\.yaml: No such file"):
        load_scenario("nowhere")


@pytest.mark.rule("OP-30")
def test_a_set_rate_sets_the_interval() -> None:
    assert Scenario(devices=92, integrations=8).at_rate(50).interval_s == 2
