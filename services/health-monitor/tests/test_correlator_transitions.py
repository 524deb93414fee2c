"""Transitions as the world reads them."""

import pytest
from correlator_facts import change

from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.times import from_ms
from fettle_contracts.transitions import Transition
from fettle_health_monitor.adapters.correlator.live import Known
from fettle_health_monitor.adapters.correlator.transitions import body_of, event_of
from fettle_health_monitor.domain.judgements import Change

CHANGES = [
    change(),
    change(from_state=None, to_state="healthy", condition=None),
    change(to_state=None),
    change("integration/a/b", condition="integration_credentials_invalid", flap_count=3),
]


@pytest.mark.rule("HM-72")
@pytest.mark.parametrize("named", [Known(), Known('Thermostat 17 ☀ "x"', "hue-1", "oslo", "T100")])
@pytest.mark.parametrize("moved", CHANGES)
def test_a_transition_is_written_in_the_very_bytes_of_its_model(moved: Change, named: Known) -> None:
    body = body_of(moved, named)
    assert Transition.from_json(body).to_json() == body


@pytest.mark.rule("HM-72")
@pytest.mark.parametrize("moved", CHANGES)
def test_its_event_is_that_which_to_binary_writes(moved: Change) -> None:
    written = event_of(moved, b"{}")
    event = CloudEvent(
        id=moved.id,
        source="fettle/health-monitor",
        type="fettle.health.transition.v1",
        time=from_ms(moved.at),
        subject=moved.subject,
        key=moved.org,
        data=b"{}",
    )
    headers, value = to_binary(event)
    assert (sorted(written.headers), written.value) == (sorted(headers), value)
    assert (written.topics, written.key) == (("health.transitions",), moved.org.encode())
