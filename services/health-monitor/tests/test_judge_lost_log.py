"""What a shard says when it judges again behind log that was lost before it was read: of whom nothing has turned."""

from typing import Any

import pytest
from judge_log import Judged, Log, judge

from fettle_health_monitor.domain.judgements import HeardAgain

RULES: dict[str, Any] = {"timeout_s": 10, "open_debounce_s": 10, "flap_flips_threshold": 3, "flap_stable_s": 30}


def judges_again(log: Log, *says: str) -> Judged:
    """It has judged the log, hears the device behind its hello at 100 s, and judges again from 105 s on."""
    judged = judge(log)
    judged.shard.await_announcement("n2")
    log.at(100).hello("n2")
    for status in says:
        log.beat(status=status)
    return judged.fold(log.pulsed(105).policy(**RULES, version=2).announced("n2"))


def flapping() -> Log:
    log = Log().policy(**RULES).beat()
    for second, status in ((2, "offline"), (3, "ok"), (4, "offline")):
        log.pulsed(second).beat(status=status)
    return log


@pytest.mark.rule("HM-290")
@pytest.mark.parametrize(("says", "turned"), [((), 4), (("offline",), 4), (("ok", "offline"), 4), (("ok",), 105)])
def test_who_flaps_reads_so_since_its_reading_turned(says: tuple[str, ...], turned: float) -> None:
    log = flapping()
    judged = judges_again(log, *says)
    assert judged.steps()[-1] == (4.0, "healthy", "flapping", "flipped_too_often")
    for second in range(106, 140):
        log.pulsed(second).beat(status=(says or ("offline",))[-1])
    calm = judged.fold(log).changes[-1]
    assert (calm.from_state, calm.at - log.records[0].timestamp) == ("flapping", 135_000)
    assert calm.since - log.records[0].timestamp == 1000 * turned


@pytest.mark.rule("HM-160", "HM-290")
@pytest.mark.parametrize(("says", "told"), [((), []), (("offline",), ["offline"]), (("offline", "ok"), [])])
def test_of_who_was_silent_and_says_that_it_is_offline_it_is_told(says: tuple[str, ...], told: list[str]) -> None:
    """Being well is a change, which says so itself."""
    judged = judges_again(Log().policy(**RULES).beat().pulsed(25), *says)
    heard = [each for each in judged.judgements if isinstance(each, HeardAgain)]
    assert [each.status for each in heard] == told
    assert {each.at for each in heard} <= {judged.changes[0].at + 105_000}
    assert (judged.changes[-1].to_state == "pending_resolve") is (says[-1:] == ("ok",))
