"""Logs in which everything happens within milliseconds, so that rules meet at their edges."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from judge_log import Log, LogRecord

from fettle_health_monitor.domain.control import Heard, Match, Override

KEYS = ["acme/device/a", "acme/device/b", "acme/integration/g", "acme/integration/h"]
STATUSES = {"device": ["ok", "offline"], "integration": ["ok", "unreachable", "credentials_invalid"]}

PAUSES = st.one_of(
    st.integers(0, 1500), st.sampled_from([0, 1, 1000, 2000, 2001, 4999, 5000, 60_000, 3_600_000, -1, -7_000])
)
"""Time (in ms) that flows, stops, leaps and steps back."""

MILLISECONDS = st.integers(0, 12).map(lambda ms: ms / 1000)
RULES: dict[str, st.SearchStrategy[Any]] = {
    "timeout_s": st.integers(1, 15).map(lambda ms: ms / 1000),
    "open_debounce_s": MILLISECONDS,
    "resolve_debounce_s": MILLISECONDS,
    "flap_window_s": st.integers(1, 60).map(lambda ms: ms / 1000),
    "flap_stable_s": st.integers(1, 25).map(lambda ms: ms / 1000),
    "flap_threshold": st.integers(2, 6),
    "flap_flips_threshold": st.integers(2, 9),
}
MATCHES = (
    st.builds(Match, integration=st.sampled_from(["g", "h"]))
    | st.builds(Match, model=st.sampled_from(["m", "n"]))
    | st.builds(Match, subject=st.sampled_from([key.partition("/")[2] for key in KEYS]))
)
FIELDS = st.fixed_dictionaries({}, optional=RULES)
OVERRIDES = st.lists(
    st.builds(lambda match, fields: Override(match=match, **fields), MATCHES, FIELDS),
    max_size=2,
    unique_by=lambda override: override.match,
).map(tuple)
HEARD = st.builds(Heard, integration=st.sampled_from([None, "g", "h"]), model=st.sampled_from([None, "m", "n"]))
MOMENTS = st.integers(0, 8) | st.integers(0, 30) | st.sampled_from([0, 1, 1999, 2000, 2001, 4999, 5000, 7000, -1, -40])
"""Pauses (in ms) as short as the rules, so that these meet at their edges."""
SAID = st.sampled_from(["ok", "ok", "bad", "bad", "bad", "integration", "model"])


INTERVALS = st.sampled_from([1, 5, 9, 10, 11, 15, 20])
"""In seconds: three of them are less than 30 s, just that, or more."""
SECONDS: dict[str, st.SearchStrategy[Any]] = {
    "timeout_s": st.none() | st.none() | st.sampled_from([3, 20, 30, 40]),
    "default_interval_s": INTERVALS,
    "open_debounce_s": st.sampled_from([0, 1, 5, 30]),
    "resolve_debounce_s": st.sampled_from([0, 1, 5, 30]),
    "flap_window_s": st.sampled_from([30, 120, 600]),
    "flap_stable_s": st.sampled_from([10, 60]),
    "flap_threshold": st.integers(2, 6),
    "flap_flips_threshold": st.integers(2, 9),
}
IN_SECONDS = st.lists(
    st.builds(
        lambda match, fields: Override(match=match, **fields), MATCHES, st.fixed_dictionaries({}, optional=SECONDS)
    ),
    max_size=2,
    unique_by=lambda override: override.match,
).map(tuple)
LASTING = st.integers(0, 3) | st.sampled_from([5, 26, 27, 28, 29, 30, 31, 33, 45, 60, 61])
"""Pauses in seconds, as long as timeouts."""


@st.composite
def fleets_by_intervals(draw: st.DrawFn) -> Log:
    """Timeouts that follow from intervals, which policies, the registry and heartbeats say. In whole seconds, with a
    pulse in each."""
    log = Log().policy(**draw(st.fixed_dictionaries(SECONDS)))
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    steps = st.tuples(LASTING, st.integers(0, 11), st.sampled_from(keys), SAID, st.integers(0, 3))
    for pause, what, key, said, number in draw(st.lists(steps, min_size=6, max_size=25)):
        for _ in range(pause):
            log.ms += 1000
            log.pulse()
        if what == 0:
            log.policy(**draw(st.fixed_dictionaries(SECONDS)), overrides=draw(IN_SECONDS), enabled=number > 0)
        elif what < 4:
            heard = draw(st.none() | st.builds(Heard, interval_s=st.none() | INTERVALS))
            log.register(key, model=[None, "m", None, "n"][number], interval_s=draw(st.none() | INTERVALS), heard=heard)
        elif what == 4 and number == 0:
            log.forget(key)
        elif what < 8:
            log.beat(key, interval_s=draw(INTERVALS))
        else:
            beat(log, key, said, number)
    return log


@st.composite
def fleets(draw: st.DrawFn) -> Log:
    """Devices and integrations under policies whose times are milliseconds: heartbeats, silences, holes, broker clocks
    that step back, other policies, both switches, registrations and removals."""
    log = Log().policy(**draw(st.fixed_dictionaries(RULES)))
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    for pause, what, key, said, number in draw(
        st.lists(
            st.tuples(MOMENTS, st.integers(0, 14), st.sampled_from(keys), SAID, st.integers(0, 3)),
            min_size=12,
            max_size=80,
        )
    ):
        log.ms += pause
        if what == 0:
            log.policy(**draw(st.fixed_dictionaries(RULES)), overrides=draw(OVERRIDES), enabled=number > 0)
        elif what == 1:
            heard = draw(st.none() | HEARD)
            log.register(
                key, integration=[None, "g", "h", "g"][number], model=[None, "m", None, "n"][number], heard=heard
            )
        elif what == 2 and number == 0:
            log.forget(key)
        elif what < 5:
            log.pulse()
        else:
            beat(log, key, said, number)
    return log


class Losing:
    """What is written of a log that is lost in part before it was read, and told again behind that. `lost` are the
    offsets of records that nobody has read, `behind` those of the first that are read behind them, each with the nonce
    of the hello that follows."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.lost: set[int] = set()
        self.behind: dict[int, str] = {}
        self._removed: set[str] = set()
        self._stage = "read"
        self._from = 0

    def goes_on(self, unheeded: int, entered: Mapping[str, Mapping[str, Any]], policy: Mapping[str, Any]) -> None:
        """What is written is read, then it is lost, then heard and not judged, then read again. Of what is lost the
        last may be there, but stands before the hello."""
        log = self.log
        match self._stage:
            case "read":
                self._stage, self._from = "lost", len(log.records)
            case "lost":
                nonce, begins = f"n{len(log.records)}", max(self._from, len(log.records) - unheeded)
                self.lost |= {*range(self._from, begins)}
                self.behind[begins] = nonce
                self._stage = "heard"
                log.hello(nonce)
            case _:
                self._tell(entered, policy)
                self._stage = "read"

    def forget(self, key: str) -> None:
        """The shard says that it has, if it reads of it."""
        self.log.forget(key)
        if self._stage == "lost":
            self._removed.add(key)

    def _tell(self, entered: Mapping[str, Mapping[str, Any]], policy: Mapping[str, Any]) -> None:
        self.log.policy(**policy)
        for key in sorted(self._removed):
            self.log.register(key).forget(key)
        self._removed.clear()
        for key, said in entered.items():
            self.log.register(key, **said)
        self.log.announced([*self.behind.values()][-1])

    @property
    def read(self) -> list[LogRecord]:
        """What is there. What was being lost when the log ends is not lost."""
        return [record for record in self.log.records if record.offset not in self.lost]


