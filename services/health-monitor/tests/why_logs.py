"""Logs about a few subjects, one of whom is asked about, and what else is known of it."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from judge_fleets import PAUSES
from judge_log import DEVICE, GATEWAY, Judged, Log, LogRecord, policy, read_control

from fettle_health_monitor.domain.control import Policy, encode
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.silences import Silence
from fettle_health_monitor.domain.correlator.verdicts import Named
from fettle_health_monitor.domain.judge.checkpoint import snapshot
from fettle_health_monitor.domain.judgements import Change
from fettle_health_monitor.domain.why.changes import Case
from fettle_health_monitor.domain.why.subject_log import Changed, Extraction, SubjectLog
from fettle_health_monitor.domain.why.tickets import Circumstances

KEY = DEVICE.encode()
ON = Switches(version=1, enabled=True, publish_tickets=True)
OTHERS = ("acme/device/a", "acme/device/zz", "beta/device/t17", "ghost/device/q")


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Everything that can stand in a partition, in time that flows, stops, leaps and steps back."""
    log = Log().policy(timeout_s=draw(st.integers(1, 8)), open_debounce_s=draw(st.integers(0, 5)))
    for _ in range(draw(st.integers(1, 60))):
        log.ms += draw(PAUSES)
        key = draw(st.sampled_from([DEVICE, DEVICE, GATEWAY, GATEWAY, *OTHERS]))
        org = key.split("/")[0]
        match draw(st.integers(0, 12)):
            case 0 | 1 | 2 | 3:
                log.pulse()
            case 4 | 5 | 6:
                log.beat(key)
            case 7:
                status = "offline" if "device" in key else draw(st.sampled_from(["unreachable", "credentials_invalid"]))
                log.beat(key, status=status, integration="hue-1")
            case 8:
                log.beat(key, interval_s=draw(st.integers(1, 5)), name=draw(st.sampled_from(["x", "y"])))
            case 9:
                log.raw(key.encode(), draw(st.sampled_from([b"{", b'{"status":"?"}'])), [("trace", b"1")])
            case 10:
                log.state(policy(org, **draw(policies())), org, draw(st.sampled_from([None, None, 1, 2])))
            case 11:
                log.register(key, interval_s=draw(st.sampled_from([None, 1, 3])))
            case _:
                log.forget(key)
    return log


def policies() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "enabled": st.booleans(),
            "timeout_s": st.one_of(st.none(), st.integers(1, 20)),
            "open_debounce_s": st.integers(0, 5),
            "resolve_debounce_s": st.integers(0, 5),
            "flap_window_s": st.integers(1, 30),
            "flap_stable_s": st.integers(1, 10),
            "flap_threshold": st.integers(2, 4),
            "flap_flips_threshold": st.integers(2, 6),
        }
    )


@st.composite
def lives(draw: st.DrawFn) -> Log:
    """A device that reports, falls silent and reports again, under one policy, while time is observed."""
    log = Log().policy(**{**draw(policies()), "enabled": True})
    seconds = 0.0
    for _ in range(draw(st.integers(1, 12))):
        seconds += draw(st.sampled_from([0.5, 1, 2, 3, 5, 8, 13, 21]))
        log.pulsed(seconds)
        log.beat(DEVICE, **({"status": "offline"} if draw(st.integers(0, 3)) == 0 else {}))
    return log.pulsed(seconds + draw(st.sampled_from([1, 4, 10, 30])))


def extracted(log: Log, cut: int, at: int, key: bytes = KEY) -> SubjectLog:
    """What is kept of the records behind the first `cut`, up to an instant."""
    judged = Judged().fold(log, cut)
    extraction = Extraction(
        key, snapshot(judged.shard), partition=0, partitions=1, generation=1, read_control=read_control
    )
    extraction.take(log.records[cut:])
    return extraction.upto(at)


def case_of(log: Log, *silences: Silence, switches: Switches = ON, at: int | None = None) -> Case:
    """The device's case since the first record, which is the policy."""
    subject_log = extracted(log, 1, log.ms if at is None else at)
    known = Circumstances(
        from_at=log.records[0].timestamp,
        switches=dict.fromkeys(subject_log.versions, switches),
        named=Named(),
        silences=silences,
        in_force=subject_log.in_force,
    )
    return Case(subject_log, known)


def changes_of(judged: Judged, key: bytes = KEY) -> list[Change]:
    return [change for change in judged.changes if f"{change.org}/{change.subject}".encode() == key]


def under(records: Sequence[LogRecord], changed: Changed) -> list[LogRecord]:
    """The same log as if policies had been other ones: record by record, for the whole fold."""
    found = []
    for record in records:
        control = read_control(record)
        if control is not None and isinstance(control.statement, Policy):
            record = record._replace(value=encode(changed(control.statement)))
        found.append(record)
    return found
