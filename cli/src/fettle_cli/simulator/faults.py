"""When which fault strikes whom: a function of scenario, seed and time, without memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor

from fettle_cli.simulator.draw import between, fraction, one_of
from fettle_cli.simulator.fleet import Device, Fleet
from fettle_cli.simulator.scenario import ClockWrong, Fault, Flip, IntegrationDown, Late, Scenario, Stop


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that happens from `begin_s` up to (not including) `end_s`: to a device (its index) or, for
    `integration_down`, to an integration (its id)."""

    fault: Fault
    number: int
    begin_s: float
    end_s: float
    device: int | None
    integration: str | None

    def covers(self, at_s: float) -> bool:
        return self.begin_s <= at_s < self.end_s


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one device at one instant."""

    silent: bool = False
    held_by: Strike | None = None
    says_offline: bool = False
    clock_off_s: float = 0.0


HEALTHY = Trouble()


def strikes(scenario: Scenario, fleet: Fleet, begin_s: float, end_s: float) -> tuple[Strike, ...]:
    """Every strike that has effect in [begin_s, end_s] (the end of one that lasted until `begin_s` included)."""
    return tuple(
        strike
        for row, fault in enumerate(scenario.faults)
        for strike in _of(scenario, fleet, row, fault, begin_s, end_s)
        if strike.begin_s <= end_s and begin_s <= strike.end_s
    )


def _of(scenario: Scenario, fleet: Fleet, row: int, fault: Fault, begin_s: float, end_s: float) -> Iterator[Strike]:
    first = max(0, floor((begin_s - fault.lasts_s[1] - fault.first_s) / fault.every_s))
    last = ceil((end_s - fault.first_s) / fault.every_s)
    for number in range(first, last + 1):
        start = fault.first_s + number * fault.every_s
        lasts = between(*fault.lasts_s, scenario.seed, "lasts", row, number)
        question = (scenario.seed, "whom", row, number)
        if isinstance(fault, IntegrationDown):
            integration = one_of(fleet.integrations, *question).id
            yield Strike(fault, number, start, start + lasts, None, integration)
        else:
            yield Strike(fault, number, start, start + lasts, one_of(fleet.devices, *question).index, None)


def trouble_of(scenario: Scenario, device: Device, at_s: float, active: tuple[Strike, ...]) -> Trouble:
    """What the strikes do to a device's heartbeat that is due at `at_s`."""
    silent, held_by, says_offline, off_s = False, None, False, 0.0
    for strike in active:
        if not strike.covers(at_s) or not _hits(scenario, strike, device):
            continue
        match strike.fault:
            case Stop() | IntegrationDown():
                silent = True
            case Late():
                # Held by the longest: what is late twice arrives when both are over.
                held_by = strike if held_by is None or strike.end_s > held_by.end_s else held_by
            case Flip(period_s=period):
                says_offline = int((at_s - strike.begin_s) / period) % 2 == 0
            case ClockWrong(off_s=off):
                off_s += off
    return Trouble(silent, held_by, says_offline, off_s)


def status_of(integration: str, at_s: float, active: tuple[Strike, ...]) -> str:
    """What an integration says of itself at `at_s`."""
    for strike in active:
        if strike.integration == integration and strike.covers(at_s) and isinstance(strike.fault, IntegrationDown):
            return strike.fault.status
    return "ok"


def _hits(scenario: Scenario, strike: Strike, device: Device) -> bool:
    if strike.device is not None:
        return strike.device == device.index
    if strike.integration != device.integration or not isinstance(strike.fault, IntegrationDown):
        return False
    return fraction(scenario.seed, "share", strike.number, device.index) < strike.fault.share
