"""A thousand healthy devices beside ten minutes in which the log has no record at all."""

import pytest
from judge_log import T0, Judged, Log

from fettle_health_monitor.domain.judge.checkpoint import restore, snapshot
from fettle_health_monitor.domain.judgements import Unobserved

FLEET = [f"acme/device/{number}" for number in range(1000)]
EVERY_MS = 30_000
TIMEOUT_S, OPEN_DEBOUNCE_S = 31, 60
"""Hardly more than the time between two heartbeats: a second too much of the hole that counted would tell."""
BEGINS, ENDS = 60, 660
"""The hole, in seconds."""

either_way = pytest.mark.parametrize("restarts", [False, True], ids=["the judge stays", "the judge is away too"])


def heard(log: Log, rounds: int, silent: str | None = None) -> Log:
    """Each is heard every 30 s at a moment of its own, so that there is a record every 30 ms."""
    for _ in range(rounds):
        for key in FLEET:
            log.ms += EVERY_MS // len(FLEET)
            if key == silent:
                log.pulse()
            else:
                log.beat(key)
    return log


def beside_a_hole(*, restarts: bool, silent: str | None = None) -> Judged:
    log = heard(Log().policy(timeout_s=TIMEOUT_S, open_debounce_s=OPEN_DEBOUNCE_S), 2)
    judged = Judged().fold(log)
    if restarts:
        judged.shard = restore(snapshot(judged.shard))
    return judged.fold(heard(log.at(ENDS).pulse(), 4, silent))


@pytest.mark.rule("HM-20")
@either_way
def test_no_device_that_is_heard_on_both_sides_of_a_hole_ever_leaves_healthy(restarts: bool) -> None:
    judged = beside_a_hole(restarts=restarts)

    assert len(judged.changes) == len(FLEET)
    assert {(change.from_state, change.to_state) for change in judged.changes} == {(None, "healthy")}
    holes = [each for each in judged.judgements if isinstance(each, Unobserved)]
    assert [(hole.from_at - T0, hole.to_at - T0) for hole in holes] == [(BEGINS * 1000, ENDS * 1000)]


@pytest.mark.rule("HM-3", "HM-20")
@either_way
@pytest.mark.parametrize("silent", [FLEET[0], FLEET[-1]], ids=["heard long before it", "heard just before it"])
def test_one_that_stays_silent_fires_a_timeout_and_an_open_debounce_behind_its_end(silent: str, restarts: bool) -> None:
    judged = beside_a_hole(restarts=restarts, silent=silent)

    assert judged.steps(silent.removeprefix("acme/"))[1:] == [
        (ENDS + TIMEOUT_S, "healthy", "pending_open", "silent"),
        (ENDS + TIMEOUT_S + OPEN_DEBOUNCE_S, "pending_open", "firing", "debounce_passed"),
    ]
    assert len(judged.changes) == len(FLEET) + 2
