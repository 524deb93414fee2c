"""Histories of a small org whose integrations report as well, and in which people resolve tickets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import strategies as st
from judge_log import T0
from org_books import Deed, of_device, of_many
from org_histories import AWAY, BAD, BEGINS, FEW, OK, History, Phase
from org_quiet import planned
from org_words import UNREACHABLE, Beat, Rules

from fettle_contracts.health_policy import HealthPolicy

PHASES_OF_GATEWAYS = 4


class Said(NamedTuple):
    """For so many seconds an integration does this."""

    seconds: int
    what: str


@dataclass(frozen=True)
class SharedHistory(History):
    """`gateways`: what each of the integrations does that report, hue-1 first; they are well after that. `deeds`: after
    how many seconds whose ticket is resolved, if there is one: a device's by its number, an integration's own as -1 and
    the one about many devices behind it as -11 (hue-2: -2 and -12)."""

    gateways: tuple[tuple[Said, ...], ...] = ()
    deeds: tuple[tuple[int, int], ...] = ()

    @property
    def policy(self) -> HealthPolicy:
        return super().policy.model_copy(update={"resolve_debounce_s": self.resolve_debounce_s})

    @property
    def reporting(self) -> list[str]:
        return [f"integration/hue-{number}" for number in range(1, len(self.gateways) + 1)]

    @property
    def of_org(self) -> Rules:
        return Rules(
            self.timeout_s * 1000,
            self.open_debounce_s * 1000,
            self.resolve_debounce_s * 1000,
            self.window_s * 1000,
            self.many,
        )

    @property
    def rules(self) -> dict[str, Rules]:
        return super().rules | dict.fromkeys(self.reporting, self.of_org)

    @property
    def integrations(self) -> dict[str, str]:
        return super().integrations | dict.fromkeys(self.reporting, "")

    def _beats(self) -> Iterator[Beat]:
        do = [[said.what for said in each for _ in range(said.seconds)] for each in self.gateways]
        beats = [*super()._beats()]
        for second in range(T0 + BEGINS, self.until - 1000, 1000):
            yield from [beat for beat in beats if second <= beat.at < second + 1000]
            for number, (name, does) in enumerate(zip(self.reporting, do, strict=True)):
                since = (second - T0 - BEGINS) // 1000
                what = does[since] if since < len(does) else OK
                if what != AWAY:
                    at = second + 37 * (len(self.devices) + number + 1)
                    yield Beat(at, name, "unreachable" if what == BAD else OK)

    @property
    def resolves(self) -> list[Deed]:
        return [Deed(T0 + BEGINS + 1000 * second, self._key(whose)) for second, whose in sorted(self.deeds)]

    def _key(self, whose: int) -> str:
        if whose >= 0:
            return of_device(self.devices[whose])
        return of_many(f"hue-{-whose - 10}") if whose < -10 else f"integration/hue-{-whose}:{UNREACHABLE}"


@st.composite
def shared_histories(draw: st.DrawFn, *, lost: bool = False) -> SharedHistory:
    """So few subjects that heartbeats are never lost, or so many that they may be."""
    count = draw(st.integers(10, 14) if lost else st.integers(3, 7))
    timeout_s = draw(st.integers(3, 5))
    numbers = st.integers(0, count - 1)
    exceptions = st.lists(
        st.tuples(numbers, st.sampled_from([OK, AWAY, OK, AWAY, BAD])), max_size=4, unique_by=lambda one: one[0]
    ).map(tuple)
    phases = st.builds(Phase, st.integers(1, 16), st.sampled_from([OK, AWAY, AWAY, FEW]), exceptions)
    does = st.lists(st.builds(Said, st.integers(1, 25), st.sampled_from([OK, BAD, AWAY])), max_size=PHASES_OF_GATEWAYS)
    whose = st.one_of(numbers, st.sampled_from([-1, -11, -11, -2, -12]))
    reporting = 0 if lost else 2
    quiet = st.lists(planned(st.integers(0, count + reporting - 1), st.integers(0, 60)), max_size=4)
    return SharedHistory(
        behind=tuple(
            draw(st.lists(st.sampled_from([1, 1, 2, 3] if lost else [1, 1, 1, 2]), min_size=count, max_size=count))
        ),
        timeout_s=timeout_s,
        slow=draw(st.lists(st.tuples(numbers, st.integers(3, 9)), max_size=2, unique_by=lambda one: one[0]).map(tuple)),
        open_debounce_s=draw(st.integers(2, 7)),
        resolve_debounce_s=draw(st.integers(1, 6)),
        window_s=draw(st.integers(5, 16)),
        phases=(Phase(draw(st.integers(2, 6)), OK, ()), *draw(st.lists(phases, min_size=2, max_size=8))),
        silences=tuple(draw(quiet)),
        many=draw(st.integers(2, 4)),
        gateways=tuple((Said(4, OK), *draw(does)) for _ in range(reporting)),
        deeds=tuple(draw(st.lists(st.tuples(st.integers(5, 80), whose), max_size=6))),
    )