@st.composite
def fleets_that_lose_log(draw: st.DrawFn) -> Losing:
    """Fleets as `fleets` gives them, whose logs have parts that retention cuts before they were read."""
    policy: dict[str, Any] = draw(st.fixed_dictionaries(RULES))
    log = Log().policy(**policy)
    losing, entered = Losing(log), dict[str, dict[str, Any]]()
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    for pause, what, key, said, number in draw(
        st.lists(
            st.tuples(MOMENTS, st.integers(0, 17), st.sampled_from(keys), SAID, st.integers(0, 3)),
            min_size=12,
            max_size=80,
        )
    ):
        log.ms += pause
        if what == 0:
            policy = {**draw(st.fixed_dictionaries(RULES)), "overrides": draw(OVERRIDES), "enabled": number > 0}
            log.policy(**policy)
        elif what == 1:
            entered[key] = {"integration": [None, "g", "h", "g"][number], "model": [None, "m", None, "n"][number]}
            log.register(key, **entered[key], heard=draw(st.none() | HEARD))
        elif what == 2 and number == 0:
            entered.pop(key, None)
            losing.forget(key)
        elif what < 5:
            log.pulse()
        elif what > 14:
            losing.goes_on(number % 2, entered, policy)
        else:
            beat(log, key, said, number)
    return losing


def beat(log: Log, key: str, said: str, number: int) -> None:
    statuses = STATUSES[key.split("/")[1]]
    match said:
        case "ok":
            log.beat(key)
        case "bad":
            log.beat(key, status=statuses[1 + number % (len(statuses) - 1)])
        case "integration":
            log.beat(key, integration="gh"[number % 2])
        case _:
            log.beat(key, model="mn"[number % 2])


def script(log: Log) -> str:
    """What stands in a log, to be read by people."""
    return "\n".join(_line(record, log.records[0].timestamp) for record in log.records)


def _line(record: LogRecord, start: int) -> str:
    key, value = (record.key or b"").decode(), (record.value or b"").decode()
    return f"{record.offset:3} {record.timestamp - start:7} {key:20} {value}"
