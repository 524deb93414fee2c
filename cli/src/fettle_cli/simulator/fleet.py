"""Who is in the fleet: integrations at sites, devices in rooms, with names that a facilities team would use."""

from dataclasses import dataclass

from fettle_cli.simulator.draw import fraction
from fettle_cli.simulator.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Integration:
    """A connection that devices report through, and its place in the rhythm (`phase`, 0 to 1 of the interval)."""

    id: str
    name: str
    space: str
    phase: float


@dataclass(frozen=True, slots=True)
class Device:
    """One device. `index` is its place in the fleet, from 0."""

    index: int
    id: str
    name: str
    model: str
    integration: str
    space: str
    phase: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """All subjects of a scenario. Devices belong to integrations in turn."""

    integrations: tuple[Integration, ...]
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class _Installation:
    """A kind of integration at a site, with what hangs on it."""

    id: str
    name: str
    site: str
    floors: int
    device: str
    prefix: str
    model: str


_INSTALLATIONS = (
    _Installation("climate-hq", "Climate controller, headquarters", "oslo/hq", 6, "Thermostat", "thermo", "T100"),
    _Installation("rooms-hq", "Room panels, headquarters", "oslo/hq", 6, "Room panel", "panel", "RP7"),
    _Installation("doors-hq", "Access control, headquarters", "oslo/hq", 6, "Access reader", "reader", "AR3"),
    _Installation("light-lab", "Lighting gateway, laboratory", "oslo/lab", 3, "Motion sensor", "motion", "M20"),
    _Installation("air-lab", "Air monitoring, laboratory", "oslo/lab", 3, "Air sensor", "air", "AQ2"),
    _Installation("climate-bergen", "Climate controller, Bergen", "bergen/quay", 4, "Thermostat", "thermo-b", "T100"),
    _Installation("doors-bergen", "Access control, Bergen", "bergen/quay", 4, "Access reader", "reader-b", "AR3"),
    _Installation("cold-trondheim", "Cold store, Trondheim", "trondheim/store", 2, "Freezer probe", "probe", "FP1"),
)
_ROOMS_PER_FLOOR = 12


def build_fleet(scenario: Scenario) -> Fleet:
    """The fleet of a scenario; the same scenario and seed give the same fleet."""
    installations = [_installation(number) for number in range(scenario.integrations)]
    integrations = tuple(
        Integration(place.id, place.name, place.site, fraction(scenario.seed, "phase", place.id))
        for place in installations
    )
    devices = tuple(
        _device(scenario, index, installations[index % len(installations)]) for index in range(scenario.devices)
    )
    return Fleet(integrations, devices)


def _installation(number: int) -> _Installation:
    known = _INSTALLATIONS[number % len(_INSTALLATIONS)]
    again = number // len(_INSTALLATIONS) + 1
    if again == 1:
        return known
    return _Installation(
        f"{known.id}-{again}",
        f"{known.name} {again}",
        f"{known.site}-{again}",
        known.floors,
        known.device,
        f"{known.prefix}{again}",
        known.model,
    )


def _device(scenario: Scenario, index: int, place: _Installation) -> Device:
    number = index // scenario.integrations
    floor = number % place.floors + 1
    room = f"{floor}{number // place.floors % _ROOMS_PER_FLOOR + 1:02d}"
    storey = number // (place.floors * _ROOMS_PER_FLOOR)
    label = room if storey == 0 else f"{room}-{storey + 1}"
    return Device(
        index=index,
        id=f"{place.prefix}-{label}",
        name=f"{place.device} {label}",
        model=place.model,
        integration=place.id,
        space=f"{place.site}/{floor}/{room}",
        phase=fraction(scenario.seed, "phase", index),
    )
