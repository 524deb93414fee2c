"""When a subject was heard, read from the log: on a real broker, judge, correlator and API together."""

from typing import Any

import pytest
from correlator_service import CorrelatorService
from test_judge_verification import judging, monitored
from test_monitor_path import beat, in_state

from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.times import parse_time, rfc3339
from fettle_health_monitor.correlator import hearing
from fettle_health_monitor.correlator.hearing import Beat, Hearing
from fettle_health_monitor.domain.judge.states import Reading
from fettle_health_monitor.domain.why.subject_log import Passed


async def heard(service: CorrelatorService, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = await service.get("/heard", params={"subject": "device/x1", **more})
    return found


@pytest.mark.rule("AC-105")
async def test_heartbeats_are_read_from_the_log(environment: dict[str, str]) -> None:
    async with monitored(environment) as service, judging(service):
        await beat(service, "device/x1", "device/other")
        await beat(service, "device/x1", status="offline")
        await beat(service, "device/x1", status="lost")
        await beat(service, "device/x1")
        await in_state(service, "device/x1", "healthy", "pending_open", "firing")

        found: dict[str, Any] = {}

        async def read() -> bool:
            found.update(await heard(service))
            return len(found["heartbeats"]) == 4

        await service.eventually(read)
        assert [one["status"] for one in found["heartbeats"]] == ["ok", "offline", None, "ok"]
        at = [parse_time(one["at"]) for one in found["heartbeats"]]
        assert at == sorted(at)
        assert parse_time(found["since"]) <= at[0]
        assert found["until"] == found["as_of"]
        past = await heard(service, at=rfc3339(at[0]))
        assert past["heartbeats"] == [one for one in found["heartbeats"] if one["at"] <= past["until"]]
        later = await heard(service, at="2099-01-01T00:00:00Z")
        assert later["until"] == later["as_of"]
        early = await service.call("GET", "/heard", params={"subject": "device/x1", "at": "2020-01-01T00:00:00Z"})
        assert (early.status_code, "does not reach back" in early.json()["detail"]) == (404, True)
        assert (await service.call("GET", "/heard", params={"subject": "device/nobody"})).status_code == 404
        assert (await service.call("GET", "/heard", params={"subject": "device/x1"}, org="other")).status_code == 404


HOUR_MS = 3_600_000
KEY = HeartbeatKey.parse("acme/device/t17")


class Log:
    """A log of one record a second over three hours; every tenth is the subject's, and of these every tenth a control
    record."""

    first = 1_790_000_000_000

    async def bounds(self) -> Any:
        return type("Bounds", (), {"start": 0, "end": 10_800})

    async def first_at(self, instant: int) -> int:
        return max(0, min(10_800, -(-(instant - self.first) // 1000)))

    async def records(self, start: int, end: int) -> Any:
        for begin in range(start, end, 100):
            yield [self._record(offset) for offset in range(begin, min(begin + 100, end))]

    def _record(self, offset: int) -> Passed:
        key = KEY.encode() if offset % 10 == 0 else b"acme/device/other"
        headers = [("fettle-control", b"register")] if offset % 100 == 0 else []
        return Passed(offset, self.first + offset * 1000, key, None, headers)


class Open:
    def __init__(self, log: Log) -> None:
        self.log_of = log

    def log(self, shard: int) -> Any:
        return self

    async def __aenter__(self) -> Log:
        return self.log_of

    async def __aexit__(self, *_: object) -> None: ...


@pytest.mark.rule("AC-105")
async def test_an_hour_is_read_whole_or_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    until = log.first + 2 * HOUR_MS
    hearer = Hearing(Open(log))  # type: ignore[arg-type]
    found = await hearer.heard(KEY, 0, until)
    assert (found.since, found.until) == (until - HOUR_MS, until)
    assert found.beats == [
        Beat(log.first + offset * 1000, Reading.OK) for offset in range(3_600, 7_201, 10) if offset % 100
    ]
    assert (await hearer.heard(KEY, 0, log.first + 600_000)).since == log.first

    with monkeypatch.context() as few:
        few.setattr(hearing, "BEATS_MAX", 50)
        short = await hearer.heard(KEY, 0, until)
        assert short.beats == found.beats[-50:]
        assert short.since == short.beats[0].at

    with monkeypatch.context() as hurried:
        hurried.setattr(hearing, "WITHIN_S", -1.0)
        assert (await hearer.heard(KEY, 0, until)).since == until


class Enough:
    """The time is over when the fourth of its answers is asked for."""

    def __init__(self) -> None:
        self._asked = 0

    @property
    def is_over(self) -> bool:
        self._asked += 1
        return self._asked > 3


@pytest.mark.rule("AC-105")
async def test_of_a_busy_log_the_last_minutes_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some hundreds of records are all that there is time for: a minute of them, and two more."""
    log = Log()
    until = log.first + 2 * HOUR_MS
    monkeypatch.setattr(hearing, "_Clock", Enough)
    found = await Hearing(Open(log)).heard(KEY, 0, until)  # type: ignore[arg-type]
    assert found.since == until - 180_000
    assert [beat.at for beat in found.beats] == [
        log.first + offset * 1000 for offset in range(7_020, 7_201, 10) if offset % 100
    ]
