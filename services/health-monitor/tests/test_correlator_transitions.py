"""Transitions as the world reads them."""

import pytest
from correlator_facts import change

from fettle_contracts.transitions import Transition
from fettle_health_monitor.adapters.correlator.live import Known
from fettle_health_monitor.adapters.correlator.transitions import body_of
from fettle_health_monitor.domain.judgements import Change


@pytest.mark.rule("HM-72")
@pytest.mark.parametrize("named", [Known(), Known('Thermostat 17 ☀ "x"', "hue-1", "oslo", "T100")])
@pytest.mark.parametrize(
    "moved",
    [
        change(),
        change(from_state=None, to_state="healthy", condition=None),
        change(to_state=None),
        change("integration/a/b", condition="integration_credentials_invalid", flap_count=3),
    ],
)
def test_a_transition_is_written_in_the_very_bytes_of_its_model(moved: Change, named: Known) -> None:
    body = body_of(moved, named)
    assert Transition.from_json(body).to_json() == body
