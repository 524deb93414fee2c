"""The fleet that the judge is measured with: its policy, what its devices say, and what is the matter with some."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.partitions import partition_for
from fettle_contracts.times import rfc3339
from fettle_health_monitor.domain.correlator.policies import PolicyVersion

ORG = "bench"
INTEGRATIONS = 40
TURN_MS = 60_000
"""Everybody reports once a minute, each device at its own moment of it."""
SLICES = 600
"""What is said within a tenth of a second has one broker time, as what a few gateways send together."""
VERSION = PolicyVersion(
    ORG,
    1,
    HealthPolicy.model_validate(
        {
            "enabled": True,
            "publish_tickets": True,
            "subject_cap": 1_000_000,
            "overrides": [
                {"match": {"integration": "hue-3"}, "open_debounce_s": 30, "resolve_debounce_s": 120},
                {"match": {"integration": "hue-7"}, "timeout_s": 300},
                {"match": {"integration": "hue-8"}, "flap_flips_threshold": 6},
                {"match": {"subject": "device/thermostat-000017"}, "timeout_s": 600},
            ],
        }
    ),
)
POLICY = VERSION.statement()

ONE_IN = 2_000
_OFFLINE_TURNS, _SILENT_TURNS = 5, 8
_FLAPS, _FLIPS = 7, 8
_RESTLESS, _CYCLE = 16, 40


class Said(NamedTuple):
    """A heartbeat on its way to its partition. `at` is its broker time in milliseconds, 0 for now."""

    partition: int
    key: bytes
    value: bytes
    at: int = 0


def key_of(device: int) -> bytes:
    return f"{ORG}/device/thermostat-{device:06d}".encode()


def value(device: int, status: str = "ok", interval_s: int = 60) -> bytes:
    """About 117 bytes, as a thermostat would send them."""
    said: dict[str, Any] = {
        "status": status,
        "integration": f"hue-{device % INTEGRATIONS}",
        "interval_s": interval_s,
        "name": f"Thermostat {device}",
        "space": f"oslo/hq/{device % 9}/{device % 300}",
    }
    return json.dumps(said, separators=(",", ":")).encode()


def noted(said: bytes, turn: int, at: int) -> bytes:
    """The same with what changes each time (`seq`, `at`), some 40 bytes more."""
    when = rfc3339(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at))
    return said[:-1] + f',"seq":{turn},"at":"{when}"}}'.encode()


def well(subjects: int, records: int, partitions: int) -> Iterator[Said]:
    """Every subject once, then `records` heartbeats in turn: all are well and say the same each time."""
    keys = [key_of(device) for device in range(subjects)]
    places = [partition_for(key, partitions) for key in keys]
    values = [value(device) for device in range(subjects)]
    for number in range(subjects + records):
        device = number % subjects
        yield Said(places[device], keys[device], values[device])


def ailing(subjects: int, turn: int) -> dict[int, str | None]:
    """Who says something else than that all is well in this minute, and what; None says nothing.

    In every minute one in 2,000 begins to be offline for five minutes and one in 2,000 to be silent for eight. Of one
    in 1,000 one half fire and are well again every four minutes, until they flap, and the other half turn with every
    report, for sixteen minutes of each forty.
    """
    said: dict[int, str | None] = {}
    if turn == 0:
        return said  # the fleet as it is taken up from a checkpoint
    for since in range(_OFFLINE_TURNS):
        said.update(dict.fromkeys(range((since - turn) % ONE_IN, subjects, ONE_IN), "offline"))
    for since in range(_SILENT_TURNS):
        said.update(dict.fromkeys(range((since - turn + ONE_IN // 2) % ONE_IN, subjects, ONE_IN)))
    restless = turn % _CYCLE < _RESTLESS
    for kind, every in ((_FLAPS, 4), (_FLIPS, 2)):
        status = "offline" if restless and turn % every < every // 2 else "ok"
        said.update(dict.fromkeys(range(kind, subjects, ONE_IN), status))
    return said


def past(subjects: int, turns: int, partitions: int, kind: str, begins: int) -> Iterator[Said]:
    """So many minutes of the fleet from the instant `begins` on, with its troubles. `kind`: `empty` without a body
    where all is well, `equal` the same each time, `changing` with notes that make every value another."""
    keys = [key_of(device) for device in range(subjects)]
    places = [partition_for(key, partitions) for key in keys]
    healthy = [b"" if kind == "empty" else value(device) for device in range(subjects)]
    for turn in range(turns):
        otherwise = ailing(subjects, turn)
        for number in range(SLICES):
            at = begins + turn * TURN_MS + number * TURN_MS // SLICES
            notes = noted(b"{}", turn, at)[1:] if kind == "changing" else b""
            for device in range(subjects * number // SLICES, subjects * (number + 1) // SLICES):
                status = otherwise.get(device, "ok")
                if status == "ok":
                    said = healthy[device]
                elif status is None:
                    continue
                else:
                    said = b'{"status":"offline"}' if kind == "empty" else value(device, status)
                yield Said(places[device], keys[device], said[:-1] + notes if notes else said, at)
