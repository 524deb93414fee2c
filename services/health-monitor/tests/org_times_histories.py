"""Histories of one small org in which everything happens that can, as its shards' logs: subjects fail, flap, recover,
logs have holes, policies change, silences hold, people resolve tickets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import strategies as st
from judge_log import T0, Log, LogRecord, read_control
from org_books import Deed
from org_histories import AWAY, BAD, FEW, OK, SHARDS, clock_of
from org_quiet import Made, Planned, made, planned
from org_says import STEP_MS
from org_words import MANY, OFFLINE, UNREACHABLE, Quiet

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
WORSE = "worse"
WRONG = {BAD: "unreachable", WORSE: "credentials_invalid"}
"""What an integration says when it is not well; a device says `offline`."""
CONDITIONS = ((OFFLINE,), (UNREACHABLE, "integration_credentials_invalid"))
NEVER = 1_000
NONCE = "n"

ENTERED, REMOVED = "entered", "removed"

PAUSES_S = (1, 6, 7, 8, 10, 12)
"""How long nobody writes: so briefly that all of it counts, or so long that it is on record. Of what does not count of
other pauses no more than the sum is known: what lasts until then ends up to three seconds later in the world's eyes."""

LOST_S = ((6, 7, 10), (0, 0, 3, 8), (0, 0, 2, 5))
"""How long log is lost, then ignored, then heard and not judged: nobody is judged for so long that it is on record."""

SILENCES_MS, POLICIES_MS, BACK_MS, REGISTRY_MS = 750, 800, 900, 50
"""When in a second silences begin and end, policies are put, holes end, and the registry tells what it has. In between
subjects report, each at an instant of its own; at the full second is a pulse, and people do what they do."""


class Phase(NamedTuple):
    """For so many seconds everybody does the one thing, but for some; before that another policy is put."""

    seconds: int
    everybody: str
    but: tuple[tuple[int, str], ...] = ()
    policy: HealthPolicy | None = None
    existing: bool = False


class Lost(NamedTuple):
    """Of this shard's log everything is lost from second `at` on, for so many seconds, before it is read. Behind that
    it is `ignored` for so many, up to the shard's hello, and then heard but not judged while the shard `waits` to be
    told what is in force."""

    shard: int
    at: int
    seconds: int
    ignored: int
    waits: int

    @property
    def hello(self) -> int:
        return self.at + self.seconds + self.ignored

    @property
    def told(self) -> int:
        return self.hello + self.waits


