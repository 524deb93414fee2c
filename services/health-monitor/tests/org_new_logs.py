"""Histories in which everything happens that can, and the logs of shards begin anew in the middle of it."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st
from judge_log import T0, Log, LogRecord, read_control
from org_histories import AWAY, BAD, OK, SHARDS, clock_of
from org_times_histories import BEGINS, HOLE, MODEL, NONCE, Phase, Times, policy, times

from fettle_health_monitor.domain.control import Forget, Heard, Policy, Register, Statement
from fettle_health_monitor.domain.judge.checkpoint import Snapshot, pack, restore, snapshot, unpack
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.domain.judgements import Judgement

CALM: dict[str, Any] = {"timeout_s": 3, "open_debounce_s": 4, "resolve_debounce_s": 2, "rollup_window_s": 16}
CALM |= {"flap_threshold": 1000, "flap_flips_threshold": 1000, "flap_stable_s": 5}
SETTLED_S = 75
"""Longer than all times together that a history gives anybody."""


class Anew(NamedTuple):
    """The logs of these shards begin anew at second `at`: for so many seconds they are `ignored`, up to the shard's
    hello, and then heard but not judged while the shard `waits` to be told what is in force."""

    shards: tuple[int, ...]
    at: int
    ignored: int
    waits: int

    @property
    def told(self) -> int:
        return self.at + self.ignored + self.waits


NEVER_ANEW = Anew((), 0, 0, 0)


@dataclass(frozen=True)
class NewLogs(Times):
    """Nobody does anything while a shard does not judge."""

    anew: Anew = NEVER_ANEW

    def _is_lost(self, at: int) -> bool:
        return bool(self.anew.shards) and self.anew.at <= at <= self.anew.told

    def judged(self) -> list[list[tuple[int, Judgement]]]:
        return [list(self._judgements(shard)) for shard in range(SHARDS)]

    def _judgements(self, partition: int) -> Iterator[tuple[int, Judgement]]:
        shard, log = Shard(partition, SHARDS, 1), self.logs[partition]
        if partition not in self.anew.shards:
            yield from self._said(shard, log)
            return
        begins = _second(self.anew.at)
        old = [record for record in log if record.timestamp < begins]
        shard = yield from self._said(shard, old)
        rest = [record for record in log if record.timestamp >= begins]
        known = [key.decode() for key in shard.judge.subjects.rows]
        new = Shard(partition, SHARDS, 2)
        new.await_announcement(NONCE)
        yield from self._said(new, self._new_log(partition, old, rest, known))

    def _said(self, shard: Shard, log: Sequence[LogRecord]) -> Generator[tuple[int, Judgement], None, Shard]:
        """All of a shard that does not judge yet is said at once: nobody waits for it. Returns the shard."""
        for record in log:
            second, rest = divmod(record.timestamp, 1000)
            if shard.announcement is not None:
                second = _second(self.anew.at) // 1000
            for judgement in shard.fold([record], read_control).judgements:
                yield second, judgement
            if (rest == 0 or record is log[-1]) and shard.announcement is None:
                yield record.timestamp // 1000, clock_of(shard)
                if second - T0 // 1000 in self.restarts:
                    saved = unpack(pack(snapshot(shard)))
                    assert isinstance(saved, Snapshot)
                    shard = restore(saved)
        return shard

    def _new_log(
        self, partition: int, old: Sequence[LogRecord], rest: Sequence[LogRecord], known: list[str]
    ) -> list[LogRecord]:
        """What is written from then on, and in it what the shard asks for and is told: of whom the old log has known.
        Who is first heard while nobody listens is known to nobody by that."""
        log, hello, told = Log(partition), _second(self.anew.at + self.anew.ignored), _second(self.anew.told)
        policies: list[Policy] = []
        for record in old:
            self._read(record, policies, known)
        asks: list[tuple[int, bool]] = [(hello, False), (told, True)]
        for record in rest:
            while asks and asks[0][0] <= record.timestamp:
                log.ms, is_told = asks.pop(0)
                self._tell(log, policies[-1], known) if is_told else log.hello(NONCE)
            statement = self._read(record, policies, [])
            log.ms = record.timestamp
            if statement is None:
                log.raw(record.key, record.value, record.headers)
            else:
                log.state(statement, (record.key or b"").decode())
        assert not asks
        return log.records

    @staticmethod
    def _read(record: LogRecord, policies: list[Policy], known: list[str]) -> Statement | None:
        """Whoever is heard or entered is known from then on, until it is removed."""
        control, key = read_control(record), (record.key or b"").decode()
        if control is None or isinstance(control.statement, Register):
            known += [] if key in known else [key]
        elif isinstance(control.statement, Forget) and key in known:
            known.remove(key)
        elif isinstance(control.statement, Policy):
            policies.append(control.statement)
        return None if control is None else control.statement

    def _tell(self, log: Log, judging: Policy, known: Sequence[str]) -> None:
        log.state(judging, "acme")
        for key in sorted(known):
            name, moved = key.removeprefix("acme/"), [each for each in self.moved if each[0] < log.ms]
            integration = {who: where for _, who, where in moved}.get(name, self.integrations[name])
            if name in self.entered or name in {who for _, who, _ in moved}:
                log.register(key, integration=integration or None, model=MODEL)
            else:
                log.register(key, heard=Heard(integration=integration or None, model=MODEL))
                log.register(key)
        log.announced(NONCE)


def _second(at: int) -> int:
    """In broker milliseconds."""
    return T0 + 1000 * (BEGINS + at)


@st.composite
def new_logs(draw: st.DrawFn) -> NewLogs:
    """At the end all report for long, but for some who are dead; then the org is judged, and tickets are asked for."""
    known = draw(times())
    count = len(known.subjects)
    seconds = sum(phase.seconds for phase in known.phases)
    dying = st.tuples(st.integers(0, count - 1), st.sampled_from([AWAY, BAD]))
    dead = draw(st.lists(dying, max_size=3, unique_by=_who))
    calm = policy(len(known.behind), **CALM)
    end = Phase(SETTLED_S, OK, tuple(dead), calm, True)
    anew = Anew(
        draw(st.sampled_from([(0, 1), (0, 1), (0,), (1,)])),
        draw(st.integers(8, max(9, seconds - 4))),
        draw(st.sampled_from([0, 0, 1, 3, 7])),
        draw(st.sampled_from([0, 0, 1, 2, 6])),
    )
    fields = {name: getattr(known, name) for name in ("behind", "policy", "restarts", "reporting", "silences")}
    fields |= {name: getattr(known, name) for name in ("resolved", "registry", "moves")}
    return NewLogs(**fields, phases=(*_unbroken(known.phases[:-1], anew), end), anew=anew)


def _unbroken(phases: Sequence[Phase], anew: Anew) -> Iterator[Phase]:
    """No hole where a new log begins: what its first records leave of one, less than five seconds, is on no record, and
    whether it counts hangs on whether anything had been seen before it."""
    begins = 0
    for phase in phases:
        ends = begins + phase.seconds
        broken = phase.everybody == HOLE and begins <= anew.told and anew.at <= ends
        yield phase._replace(everybody=OK) if broken else phase
        begins = ends


def _who(each: tuple[int, str]) -> int:
    return each[0]
