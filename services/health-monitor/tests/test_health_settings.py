"""The times that rules name, as they are where nobody sets them."""

import pytest

from fettle_health_monitor.correlator import why
from fettle_health_monitor.judge import measuring, pulses
from fettle_health_monitor.settings import HealthSettings


@pytest.mark.rule("HM-60", "HM-61", "HM-73", "HM-80", "HM-184", "HM-250", "HM-311")
def test_what_nobody_sets_is_as_long_as_rules_say(environment: dict[str, str]) -> None:
    settings = HealthSettings.load(environment)
    assert (settings.shard_patience_s, settings.shard_stalled_s) == (5, 60)
    assert (settings.acknowledged_within_s, settings.last_heard_within_s) == (5, 1)
    assert (why.WITHIN_S, pulses.UNREAD_S, measuring._DUE_AT_MOST) == (25, 10, 10_000)