@dataclass(frozen=True)
class Times:
    """Subjects by number: devices, then the `reporting` first integrations; device 3 is `device/d3`. `restarts` are
    seconds after which a shard goes on from a checkpoint. `resolved` is in which second whose ticket somebody resolves,
    if it is open: a subject's own by its number, one about many devices by that of its integration (1 to 3) and -10.
    `registry` is in which second who is entered, or removed, `moves` in which the registry puts which device behind
    which integration. Nobody removes a silence while nobody can see what is. `lost` counts if anybody writes when its
    shard says hello and is told."""

    behind: tuple[int, ...]
    policy: HealthPolicy
    phases: tuple[Phase, ...]
    restarts: frozenset[int] = frozenset()
    reporting: int = 0
    silences: tuple[Planned, ...] = ()
    resolved: tuple[tuple[int, int], ...] = ()
    registry: tuple[tuple[int, int, str], ...] = ()
    moves: tuple[tuple[int, int, int], ...] = ()
    lost: Lost | None = None

    @property
    def losing(self) -> Lost | None:
        lost = self.lost
        return lost if lost is not None and all(map(self._is_written, (lost.hello, lost.told))) else None

    @property
    def subjects(self) -> list[str]:
        devices = [f"device/d{number}" for number in range(len(self.behind))]
        return devices + [f"integration/hue-{number + 1}" for number in range(self.reporting)]

    @property
    def integrations(self) -> dict[str, str]:
        behind = [f"hue-{number}" for number in self.behind]
        return dict(zip(self.subjects, behind + [""] * self.reporting, strict=True))

    @property
    def made(self) -> list[Made]:
        begins, names = T0 + 1000 * BEGINS + SILENCES_MS, self.subjects
        seen = [each if self._is_seen(each.removed or 0) else each._replace(removed=None) for each in self.silences]
        return [made(each, names[each.who], begins) for each in seen]

    @property
    def quiet(self) -> list[Quiet]:
        return [quiet for each in self.made for quiet in each.quiet]

    @property
    def deeds(self) -> list[Deed]:
        resolved = [(at, self._ticket(whose)) for at, whose in sorted(self.resolved) if self._is_seen(at)]
        return [Deed(_second(at), key) for at, keys in resolved for key in keys]

    @property
    def removed(self) -> list[tuple[int, str]]:
        """When somebody removes whom."""
        gone = [(at, who) for at, who, what in sorted(self.registry) if what == REMOVED and self._is_seen(at)]
        return [(_second(at), self.subjects[who]) for at, who in gone]

    @property
    def moved(self) -> list[tuple[int, str, str]]:
        """When the registry puts whom behind which integration."""
        seen = [each for each in sorted(self.moves) if self._is_seen(each[0])]
        return [(_second(at), self.subjects[who], f"hue-{number}") for at, who, number in seen]

    @property
    def entered(self) -> list[str]:
        return sorted({self.subjects[who] for _, who, what in self.registry if what == ENTERED})

    def _is_seen(self, at: int) -> bool:
        """Nobody does anything while nobody can see what is."""
        return self._is_written(at) and not self._is_lost(at)

    def _is_lost(self, at: int) -> bool:
        return self.losing is not None and self.losing.at <= at <= self.losing.told

    def _is_written(self, at: int) -> bool:
        for phase in self.phases:
            if at < phase.seconds:
                return phase.everybody != HOLE
            at -= phase.seconds
        return False

    def _ticket(self, whose: int) -> list[str]:
        if whose < 0:
            return [f"integration/hue-{whose + 10}:{MANY}"]
        return [f"{self.subjects[whose]}:{condition}" for condition in CONDITIONS[whose >= len(self.behind)]]

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
        """What is read of them."""
        logs = [self._log(shard) for shard in range(SHARDS)]
        if (lost := self.losing) is not None:
            gone = range(_second(lost.at), _second(lost.at + lost.seconds))
            logs[lost.shard] = [record for record in logs[lost.shard] if record.timestamp not in gone]
        return logs

    @property
    def behind_losses(self) -> list[set[int]]:
        """By shard the offsets of the records before which others were lost."""
        return [
            {after.offset for before, after in pairwise(log) if after.offset > before.offset + 1} for log in self.logs
        ]

    def _log(self, shard: int) -> list[LogRecord]:
        log, policies = Log(shard), [PolicyVersion("acme", *each) for each in self.policies.items()]
        judging = policies.pop(0)
        log.state(judging.statement(), "acme")
        mine = [
            number
            for number, name in enumerate(self.subjects)
            if partition_for(f"acme/{name}".encode(), SHARDS) == shard
        ]
        second = T0 + 1000 * BEGINS
        log.ms = T0 + 1000
        log.pulse()
        for phase in self.phases:
            put = policies.pop(0) if phase.policy is not None else None
            for turn in range(phase.seconds):
                log.ms = second
                if (lost := self.losing) is not None and lost.shard == shard:
                    if second == _second(lost.hello):
                        log.hello(NONCE)
                    if second == _second(lost.told):
                        self._tell_again(log, lost.told, mine, judging)
                if phase.everybody != HOLE:
                    log.pulse()
                    log.ms = second + REGISTRY_MS
                    self._state(log, second, mine)
                    for number in mine:
                        log.ms = second + STEP_MS * (number + 2)
                        self._report(log, number, _says(phase, number, turn))
                    log.ms = second + POLICIES_MS + STEP_MS * shard
                    if put is not None:
                        log.state(put.statement(), "acme")
                        judging, put = put, None
                second += 1000
            if phase.everybody == HOLE:
                log.ms = second - 1000 + BACK_MS + STEP_MS * shard
                log.pulse()
            assert put is None
        log.ms = second - 1  # nothing is due in the last millisecond, and much may be at the full second
        log.pulse()
        return log.records

    def _tell_again(self, log: Log, now: int, mine: Sequence[int], judging: PolicyVersion) -> None:
        """All that is in force by now."""
        log.state(judging.statement(), "acme")
        entered = {who: what for at, who, what in sorted(self.registry) if at < now and self._is_seen(at)}
        for who in sorted(who for who, what in entered.items() if what == ENTERED and who in mine):
            name = self.subjects[who]
            log.register(f"acme/{name}", integration=self.integrations[name] or None, model=MODEL)
        for at, name, integration in self.moved:
            if at < _second(now) and self.subjects.index(name) in mine:
                log.register(f"acme/{name}", integration=integration, model=MODEL)
        log.announced(NONCE)

    def _report(self, log: Log, number: int, said: str) -> None:
        name, behind = self.subjects[number], self.integrations[self.subjects[number]]
        if said == AWAY:
            return
        if behind:
            log.beat(f"acme/{name}", status=BAD if said in WRONG else OK, integration=behind, model=MODEL)
        else:
            log.beat(f"acme/{name}", status=WRONG.get(said, OK), model=MODEL)

    def _state(self, log: Log, second: int, mine: Sequence[int]) -> None:
        """What the registry tells the shard in this second."""
        for at, who, what in sorted(self.registry):
            if _second(at) == second and who in mine and not self._is_lost(at):
                name = self.subjects[who]
                if what == REMOVED:
                    log.forget(f"acme/{name}")
                else:
                    log.register(f"acme/{name}", integration=self.integrations[name] or None, model=MODEL)
        for at, name, integration in self.moved:
            if at == second and self.subjects.index(name) in mine:
                log.register(f"acme/{name}", integration=integration, model=MODEL)

    def judged(self) -> list[list[tuple[int, Judgement]]]:
        """What each shard says, each with the second of the log by which it is said."""
        return [list(self._judged(shard, log)) for shard, log in enumerate(self.logs)]

    def _judged(self, partition: int, log: list[LogRecord]) -> Iterator[tuple[int, Judgement]]:
        """Behind lost log all is said at once, up to where the shard judges again: nobody waits for it."""
        shard, lost = Shard(partition, SHARDS, 1), self.losing
        for record in log:
            second, rest = divmod(record.timestamp, 1000)
            if record.offset in self.behind_losses[partition]:
                shard.await_announcement(NONCE)
            if lost is not None and lost.shard == partition and self._is_lost(second - T0 // 1000 - BEGINS):
                second = _second(lost.at) // 1000
            for judgement in shard.fold([record], read_control).judgements:
                yield second, judgement
            if (rest == 0 or record is log[-1]) and shard.announcement is None:
                yield second, clock_of(shard)
                if second - T0 // 1000 in self.restarts:
                    saved = unpack(pack(snapshot(shard)))
                    assert isinstance(saved, Snapshot)
                    shard = restore(saved)


def _second(at: int) -> int:
    """In broker milliseconds."""
    return T0 + 1000 * (BEGINS + at)


def _says(phase: Phase, number: int, turn: int) -> str:
    said = dict(phase.but).get(number, phase.everybody)
    if said == FLIPS:
        return (OK, BAD)[turn % 2]
    if said == FEW:
        return AWAY if number % 6 else OK
    return said


def policy(
    devices: int, slow: tuple[tuple[int, int], ...] = (), behind: tuple[tuple[str, int], ...] = (), **fields: Any
) -> HealthPolicy:
    """One with these rules, longer timeouts for some devices, and another of the rules behind the first integration.
    Its open debounce may be as long as its rollup window, as it could be once."""
    overrides: list[dict[str, Any]] = [{"match": {"integration": "hue-1"}, name: value} for name, value in behind]
    overrides += [{"match": {"subject": f"device/d{number}"}, "timeout_s": s} for number, s in slow if number < devices]
    known = {"enabled": True, "publish_tickets": True, "rollup_threshold": NEVER, "overrides": overrides}
    return HealthPolicy.kept(known | fields)


@st.composite
def policies(draw: st.DrawFn, count: int, *, first: bool = False) -> HealthPolicy:
    flaps = draw(st.booleans())
    fields = {
        "timeout_s": draw(st.integers(3, 7)),
        "open_debounce_s": draw(st.integers(2, 7)),
        "resolve_debounce_s": draw(st.integers(1, 6)),
        "rollup_threshold": draw(st.sampled_from([2, 3, 4, NEVER])),
        "rollup_window_s": draw(st.integers(6, 16)),
        "flap_threshold": draw(st.integers(2, 5)) if flaps else 1000,
        "flap_flips_threshold": draw(st.integers(3, 9)) if flaps else 1000,
        "flap_window_s": draw(st.integers(10, 40)),
        "flap_stable_s": draw(st.integers(4, 12)),
        "enabled": first or draw(st.sampled_from([True, True, True, False])),
        "publish_tickets": draw(st.sampled_from([True, True, True, False])),
    }
    slow = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(3, 14)), max_size=3, unique_by=_first))
    others = {"rollup_threshold": 3, "rollup_window_s": 9, "resolve_debounce_s": 3, "open_debounce_s": 4}
    behind = draw(st.lists(st.sampled_from(sorted(others.items())), max_size=1))
    return policy(count, tuple(slow), tuple(behind), **fields)


