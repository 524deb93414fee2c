"""Histories of one small org in which devices flap, the log has holes and the policy changes, as its shards' logs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st
from judge_log import T0, Log, LogRecord, read_control
from org_histories import AWAY, BAD, FEW, OK, SHARDS, clock_of
from org_times import STEP_MS

from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.partitions import partition_for
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.judge.checkpoint import Snapshot, pack, restore, snapshot, unpack
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.domain.judgements import Judgement

BEGINS = 2
MODEL = "tower"
FLIPS, HOLE = "flips", "hole"
"""Devices report well and offline in turn; nobody writes into any log."""
NEVER = 1_000


class Phase(NamedTuple):
    """For so many seconds everybody does the one thing, but for some; before that another policy is put."""

    seconds: int
    everybody: str
    but: tuple[tuple[int, str], ...] = ()
    policy: HealthPolicy | None = None
    existing: bool = False


@dataclass(frozen=True)
class Times:
    """Devices by number; device 3 is `device/d3`. `restarts` are seconds after which a shard goes on from a
    checkpoint."""

    behind: tuple[int, ...]
    policy: HealthPolicy
    phases: tuple[Phase, ...]
    restarts: frozenset[int] = frozenset()

    @property
    def devices(self) -> list[str]:
        return [f"device/d{number}" for number in range(len(self.behind))]

    @property
    def integrations(self) -> dict[str, str]:
        return {name: f"hue-{self.behind[number]}" for number, name in enumerate(self.devices)}

    @property
    def put(self) -> list[Phase]:
        """The phases that begin with another policy."""
        return [phase for phase in self.phases if phase.policy is not None]

    @property
    def policies(self) -> dict[int, HealthPolicy]:
        """By version; the first is that of a new org."""
        return dict(enumerate([self.policy, *(phase.policy for phase in self.put if phase.policy)], 2))

    @property
    def existing(self) -> frozenset[int]:
        return frozenset(version for version, phase in enumerate(self.put, 3) if phase.existing)

    @property
    def logs(self) -> list[list[LogRecord]]:
        return [self._log(shard) for shard in range(SHARDS)]

    def _log(self, shard: int) -> list[LogRecord]:
        log, policies = Log(shard), [PolicyVersion("acme", *each) for each in self.policies.items()]
        log.state(policies.pop(0).statement(), "acme")
        mine = [
            number
            for number, name in enumerate(self.devices)
            if partition_for(f"acme/{name}".encode(), SHARDS) == shard
        ]
        second = T0 + 1000 * BEGINS
        log.ms = T0 + 1000
        log.pulse()
        for phase in self.phases:
            put = policies.pop(0) if phase.policy is not None else None
            for turn in range(phase.seconds):
                log.ms = second
                if phase.everybody != HOLE:
                    log.pulse()
                    for number in mine:
                        said = _says(phase, number, turn)
                        if said != AWAY:
                            log.ms = second + STEP_MS * (number + 1)
                            name = self.devices[number]
                            log.beat(f"acme/{name}", status=said, integration=self.integrations[name], model=MODEL)
                    log.ms = second + 1000 - STEP_MS * (2 + shard)
                    if put is not None:
                        log.state(put.statement(), "acme")
                        put = None
                second += 1000
            assert put is None
        log.ms = second
        log.pulse()
        return log.records

    def judged(self) -> list[list[tuple[int, Judgement]]]:
        """What each shard says, each with the second of the log by which it is said."""
        return [list(self._judged(shard, log)) for shard, log in enumerate(self.logs)]

    def _judged(self, partition: int, log: list[LogRecord]) -> Iterator[tuple[int, Judgement]]:
        shard = Shard(partition, SHARDS, 1)
        for record in log:
            second, rest = divmod(record.timestamp, 1000)
            for judgement in shard.fold([record], read_control).judgements:
                yield second, judgement
            if rest == 0:
                yield second, clock_of(shard)
                if second - T0 // 1000 in self.restarts:
                    saved = unpack(pack(snapshot(shard)))
                    assert isinstance(saved, Snapshot)
                    shard = restore(saved)


def _says(phase: Phase, number: int, turn: int) -> str:
    said = dict(phase.but).get(number, phase.everybody)
    if said == FLIPS:
        return (OK, BAD)[turn % 2]
    if said == FEW:
        return AWAY if number % 6 else OK
    return said


def policy(devices: int, slow: tuple[tuple[int, int], ...] = (), **fields: Any) -> HealthPolicy:
    """One with these rules, and longer timeouts for some devices."""
    overrides = [{"match": {"subject": f"device/d{number}"}, "timeout_s": s} for number, s in slow if number < devices]
    known = {"enabled": True, "publish_tickets": True, "rollup_threshold": NEVER, "overrides": overrides}
    return HealthPolicy.model_validate(known | fields)


@st.composite
def policies(draw: st.DrawFn, count: int, *, first: bool = False) -> HealthPolicy:
    flaps = draw(st.booleans())
    fields = {
        "timeout_s": draw(st.integers(3, 7)),
        "open_debounce_s": draw(st.integers(3, 7)),
        "resolve_debounce_s": draw(st.integers(1, 4)),
        "rollup_window_s": draw(st.integers(6, 16)),
        "flap_threshold": draw(st.integers(2, 5)) if flaps else 1000,
        "flap_flips_threshold": draw(st.integers(3, 9)) if flaps else 1000,
        "flap_window_s": draw(st.integers(10, 40)),
        "flap_stable_s": draw(st.integers(4, 12)),
        "enabled": first or draw(st.sampled_from([True, True, True, False])),
        "publish_tickets": draw(st.sampled_from([True, True, True, False])),
    }
    slow = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(3, 14)), max_size=3, unique_by=_first))
    return policy(count, tuple(slow), **fields)


def _first(each: tuple[int, Any]) -> int:
    return each[0]


@st.composite
def times(draw: st.DrawFn) -> Times:
    """Everybody is well for a while, in every second history nobody is heard behind that, then anything may happen."""
    count = draw(st.integers(10, 13))
    says = st.sampled_from([OK, AWAY, OK, AWAY, BAD, FLIPS])
    exceptions = st.lists(st.tuples(st.integers(0, count - 1), says), max_size=3, unique_by=_first).map(tuple)

    @st.composite
    def phases(draw: st.DrawFn) -> Phase:
        everybody = draw(st.sampled_from([OK, OK, AWAY, AWAY, AWAY, FEW, FLIPS, HOLE]))
        if everybody == HOLE:
            return Phase(draw(st.integers(5, 12)), HOLE)
        put = draw(st.none() | st.none() | policies(count))
        existing = put is not None and draw(st.booleans())
        seconds = draw(st.integers(8, 16) if everybody == AWAY else st.integers(1, 14))
        return Phase(seconds, everybody, draw(exceptions), put, existing)

    settled = Phase(draw(st.integers(6, 20)), OK, draw(exceptions))
    lost = [Phase(draw(st.integers(9, 16)), AWAY, draw(exceptions))] if draw(st.booleans()) else []
    behind = draw(st.lists(st.sampled_from([1, 1, 2, 2, 3]), min_size=count, max_size=count))
    return Times(
        behind=tuple(behind),
        policy=draw(policies(count, first=True)),
        phases=(settled, *lost, *draw(st.lists(phases(), min_size=3, max_size=9)), Phase(2, OK)),
        restarts=draw(st.frozensets(st.integers(3, 60), max_size=4)),
    )
