"""The heartbeats of a fleet in a stretch of time: a pure function, the same however time is cut up."""

import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Any

from fettle_cli.simulator.faults import HEALTHY, Strike, Trouble, status_of, strikes, trouble_of
from fettle_cli.simulator.fleet import Device, Fleet, Integration, build_fleet
from fettle_cli.simulator.scenario import Late, Scenario
from fettle_contracts.times import rfc3339


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat to send: `at_s` seconds after the scenario began, with the record's key and value."""

    at_s: float
    key: bytes
    value: bytes


class Simulation:
    """A scenario made ready to be asked: whose heartbeat is due when. `began` is the wall time of second 0."""

    def __init__(self, scenario: Scenario, began: datetime) -> None:
        self.scenario = scenario
        self.fleet: Fleet = build_fleet(scenario)
        self._began = began
        everyone: tuple[Device | Integration, ...] = (*self.fleet.devices, *self.fleet.integrations)
        self._by_phase = sorted(everyone, key=lambda subject: (subject.phase, subject.id))
        self._phases = [subject.phase for subject in self._by_phase]

    def beats(self, begin_s: float, end_s: float) -> list[Beat]:
        """What is sent from `begin_s` (included) up to `end_s` (not included), in the order of sending."""
        active = strikes(self.scenario, self.fleet, begin_s, end_s)
        struck = {strike.device for strike in active}
        down = {strike.integration for strike in active}
        found = list(self._flushed(begin_s, end_s, active))
        for at_s, number, subject in self._due(begin_s, end_s):
            if isinstance(subject, Integration):
                found.append(self._integration_beat(at_s, number, subject, active))
                continue
            touched = subject.index in struck or subject.integration in down
            trouble = trouble_of(self.scenario, subject, at_s, active) if touched else HEALTHY
            if not trouble.silent and trouble.held_by is None:
                found.append(self._device_beat(at_s, at_s, number, subject, trouble))
        found.sort(key=lambda beat: beat.at_s)
        return found

    def _due(self, begin_s: float, end_s: float) -> Iterator[tuple[float, int, Device | Integration]]:
        """(when, how many before it, who) for everything that the rhythm puts into the stretch."""
        interval = self.scenario.interval_s
        for number in range(max(0, floor(begin_s / interval)), ceil(end_s / interval) + 1):
            start = bisect_left(self._phases, begin_s / interval - number - 1e-9)
            for place in range(start, len(self._phases)):
                at_s = (number + self._phases[place]) * interval
                if at_s >= end_s:
                    break
                if at_s >= begin_s:
                    yield at_s, number, self._by_phase[place]

    def _flushed(self, begin_s: float, end_s: float, active: tuple[Strike, ...]) -> Iterator[Beat]:
        """Heartbeats that were held back and arrive now, because the fault that held them ends."""
        interval = self.scenario.interval_s
        for strike in active:
            if not isinstance(strike.fault, Late) or not begin_s <= strike.end_s < end_s or strike.device is None:
                continue
            device = self.fleet.devices[strike.device]
            meanwhile = strikes(self.scenario, self.fleet, strike.begin_s, strike.end_s)
            for number in range(max(0, floor(strike.begin_s / interval) - 1), ceil(strike.end_s / interval) + 1):
                due_s = (number + device.phase) * interval
                trouble = trouble_of(self.scenario, device, due_s, meanwhile)
                if trouble.held_by == strike and not trouble.silent:
                    yield self._device_beat(strike.end_s, due_s, number, device, trouble)

    def _device_beat(self, at_s: float, due_s: float, number: int, device: Device, trouble: Trouble) -> Beat:
        value = {
            "status": "offline" if trouble.says_offline else "ok",
            "integration": device.integration,
            **self._rhythm(),
            "name": device.name,
            "model": device.model,
            "space": device.space,
            **self._evidence(due_s + trouble.clock_off_s, number),
        }
        return Beat(at_s, f"{self.scenario.org}/device/{device.id}".encode(), _json(value))

    def _integration_beat(self, at_s: float, number: int, integration: Integration, active: tuple[Strike, ...]) -> Beat:
        value = {
            "status": status_of(integration.id, at_s, active),
            **self._rhythm(),
            "name": integration.name,
            "space": integration.space,
            **self._evidence(at_s, number),
        }
        return Beat(at_s, f"{self.scenario.org}/integration/{integration.id}".encode(), _json(value))

    def _rhythm(self) -> dict[str, Any]:
        return {"interval_s": max(1, ceil(self.scenario.interval_s))}

    def _evidence(self, at_s: float, number: int) -> dict[str, Any]:
        if not self.scenario.evidence:
            return {}
        return {"at": rfc3339(self._began + timedelta(seconds=at_s)), "seq": number}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
