"""What judges tell of time while the broker's clock is wrong."""

import pytest
from judge_log import T0, Judged, Log, judge

from fettle_contracts.partitions import partition_for
from fettle_health_monitor.domain.correlator.clocks import Patience, ShardClock, horizon
from fettle_health_monitor.domain.judge.shard import Shard


@pytest.mark.rule("HM-22")
@pytest.mark.parametrize("leaps", [(3_600, 3_600.7), (3_600.7, 3_600)])
def test_verdicts_are_decided_while_the_broker_clock_catches_up(leaps: tuple[float, float]) -> None:
    """The clocks of both logs leap ahead, and are put right again five seconds later. A device falls silent then."""
    fired, decided = None, None
    shards, clocks = [Judged(Shard(number, 2, 1)) for number in (0, 1)], {}
    logs = [Log(number).policy(timeout_s=10, open_debounce_s=2).pulsed(9).at(leap) for number, leap in enumerate(leaps)]
    for log in logs:
        log.pulse().pulsed((log.ms - T0) / 1000 + 4).at(15).pulse()
    device = next(f"acme/device/d{n}" for n in range(9) if partition_for(f"acme/device/d{n}".encode(), 2) == 0)
    logs[0].beat(device)
    for second in range(16, 60):
        for shard, log in zip(shards, logs, strict=True):
            shard.fold(log.at(second).pulse())
            clock = shard.shard.judge.clock
            clocks[shard.shard.partition] = ShardClock(shard.shard.partition, 1, clock.said, clock.now)
        fired = fired or next((change.at for change in shards[0].changes if change.to_state == "firing"), None)
        reach = horizon(clocks.values(), 2, Patience())
        assert reach is not None
        if fired is not None and decided is None and fired < reach.before:
            decided = second
    assert decided is not None
    assert decided <= 15 + 10 + 2 + 3


@pytest.mark.rule("HM-22")
def test_what_is_told_has_caught_up_with_the_broker_in_twice_the_leap() -> None:
    judged = judge(Log().policy().at(60).pulse().at(1).pulse().pulsed(121))
    clock = judged.shard.judge.clock
    assert (clock.said, clock.record) == (T0 + 121_000, T0 + 121_000)
