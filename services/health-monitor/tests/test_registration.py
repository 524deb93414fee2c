"""What entering a subject comes to, and what may be said of it."""

import json

import pytest
from pydantic import ValidationError

from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.identity import SubjectRef
from fettle_health_monitor.domain.control import Heard
from fettle_health_monitor.domain.correlator.registration import Entering, Present, Refused, Registration, entering
from fettle_health_monitor.domain.judge.heartbeats import read

DEVICE = SubjectRef.parse("device/a")
BEHIND_HUE = {"match": {"integration": "hue-1"}, "timeout_s": 60}
OF_MODEL = {"match": {"model": "bulb"}, "timeout_s": 60}


@pytest.mark.rule("HM-74")
@pytest.mark.parametrize(
    ("override", "heard", "said"),
    [
        (BEHIND_HUE, Present(heard=Heard(integration="hue-1")), {"integration": "other"}),
        (OF_MODEL, Present(heard=Heard(model="bulb")), {"model": "other"}),
    ],
    ids=["integration", "model"],
)
def test_an_interval_fits_the_timeout_of_where_the_subject_belongs(
    override: dict[str, object], heard: Present, said: dict[str, str]
) -> None:
    """As said now, else as heard."""
    policy = HealthPolicy.model_validate({"overrides": [override]})
    assert entering(DEVICE, Registration(interval_s=60), heard, policy) is Entering.ADDED
    assert isinstance(entering(DEVICE, Registration(interval_s=61), heard, policy), Refused)
    elsewhere = Registration.model_validate({"interval_s": 61, **said})
    assert entering(DEVICE, elsewhere, heard, policy) is Entering.ADDED


@pytest.mark.rule("HM-270")
def test_an_integration_is_entered_behind_none() -> None:
    said = Registration.model_validate({"integration": "hue-1", "model": "bridge"})
    assert said.of(DEVICE) == said
    assert said.of(SubjectRef.parse("integration/hue-1")) == Registration(model="bridge")


@pytest.mark.rule("HM-74", "HM-273")
@pytest.mark.parametrize(("field", "limit"), [("name", 200), ("model", 200), ("space", 500)])
def test_what_a_heartbeat_may_say_can_be_entered(field: str, limit: int) -> None:
    most = "ж" * limit
    assert getattr(read(json.dumps({field: most}).encode(), b"acme/device/a")[0], field) == most
    for text in (most, "Salle\u00a03", "客\u3000室", "\U0001f469\u200d\U0001f527", "x\ufeff"):
        assert getattr(Registration.model_validate({field: text}), field) == text
    for wrong in (most + "x", "two\nlines", "a\x00b", "a\x7f", "a\x85"):
        with pytest.raises(ValidationError):
            Registration.model_validate({field: wrong})
