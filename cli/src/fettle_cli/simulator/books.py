"""What became of the verdicts that a fleet has called for, as the health monitor's metrics have it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from fettle_cli.failures import CliError
from fettle_cli.installation import Installation

_OF_HOUR, _UNACCOUNTED = "fettle_correlator_hour_verdicts", "fettle_correlator_verdicts_unaccounted"
_CALLED = "called"
_HOURS = {"previous": "the hour before", "current": "this hour"}
_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Hour:
    """An org's verdicts of an hour of the clock, `current` or `previous`: called for, and by how they ended or wait."""

    hour: str
    called: int
    ended: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        return self.called == sum(self.ended.values())

    @property
    def words(self) -> str:
        how = ", ".join(f"{number} {ending.replace('_', ' ')}" for ending, number in sorted(self.ended.items()))
        return f"{_HOURS[self.hour]} {self.called} verdicts were called for: {how or 'none ended'}"


@dataclass(frozen=True, slots=True)
class Books:
    """As the monitor saw them when it last looked, at most a minute ago. `unaccounted` are verdicts of the last day,
    of any org, that nothing called for, or that have no end or several."""

    hours: tuple[Hour, ...]
    unaccounted: int

    @property
    def adds_up(self) -> bool:
        return not self.unaccounted and all(hour.adds_up for hour in self.hours)

    def shown(self) -> dict[str, Any]:
        """For programs."""
        hours = [{"hour": hour.hour, "called": hour.called, "ended": dict(hour.ended)} for hour in self.hours]
        return {"hours": hours, "unaccounted": self.unaccounted, "adds_up": self.adds_up}


def read_books(installation: Installation, org: str) -> Books:
    """Asks the monitor, for five seconds at most. Raises CliError when it cannot be asked."""
    address = _monitor(installation)
    try:
        answer = httpx2.get(f"{address}/metrics", timeout=_WITHIN_S)
        answer.raise_for_status()
    except httpx2.HTTPError as error:
        raise CliError(f"the health monitor at {address} does not show its metrics ({type(error).__name__})") from None
    return books_of(answer.text, org)


def books_of(metrics: str, org: str) -> Books:
    """What metrics say of an org. Raises CliError when they are not the monitor's."""
    samples = [sample for family in text_string_to_metric_families(metrics) for sample in family.samples]
    unaccounted = [int(sample.value) for sample in samples if sample.name == _UNACCOUNTED]
    if not unaccounted:
        raise CliError("the health monitor's metrics have no books of verdicts")
    named = [
        (sample.labels["hour"], sample.labels["ending"], int(sample.value))
        for sample in samples
        if sample.name == _OF_HOUR and sample.labels["org"] == org
    ]
    hours = [_hour(hour, ((ending, number) for of, ending, number in named if of == hour)) for hour in _HOURS]
    return Books(tuple(hour for hour in hours if hour.called or hour.ended), unaccounted[0])


def _hour(hour: str, endings: Iterable[tuple[str, int]]) -> Hour:
    ended = dict(endings)
    return Hour(hour, ended.pop(_CALLED, 0), ended)


def _monitor(installation: Installation) -> str:
    named = installation.environ.get("FETTLE_HEALTH_URL")
    started = [one["url"] for one in installation.state().get("processes", ()) if one["name"] == "correlator"]
    if not (named or started):
        raise CliError("nothing says where the health monitor is: set FETTLE_HEALTH_URL")
    return str(named or started[0]).rstrip("/")