def _first(each: tuple[int, Any]) -> int:
    return each[0]


def _news(policy: HealthPolicy, phases: list[Phase]) -> Iterator[Phase]:
    """To put the policy that there is changes nothing."""
    for phase in phases:
        changes = phase.policy is not None and phase.policy != policy
        yield phase if changes else phase._replace(policy=None, existing=False)
        policy = phase.policy or policy


def _in_and_out(at: int, who: int, long: int) -> tuple[tuple[int, int, str], ...]:
    """Entered and removed after so long, or not at all; or removed and never entered."""
    if long < 0:
        return ((at, who, REMOVED),)
    entered = (at, who, ENTERED)
    return (entered, (at + long, who, REMOVED)) if long else (entered,)


@st.composite
def times(draw: st.DrawFn) -> Times:
    """Everybody is well for a while, in every second history nobody is heard behind that, then anything may happen."""
    count, reporting = draw(st.integers(5, 11)), draw(st.integers(0, 2))
    says = st.sampled_from([OK, AWAY, OK, AWAY, BAD, FLIPS])
    devices = st.lists(st.tuples(st.integers(0, count - 1), says), max_size=3, unique_by=_first)
    whose, reports = st.integers(count, count + 1), st.sampled_from([OK, AWAY, BAD, BAD, WORSE])
    gateways = st.lists(st.tuples(whose, reports), max_size=2, unique_by=_first)
    exceptions = st.builds(lambda one, other: (*one, *other), devices, gateways)

    @st.composite
    def phases(draw: st.DrawFn) -> Phase:
        everybody = draw(st.sampled_from([OK, OK, AWAY, AWAY, AWAY, FEW, FLIPS, HOLE]))
        if everybody == HOLE:
            return Phase(draw(st.sampled_from(PAUSES_S)), HOLE)
        put = draw(st.none() | st.none() | policies(count))
        existing = put is not None and draw(st.booleans())
        seconds = draw(st.integers(8, 16) if everybody == AWAY else st.integers(1, 14))
        return Phase(seconds, everybody, draw(exceptions), put, existing)

    settled = Phase(draw(st.integers(6, 20)), OK, draw(exceptions))
    lost = [Phase(draw(st.integers(9, 16)), AWAY, draw(exceptions))] if draw(st.booleans()) else []
    behind = draw(st.lists(st.sampled_from([1, 1, 2, 2, 3]), min_size=count, max_size=count))
    registry = st.builds(_in_and_out, st.integers(2, 80), st.integers(0, count + reporting - 1), st.integers(-1, 20))
    anybody, seconds = st.integers(0, count + reporting - 1), st.integers(4, 90)
    first = draw(policies(count, first=True))
    entered = sum(draw(st.lists(registry, max_size=4, unique_by=lambda each: each[0][1])), ())
    stay = sorted(set(range(count)) - {who for _, who, _ in entered})
    moves = st.tuples(seconds, st.sampled_from(stay or [0]), st.integers(1, 3))
    return Times(
        behind=tuple(behind),
        policy=first,
        phases=(settled, *lost, *_news(first, draw(st.lists(phases(), min_size=4, max_size=9))), Phase(2, OK)),
        restarts=draw(st.frozensets(st.integers(3, 60), max_size=4)),
        reporting=reporting,
        silences=tuple(draw(st.lists(planned(anybody, seconds), max_size=4))),
        resolved=tuple(draw(st.lists(st.tuples(seconds, anybody | st.sampled_from([-9, -9, -8])), max_size=6))),
        registry=entered,
        moves=tuple(draw(st.lists(moves, max_size=4, unique_by=lambda each: each[0]))) if stay else (),
        lost=draw(st.none() | st.builds(Lost, st.integers(0, 1), st.integers(8, 70), *map(st.sampled_from, LOST_S))),
    )
