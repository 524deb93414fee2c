"""What the naive second reading of the judge's rules keeps of each subject: every fact that there ever was."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

SILENT = "silent"
CONDITIONS = {
    "device": {SILENT: "device_offline", "offline": "device_offline"},
    "integration": {
        SILENT: "integration_unreachable",
        "unreachable": "integration_unreachable",
        "credentials_invalid": "integration_credentials_invalid",
    },
}
FIELDS = {
    "timeout_s": 1000,
    "default_interval_s": 1000,
    "open_debounce_s": 1000,
    "resolve_debounce_s": 1000,
    "flap_window_s": 1000,
    "flap_stable_s": 1000,
    "flap_threshold": 1,
    "flap_flips_threshold": 1,
}
"""The rules by name, and by what each is multiplied to be in milliseconds."""


class Told(NamedTuple):
    """A change as the oracle expects it. Instants in broker time."""

    key: str
    at: int
    from_state: str | None
    to_state: str | None
    condition: str | None
    since: int
    flap_count: int


class Read(NamedTuple):
    """The reading from `instant` on, in broker time `at`."""

    instant: int
    at: int
    reading: str


class Rules(NamedTuple):
    timeout: int
    default_interval: int
    open_debounce: int
    resolve_debounce: int
    flap_window: int
    flap_stable: int
    flap_threshold: int
    flap_flips_threshold: int


@dataclass
class Subject:
    key: str
    told: list[Told] = field(default_factory=list)
    readings: list[Read] = field(default_factory=list)
    reported: list[str] = field(default_factory=lambda: ["ok"])
    condition: str | None = None
    signs: list[int] = field(default_factory=list)
    """Instants from which silence may count: appeared, heard, switched on."""
    switched_on: list[int] = field(default_factory=list)
    flips: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    fires_on_since: Read | None = None
    """Where the condition turned for which it fires in place of another."""
    entered_flapping: int = 0
    closed_windows: list[tuple[int, int]] = field(default_factory=list)
    """Until when a flap window held, and how long it was."""
    registry: dict[str, Any] = field(default_factory=dict)
    heard_fields: dict[str, Any] = field(default_factory=dict)
    reads: str | None = None
    """While nothing is judged: what it reads by now, if that is something else than what was judged."""
    unjudged: int = 0
    """How many of its reports nobody has judged."""
    never_well: bool = False
    """First heard of as unhealthy, while nothing is judged."""

    @property
    def state(self) -> str | None:
        return self.told[-1].to_state

    @property
    def reading(self) -> str:
        return self.readings[-1].reading

    @property
    def healthy(self) -> bool:
        return self.reading == "ok"

    @property
    def kind(self) -> str:
        return self.key.split("/")[1]

    def means(self, reading: str) -> str | None:
        return CONDITIONS[self.kind].get(reading)

    def turned(self) -> Read:
        """Where the reading turned to healthy or unhealthy last."""
        return self._start([read.reading == "ok" for read in self.readings])

    def condition_turned(self) -> Read:
        return self._start([self.means(read.reading) for read in self.readings])

    def _start(self, values: list[Any]) -> Read:
        start = len(values) - 1
        while start and values[start - 1] == values[-1]:
            start -= 1
        return self.readings[start]

    def says(self, name: str) -> Any:
        return self.registry.get(name) or self.heard_fields.get(name) or None
