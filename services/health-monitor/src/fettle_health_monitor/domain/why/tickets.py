"""Whether a subject's changes lead to a ticket: the correlator's decisions about it alone.

What it shares with others is left out: that decides whose ticket it is, not whether there is one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fettle_contracts.health_policy import UNBOUNDED, Bounds
from fettle_contracts.transitions import FAILING
from fettle_health_monitor.domain.correlator.decide import Facts, Switches, decide
from fettle_health_monitor.domain.correlator.evidence import of_change
from fettle_health_monitor.domain.correlator.incident import Asked, Incident
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    Opened,
    Outcome,
    Reopened,
    Resolved,
    Silenced,
    Unpublished,
    Wait,
)
from fettle_health_monitor.domain.correlator.silence_ends import Ended, Stood, after_end
from fettle_health_monitor.domain.correlator.silences import Occurrence, Silence, covers, occurrences
from fettle_health_monitor.domain.correlator.verdicts import Named, Verdict, called_for
from fettle_health_monitor.domain.judgements import Change
from fettle_health_monitor.domain.why.record import WITHOUT


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known besides the log. `earlier` are the verdicts of the present trouble that stand before the log's
    beginning at `from_at`, `called` those within it that neither a change nor the end of a silence has called for;
    `stood` is how the subject stood at the beginning, `in_force` which version of the policy its shard judged by from
    when on, `bounds` what an override for the subject may set beside the last of these. A silence covers nothing from
    before it was made but the verdicts that are `silenced` by their record, of a shard that was behind. Instants are
    broker milliseconds."""

    from_at: int
    switches: Mapping[int, Switches]
    named: Named
    org_deleted: bool = False
    silences: tuple[Silence, ...] = ()
    silenced: frozenset[UUID] = frozenset()
    earlier: tuple[Verdict, ...] = ()
    called: tuple[Verdict, ...] = ()
    stood: Stood | None = None
    in_force: tuple[tuple[int, int], ...] = ()
    bounds: Bounds = UNBOUNDED

    def version_at(self, at: int) -> int:
        return max((version for since, version in self.in_force if since <= at), default=0)


@dataclass(frozen=True, slots=True)
class Told:
    """How it went: each verdict with its outcome, and whether there is a ticket in the end."""

    ticket: bool
    decided: tuple[tuple[Verdict, Outcome | Wait], ...]

    @property
    def openings(self) -> list[Verdict]:
        """The verdicts that asked for the ticket that there is, the last first."""
        if not self.ticket:
            return []
        ends = [place for place, (_, outcome) in enumerate(self.decided) if isinstance(outcome, Resolved)]
        trouble = self.decided[ends[-1] + 1 :] if ends else self.decided
        asked = [verdict for verdict, outcome in trouble if isinstance(outcome, Opened | Reopened | AlreadyOpen)]
        return asked[::-1]


def tell(changes: Sequence[Change], known: Circumstances, at: int) -> Told:
    """Decide what these changes and circumstances call for up to `at`, verdict by verdict in their order."""
    due = [change for change in changes if change.at <= at]
    verdicts = [verdict for change in due if (verdict := called_for(change, known.named)) is not None]
    verdicts += _after_silences(due, known, at)
    verdicts += (each for each in known.called if _state_before(due, known, each.at) in FAILING)
    verdicts.sort(key=lambda verdict: verdict.at)
    incidents: dict[str, Incident] = {}
    decided: list[tuple[Verdict, Outcome | Wait]] = []
    for verdict in (*known.earlier, *verdicts):
        facts = Facts(
            switches=known.switches.get(verdict.policy_version),
            org_deleted=known.org_deleted,
            incidents=incidents,
            unpublished=bool(decided) and isinstance(decided[-1][1], Unpublished),
            silenced=_silenced(known, verdict),
        )
        outcome = decide(verdict, facts)
        _follow(incidents, verdict, outcome)
        decided.append((verdict, outcome))
    return Told(bool(incidents), tuple(decided))


def _follow(incidents: dict[str, Incident], verdict: Verdict, outcome: Outcome | Wait) -> None:
    match outcome:
        case Opened() | Reopened():
            incidents[verdict.condition] = Incident(asked=Asked("open", verdict.id))
        case Resolved():
            incidents.clear()
        case _ if verdict.cause in WITHOUT:
            incidents.pop(verdict.condition, None)
        case _:
            pass


def _silenced(known: Circumstances, verdict: Verdict) -> Silenced | None:
    """By the one that lasts longest."""
    at = verdict.at
    there = [each for each in known.silences if (each.made_at or 0) <= at or verdict.id in known.silenced]
    found = [(occurrence.end, each) for each in there if (occurrence := covers(each, at)) is not None]
    if not found:
        return None
    end, silence = max(found, key=lambda one: one[0])
    return Silenced(silence.id, silence.by, end)


def _after_silences(changes: Sequence[Change], known: Circumstances, at: int) -> list[Verdict]:
    found: dict[UUID, Verdict] = {}
    for silence in known.silences:
        for occurrence in _ends(silence, known.from_at, at):
            stood, version = _stood(changes, known, occurrence.end), known.version_at(occurrence.end)
            verdict = after_end(Ended(silence, occurrence, stood, known.named, version))
            if isinstance(verdict, Verdict):
                found.setdefault(verdict.id, verdict)
    return list(found.values())


def _ends(silence: Silence, after: int, until: int) -> list[Occurrence]:
    """Those that had ended before it was made have ended nothing."""
    after = max(after, silence.made_at or after)
    return [occurrence for occurrence in occurrences(silence, after, until) if occurrence.end <= until]


def _stood(changes: Sequence[Change], known: Circumstances, at: int) -> Stood | None:
    """How the subject stood just before an instant, and where it went next."""
    stood = known.stood
    for change in changes:
        if change.at >= at:
            if stood is not None:
                stood = _with_next(stood, change)
            break
        stood = Stood(change.to_state, change.condition, change.since, change.flap_count, of_change(change))
    return stood


def _with_next(stood: Stood, change: Change) -> Stood:
    return replace(stood, next_at=change.at, next_state=change.to_state, next_version=change.policy_version)


def _state_before(changes: Sequence[Change], known: Circumstances, at: int) -> str | None:
    before = [change.to_state for change in changes if change.at <= at]
    return before[-1] if before else (known.stood.state if known.stood else None)
