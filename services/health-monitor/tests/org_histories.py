"""Histories of one small org in which whole fleets fall silent and come back, and what its shards say about them."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st
from judge_log import T0, Log, read_control
from org_quiet import Made, Planned, made, planned
from org_words import Beat, Quiet, Rules

from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.partitions import partition_for
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.domain.judgements import CLOCK_INDEX, Clock, Judgement

SHARDS = 2
BEGINS = 2_000
NEVER_MANY = 1000
MODEL = "tower"
AWAY, OK, BAD, FEW = "", "ok", "offline", "few"
"""What devices do: nothing is heard, they report, they report that they are offline; of `few` every sixth reports."""


class Phase(NamedTuple):
    """For so many seconds everybody does the one thing, but for some."""

    seconds: int
    everybody: str
    but: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class History:
    """Devices by number; device 3 is `device/d3`. `slow` ones may be silent for longer, by their own timeout."""

    behind: tuple[int, ...]
    timeout_s: int
    slow: tuple[tuple[int, int], ...]
    open_debounce_s: int
    resolve_debounce_s: int
    window_s: int
    phases: tuple[Phase, ...]
    silences: tuple[Planned, ...] = ()
    many: int = NEVER_MANY
    """So many devices behind an integration share a ticket; in such a history no shared ticket ends."""
    refused: tuple[tuple[int, int], ...] = ()
    """From which second on, for how many, the ticket service opens nothing."""

    @property
    def devices(self) -> list[str]:
        return [f"device/d{number}" for number in range(len(self.behind))]

    @property
    def policy(self) -> HealthPolicy:
        overrides: list[dict[str, Any]] = [
            {"match": {"subject": self.devices[number]}, "timeout_s": s} for number, s in self.slow
        ]
        overrides.append({"match": {"model": MODEL}, "resolve_debounce_s": self.resolve_debounce_s})
        return HealthPolicy.kept(
            {
                "enabled": True,
                "publish_tickets": True,
                "timeout_s": self.timeout_s,
                "open_debounce_s": self.open_debounce_s,
                "resolve_debounce_s": self.resolve_debounce_s if self.many == NEVER_MANY else 3_600,
                "rollup_window_s": self.window_s,
                "rollup_threshold": self.many,
                "flap_threshold": 1000,
                "flap_flips_threshold": 1000,
                "overrides": overrides,
            }
        )

    @property
    def rules(self) -> dict[str, Rules]:
        timeouts = dict.fromkeys(range(len(self.behind)), self.timeout_s) | dict(self.slow)
        return {
            name: Rules(
                timeouts[number] * 1000,
                self.open_debounce_s * 1000,
                self.resolve_debounce_s * 1000,
                self.window_s * 1000,
                self.many,
            )
            for number, name in enumerate(self.devices)
        }

    @property
    def integrations(self) -> dict[str, str]:
        return {name: f"hue-{self.behind[number]}" for number, name in enumerate(self.devices)}

    @property
    def until(self) -> int:
        return T0 + BEGINS + 1000 * sum(phase.seconds for phase in self.phases) + 1000

    @property
    def beats(self) -> list[Beat]:
        """A beat a second of everybody who reports, each at an instant of its own in the second."""
        return list(self._beats())

    def _beats(self) -> Iterator[Beat]:
        second = T0 + BEGINS
        for phase in self.phases:
            for _ in range(phase.seconds):
                for number, name in enumerate(self.devices):
                    said = dict(phase.but).get(number, phase.everybody)
                    said = said if said != FEW else AWAY if number % 6 else OK
                    if said != AWAY:
                        yield Beat(second + 37 * (number + 1), name, said)
                second += 1000

    @property
    def refuses(self) -> list[tuple[int, int]]:
        """Half a second off: verdicts come at other instants."""
        begins = T0 + BEGINS + 500
        return [(begins + 1000 * second, begins + 1000 * (second + long)) for second, long in self.refused]

    @property
    def made(self) -> list[Made]:
        names = [*self.integrations]
        return [made(plan, names[plan.who], T0 + BEGINS + 7) for plan in self.silences]

    @property
    def quiet(self) -> list[Quiet]:
        return [quiet for each in self.made for quiet in each.quiet]


@st.composite
def histories(draw: st.DrawFn, many: st.SearchStrategy[int]) -> History:
    """Shared tickets and silences each in histories of their own: what a silence's end finds there depends on whether
    the ticket service has answered by then."""
    count, so_many = draw(st.integers(10, 15)), draw(many)
    numbers = st.integers(0, count - 1)
    timeout_s = draw(st.integers(3, 5))
    exceptions = st.lists(
        st.tuples(numbers, st.sampled_from([OK, AWAY, OK, AWAY, BAD])), max_size=4, unique_by=lambda one: one[0]
    ).map(tuple)
    phases = st.builds(Phase, st.integers(1, 16), st.sampled_from([OK, AWAY, AWAY, FEW]), exceptions)
    settled = Phase(draw(st.integers(5, 14)), OK, draw(exceptions))
    silences = st.lists(planned(numbers, st.integers(0, 40)), max_size=5).map(tuple)
    refused = st.lists(st.tuples(st.integers(5, 50), st.integers(1, 25)), max_size=2).map(tuple)
    return History(
        behind=tuple(draw(st.lists(st.sampled_from([1, 1, 2, 2, 3]), min_size=count, max_size=count))),
        timeout_s=timeout_s,
        slow=draw(
            st.lists(st.tuples(numbers, st.integers(3, 14)), max_size=3, unique_by=lambda one: one[0]).map(tuple)
        ),
        open_debounce_s=draw(st.integers(5, 7)),
        resolve_debounce_s=draw(st.integers(1, 4)),
        window_s=draw(st.integers(5, 16)),
        phases=(settled, *draw(st.lists(phases, min_size=2, max_size=9))),
        silences=draw(silences) if so_many == NEVER_MANY else (),
        refused=draw(refused) if so_many == NEVER_MANY else (),
        many=so_many,
    )


def judged(history: History, version: int) -> list[list[tuple[int, Judgement]]]:
    """What each shard says, each with the second of the log by which it is said."""
    return [list(_judged(history, version, partition)) for partition in range(SHARDS)]


def _judged(history: History, version: int, partition: int) -> Iterator[tuple[int, Judgement]]:
    log = Log(partition)
    log.state(PolicyVersion("acme", version, history.policy).statement(), "acme")
    beats = [beat for beat in history.beats if partition_for(f"acme/{beat.subject}".encode(), SHARDS) == partition]
    for second in range(T0 + 1000, history.until + 1000, 1000):
        for beat in [beat for beat in beats if second - 1000 <= beat.at < second]:
            log.ms = beat.at
            behind = {"integration": history.integrations[beat.subject]} if history.integrations[beat.subject] else {}
            log.beat(f"acme/{beat.subject}", status=beat.status, model=MODEL, **behind)
        log.ms = min(second, history.until - 1)  # of what is due at the very end nobody tells
        log.pulse()
    shard = Shard(partition, SHARDS, 1)
    for record in log.records:
        for judgement in shard.fold([record], read_control).judgements:
            yield record.timestamp // 1000, judgement
        if record.timestamp % 1000 == 0 or record is log.records[-1]:
            yield record.timestamp // 1000, clock_of(shard)


def clock_of(shard: Shard) -> Clock:
    """What the owner of the shard says each second."""
    assert shard.place is not None
    clock = shard.judge.clock
    return Clock(
        shard=shard.partition,
        generation=shard.generation,
        place=(shard.place.offset, CLOCK_INDEX),
        at=clock.said,
        clock=clock.now,
        offset=shard.place.offset,
        address="http://127.0.0.1:9000",
    )


def batches(
    said: Sequence[Sequence[tuple[int, Judgement]]], steps: Sequence[tuple[int, int]]
) -> Iterator[list[Judgement]]:
    """All of it in batches, in its order: each takes the next seconds of one shard (0, 1) or of both, over and over,
    but so that none is more than four seconds ahead of the other."""
    left = [list(each) for each in said]
    for which, seconds in itertools.cycle(steps):
        behind, ahead = sorted((0, 1), key=lambda shard: left[shard][0][0] if left[shard] else math.inf)
        if not left[behind]:
            return
        until = left[behind][0][0] + seconds - 1
        limits: dict[int, float] = {0: until, 1: until}
        if which != 2:
            limits[1 - which] = 0
            mine, other = left[which], left[1 - which]
            most = other[0][0] + 3 if other else math.inf
            limits[which] = min(mine[0][0] + seconds - 1, most) if mine else 0
            if not mine or mine[0][0] > limits[which]:
                limits = {behind: until if not left[ahead] else min(until, left[ahead][0][0] + 3), ahead: 0}
        batch: list[tuple[int, Judgement]] = []
        for shard, limit in limits.items():
            taken = list(itertools.takewhile(lambda each: each[0] <= limit, left[shard]))  # noqa: B023
            del left[shard][: len(taken)]
            batch += taken
        yield [judgement for _, judgement in sorted(batch, key=lambda each: each[0])]


def cut(
    said: Sequence[Sequence[tuple[int, Judgement]]], seconds: Sequence[int]
) -> Iterator[list[list[tuple[int, Judgement]]]]:
    """What shards say, in pieces: each but the last ends where all of them have said that they are at that second."""
    left = [list(each) for each in said]
    for second in seconds:
        piece = []
        for each in left:
            ends = [place + 1 for place, (at, one) in enumerate(each) if at == second and isinstance(one, Clock)] or [0]
            piece.append(each[: ends[0]])
            del each[: ends[0]]
        yield piece
    yield left
