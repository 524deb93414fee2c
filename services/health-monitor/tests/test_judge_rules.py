"""The rules of judging have a version, which what a judge has kept is held against."""

from hashlib import blake2b

import pytest
from judge_log import GATEWAY, Judged, Log

from fettle_health_monitor.domain.judge.checkpoint import begin
from fettle_health_monitor.domain.judge.scribe import RULES_VERSION
from fettle_health_monitor.domain.judgements import Profile, encode


def a_bit_of_everything() -> Log:
    """Held heartbeats, silence and reports, flapping and changed conditions, holes, switches, removals, newcomers."""
    log = Log().hello("n1").beat("acme/device/held", status="offline").at(1).beat("acme/device/held2").at(3)
    log.policy(
        timeout_s=30, open_debounce_s=10, resolve_debounce_s=5, flap_threshold=3, flap_stable_s=20, subject_cap=9
    )
    log.register("acme/device/registered", interval_s=5).announced("n1").pulsed(5)
    for number in range(12):
        log.beat(f"acme/device/{number}", name=f"No. {number}", interval_s=10)
    log.beat(GATEWAY, status="unreachable").pulsed(20).beat(GATEWAY, status="credentials_invalid").pulsed(45)
    log.beat("acme/device/held").beat("acme/device/1").pulsed(60)
    for step in range(8):
        log.beat("acme/device/2", status=("offline", "ok")[step % 2]).pulsed(61 + 12 * step)
    log.beat("acme/device/2").pulsed(200).at(240).beat("acme/device/3").pulsed(300)
    log.policy(timeout_s=90, open_debounce_s=10, discover="list_only").beat("acme/device/new").beat("acme/device/4")
    log.forget("acme/device/4").beat("acme/device/4").pulsed(420)
    log.policy(enabled=False).beat("acme/device/5").pulsed(440).policy(timeout_s=30).pulsed(520)
    return log.beat("acme/device/5").beat(GATEWAY).pulsed(600)


@pytest.mark.rule("HM-172")
def test_the_same_log_gives_the_same_changes_as_long_as_the_rules_have_the_same_version() -> None:
    """Where this fails, another judge says something else of the same log: it needs a new `RULES_VERSION`, so that what
    was judged before is not compared with it, and these two are written down anew. What is told of names is not
    compared."""
    judged = Judged(begin(0, 1, 1, "n1")).fold(a_bit_of_everything())
    said = b"\n".join(encode(judgement) for judgement in judged.judgements if not isinstance(judgement, Profile))
    assert {"flapping", "firing", "pending_resolve", None} <= {
        getattr(each, "to_state", "") for each in judged.judgements
    }
    assert (RULES_VERSION, blake2b(said, digest_size=8).hexdigest()) == (8, "651281ca8f28eea0")
