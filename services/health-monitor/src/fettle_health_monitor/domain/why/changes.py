"""What would have decided otherwise: one policy value of the subject, one silence of it, one switch of its org, or
that this watched newcomers.

Every change that is named has been tried: the log is judged again with it, and the answer turns; by one step less it
does not. A number's size is the part by which it changes; a silence or a switch, which is there or not, counts as one
whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil, floor, inf
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from msgspec.structs import replace as with_fields

from fettle_contracts.health_policy import DAY_S
from fettle_health_monitor.domain.control import Match, Override, Policy
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.silences import LENGTH_MAX_S, Schedule, Silence, covers
from fettle_health_monitor.domain.correlator.verdicts import Verdict
from fettle_health_monitor.domain.judge.policies import NOT_JUDGED
from fettle_health_monitor.domain.why.search import Allowance, Try, nearest
from fettle_health_monitor.domain.why.subject_log import Judged, SubjectLog, judged
from fettle_health_monitor.domain.why.tickets import Circumstances, Told, tell

_COUNT_MAX: Final = 100_000
_WHOLE: Final = 1.0
_OVERHEAD: Final = 20
"""What a trial costs besides its records, in records."""

LIMITS: Final = {
    "timeout_s": (1, DAY_S),
    "open_debounce_s": (0, DAY_S),
    "resolve_debounce_s": (0, DAY_S),
    "flap_threshold": (2, _COUNT_MAX),
    "flap_flips_threshold": (2, _COUNT_MAX),
    "flap_window_s": (1, DAY_S),
    "flap_stable_s": (1, DAY_S),
}
"""The numbers that a shard judges by, and what may stand there. Rollup rules decide which ticket, never whether."""


Discover: TypeAlias = Literal["judge", "list_only"]
Switch: TypeAlias = Literal["enabled", "publish_tickets"]


@dataclass(frozen=True, slots=True)
class NumberChange:
    """An override for just this subject, from the kept state on. What is `wanted` may be what is `present`, where
    another value held before. Of seconds an override has whole ones; what is `present` has others where a timeout
    follows from an interval."""

    rule: str
    present: float
    wanted: int

    @property
    def size(self) -> float:
        return abs(self.wanted - self.present) / max(self.present, 1)


@dataclass(frozen=True, slots=True)
class SilenceChange:
    """One silence more, or one less. `start` is in broker milliseconds."""

    action: Literal["add", "remove"]
    silence: Silence
    size: float = _WHOLE


@dataclass(frozen=True, slots=True)
class SwitchChange:
    """A switch of the whole org the other way, as if it had stood so all along: by it is decided too what was called
    for before the kept state. `all_along`: as it is in the end, where it stood the other way before. `early`: it had to
    stand so before the kept state already."""

    switch: Switch
    wanted: bool
    all_along: bool = False
    early: bool = False
    size: float = _WHOLE

    @property
    def present(self) -> bool:
        return self.wanted if self.all_along else not self.wanted


@dataclass(frozen=True, slots=True)
class DiscoverChange:
    """An org that only lists newcomers would watch them, from the kept state on. It may do so at `present`, behind the
    newcomer's last heartbeat."""

    present: Discover
    size: float = _WHOLE


WhatIf: TypeAlias = NumberChange | SilenceChange | SwitchChange | DiscoverChange


@dataclass(frozen=True, slots=True)
class Case:
    """A subject's log, and what else is known about it up to the log's instant."""

    log: SubjectLog
    known: Circumstances


def as_it_was(case: Case) -> tuple[Judged, Told]:
    judgement = judged(case.log)
    return judgement, tell(judgement.changes, case.known, case.log.at)


def as_it_would_be(case: Case, change: WhatIf) -> tuple[Judged, Told]:
    """Judge and decide again, with this one change."""
    known, at = case.known, case.log.at
    match change:
        case NumberChange(rule, _, wanted):
            subject = case.log.subject
            judgement = judged(case.log, lambda policy: with_rule(policy, subject, rule, wanted))
        case SilenceChange(action, silence):
            judgement = judged(case.log)
            others = tuple(each for each in known.silences if each.id != silence.id)
            known = replace(known, silences=others if action == "remove" else (*others, silence))
        case DiscoverChange():
            judgement = judged(case.log, lambda policy: with_fields(policy, discover="judge"))
        case SwitchChange("enabled", wanted):
            judgement = judged(case.log, lambda policy: with_fields(policy, enabled=wanted))
            known = replace(known, switches=_switched(known, enabled=wanted))
        case SwitchChange(_, wanted):
            judgement = judged(case.log)
            known = replace(known, switches=_switched(known, publish_tickets=wanted))
    return judgement, tell(judgement.changes, known, at)


def with_rule(policy: Policy, subject: str, rule: str, value: int) -> Policy:
    """The policy with this value for just this subject, whatever else is overridden for it."""
    own = [override for override in policy.overrides if override.match.subject == subject]
    others = tuple(override for override in policy.overrides if override.match.subject != subject)
    before = own[-1] if own else Override(match=Match(subject=subject))
    fields: dict[str, Any] = {rule: value}
    return with_fields(policy, overrides=(*others, with_fields(before, **fields)))


def if_it_were_watched(case: Case, present: Discover) -> list[WhatIf]:
    """What would have brought a ticket about a newcomer that its org only lists, or listed when it was last heard and
    by now does as is `present`. Takes as long as judging it once."""
    watched = DiscoverChange(present)
    return [watched] if case.known.bounds.stands and as_it_would_be(case, watched)[1].ticket else []


def those_that_turn_it(case: Case, allowance: Allowance) -> list[WhatIf]:
    """The changes that would have decided otherwise, the smallest first; none where none would. Of numbers those that
    are smaller than what was found before them. Takes seconds. Raises Spent."""
    was, told = as_it_was(case)

    def attempt(change: WhatIf) -> Try:
        allowance.spend(len(case.log.records) + _OVERHEAD)
        judgement, would_be = as_it_would_be(case, change)
        happened = [(each.from_state, each.to_state, each.reason) for each in judgement.changes]
        outcomes = [(verdict.cause, type(outcome).__name__) for verdict, outcome in would_be.decided]
        return Try(would_be.ticket != told.ticket, (tuple(happened), tuple(outcomes)))

    found: list[WhatIf] = [change for change in _fewer(case, told) if attempt(change).turned]
    found += _one_more(case, told, attempt)
    found += (_dated(change, case, told) for change in _switches(case) if attempt(change).turned)
    for rule, present in numbers(was, case.log).items():
        if rule in case.known.bounds.refused:
            continue
        within = min((change.size for change in found if isinstance(change, NumberChange)), default=inf)
        if not within:
            break
        low, high = _bounds(rule, present, within, was, case)
        wanted = nearest(present, low, high, lambda value: attempt(NumberChange(rule, present, value)))  # noqa: B023
        if wanted is not None:
            found.append(NumberChange(rule, present, wanted))
    return sorted(found, key=lambda change: change.size)


def numbers(was: Judged, log: SubjectLog) -> dict[str, float]:
    """The values that hold for the subject in the end; none while it is not judged. Times in seconds."""
    row = was.shard.judge.subjects.rows.get(log.key)
    if row is None or (timing := was.shard.judge.timing(row)) == NOT_JUDGED:
        return {}
    return {
        "timeout_s": _seconds(timing.timeout),
        "open_debounce_s": _seconds(timing.open_debounce),
        "resolve_debounce_s": _seconds(timing.resolve_debounce),
        "flap_threshold": timing.flap_changes,
        "flap_flips_threshold": timing.flap_flips,
        "flap_window_s": _seconds(timing.flap_window),
        "flap_stable_s": _seconds(timing.flap_stable),
    }


def _seconds(ms: int) -> float:
    """As a whole number where it is one."""
    return ms / 1000 if ms % 1000 else ms // 1000


def _bounds(rule: str, present: float, within: float, was: Judged, case: Case) -> tuple[int, int]:
    """What would be accepted there and is a smaller change than `within`; the first is above the second where nothing
    is. Refused are a timeout under an interval, and an open debounce that is not below a rollup window."""
    low, high = LIMITS[rule]
    if rule == "timeout_s":
        subjects = was.shard.judge.subjects
        interval_s = subjects.profiles.values[subjects.profile[subjects.rows[case.log.key]]].interval_s
        low = max(low, ceil(interval_s or 0), case.known.bounds.timeout_from_s)
    elif rule == "open_debounce_s":
        high = min(high, case.known.bounds.open_debounce_to_s)
    if within < inf:
        reach = within * max(present, 1)
        low, high = max(low, floor(present - reach) + 1), min(high, ceil(present + reach) - 1)
    return low, high


def _switches(case: Case) -> Iterator[SwitchChange]:
    """Each as it is in the end, where it stood the other way before, and the other way."""
    newest = case.known.switches.get(max(case.log.versions, default=0))
    if newest is None or not case.known.bounds.stands:
        return
    of_each: dict[Switch, set[bool]] = {
        "publish_tickets": {each.publish_tickets for each in case.known.switches.values()},
        "enabled": {each.enabled for each in case.known.switches.values()},
    }
    for switch, held in of_each.items():
        present: bool = getattr(newest, switch)
        if len(held) > 1:
            yield SwitchChange(switch, present, all_along=True)
        yield SwitchChange(switch, not present)


def _dated(change: SwitchChange, case: Case, told: Told) -> SwitchChange:
    """With whether the ticket, that there is or would be, was asked for before the kept state too."""
    with_ticket = told if told.ticket else as_it_would_be(case, change)[1]
    before = {verdict.id for verdict in case.known.earlier}
    return replace(change, early=any(asked.id in before for asked in with_ticket.openings))


def _switched(known: Circumstances, **wanted: bool) -> dict[int, Switches]:
    return {version: replace(switches, **wanted) for version, switches in known.switches.items()}


def _fewer(case: Case, told: Told) -> list[SilenceChange]:
    """Where there is no ticket: each silence less."""
    if told.ticket:
        return []
    return [SilenceChange("remove", silence) for silence in case.known.silences if _covers_any(silence, told)]


def _one_more(case: Case, told: Told, attempt: Callable[[WhatIf], Try]) -> Iterator[SilenceChange]:
    """Where there is a ticket: one silence more, from the last verdict that asked for it on that is early enough, for
    as long as is needed, mostly until just behind the instant: where it ends before that, its end asks for the
    ticket."""
    for asked in told.openings:
        until_behind_s = ceil((case.log.at + 1 - asked.at) / 1000)
        if until_behind_s > LENGTH_MAX_S:
            return
        if attempt(_silence_from(asked, until_behind_s)).turned:
            length_s = nearest(0, 0, until_behind_s, lambda length: attempt(_silence_from(asked, length)))  # noqa: B023
            yield _silence_from(asked, length_s or until_behind_s)
            return


def _silence_from(asked: Verdict, length_s: int) -> SilenceChange:
    schedule = Schedule(asked.at, length_s)
    return SilenceChange("add", Silence(id=UUID(int=0), org=asked.org, subject=asked.subject, schedule=schedule, by=""))


def _covers_any(silence: Silence, told: Told) -> bool:
    return any(covers(silence, verdict.at) is not None for verdict, _ in told.decided)
