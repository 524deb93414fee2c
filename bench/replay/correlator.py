"""The correlator's domain with its facts in memory, for one org whose tickets are opened and resolved at once.

In operation Postgres keeps the facts and the ticket service answers; what is decided, and by which rules, is the same:
the shards' clocks say what is ready, verdicts, watches and ends of silences have their turn in the order of their
instants, and each verdict ends in one outcome. Nobody resolves a ticket by hand, no policy changes, and no log has a
hole, so nothing that only follows from those is here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count
from typing import TypeAlias
from uuid import UUID, uuid5

from bench.replay.sharing import Lists
from bench.replay.standing import Subjects
from bench.replay.unseen import Sight
from fettle_contracts.ticket import TicketState
from fettle_contracts.transitions import HealthState
from fettle_health_monitor.domain.correlator.clocks import Behind, Patience, ShardClock, horizon
from fettle_health_monitor.domain.correlator.commands import OwnCommand, of_outcome
from fettle_health_monitor.domain.correlator.decide import Facts, decide, merges_of
from fettle_health_monitor.domain.correlator.evidence import LEFT_OVER_FROM, of_change, with_decision
from fettle_health_monitor.domain.correlator.incident import Incident, KnownTicket
from fettle_health_monitor.domain.correlator.losses import ALL_HEARTBEATS, LOST, Hush, hushes
from fettle_health_monitor.domain.correlator.outcomes import (
    CalledOff,
    HeldBack,
    Joined,
    Opened,
    OpenedTogether,
    Outcome,
    Reopened,
    Silenced,
    Wait,
)
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.rollups import MANY, Group, Parent, Single, is_integration, member_of
from fettle_health_monitor.domain.correlator.silence_ends import Ended, Stood, after_end
from fettle_health_monitor.domain.correlator.silences import Occurrence, Silence, covers, look, occurrences, on_or_next
from fettle_health_monitor.domain.correlator.verdicts import (
    CALLS_FOR_A_TICKET,
    OPENING,
    Cause,
    LastSeen,
    Verdict,
    called_for,
)
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind
from fettle_health_monitor.domain.judgements import Change, HeardAgain, Judgement, Profile

ENDING = frozenset({Cause.RECOVERED, Cause.FORGOTTEN})
Turn: TypeAlias = Verdict | Watch | tuple[Silence, Occurrence]


class Correlator:
    """`outcomes` counts verdicts by how they ended, `called` all that were called for, `opened` tickets by what they
    are about, `commands` by verb."""

    def __init__(self, version: PolicyVersion, shards: int, silences: Iterable[Silence]) -> None:
        self._version, self._shards = version, shards
        self.subjects = Subjects(version)
        self.sight = Sight(self.subjects, self._show, self._call, self._hushes)
        self._clocks: dict[int, ShardClock] = {}
        self._waiting_events: list[Change | HeardAgain] = []
        self._turns: list[tuple[int, int, int, Turn]] = []
        self._number = count()
        self._incidents: defaultdict[str, dict[str, Incident]] = defaultdict(dict)
        self._lists = Lists()
        self._watches: dict[tuple[WatchKind, str], Watch] = {}
        self._waits: dict[str, Verdict] = {}
        self._silences: defaultdict[str, list[Silence]] = defaultdict(list)
        self._held = Counter[UUID]()
        self._ended: dict[str, Ended] = {}
        self.called = 0
        self.outcomes, self.opened, self.commands = Counter[str](), Counter[str](), Counter[str]()
        for silence in silences:
            self._silences[silence.subject].append(silence)
            self._await_end(silence, 0)

    @property
    def waiting(self) -> int:
        """Verdicts that have no outcome yet."""
        return len(self._waits) + sum(isinstance(turn, Verdict) for *_, turn in self._turns)

    def hear(self, clock: ShardClock, judgements: Iterable[Judgement]) -> None:
        """What a shard says, and how far it has come with it."""
        self._clocks[clock.shard] = clock
        for each in judgements:
            if isinstance(each, Profile):
                self.subjects.learn(each)
            elif isinstance(each, Change | HeardAgain):
                self._waiting_events.append(each)

    def decide(self) -> None:
        """Everything that the clocks have passed."""
        reach = horizon(self._clocks.values(), self._shards, Patience())
        if reach is None:
            return
        before = reach.before
        ready = [each for each in self._waiting_events if each.at < before]
        self._waiting_events = [each for each in self._waiting_events if each.at >= before]
        ready.sort(key=lambda each: (each.at, each.shard, each.place))
        few_before = self.sight.few_unknown()
        self.sight.see(ready, before, self._clocks)
        few = self.sight.few_unknown()
        if few != few_before:
            self._watches.pop((WatchKind.FEW_UNKNOWN, ALL_HEARTBEATS), None)
            if few is not None:
                self._watch(WatchKind.FEW_UNKNOWN, few, LOST, self._version.policy.resolve_debounce_s * 1000)
        while self._turns and self._turns[0][0] < before:
            at, _, _, turn = heappop(self._turns)
            self._take(turn, at)
        self._send(self._lists.said(self._version.org))

    def _push(self, at: int, order: int, turn: Turn) -> None:
        heappush(self._turns, (at, order, next(self._number), turn))

    def _call(self, verdict: Verdict) -> None:
        self.called += 1
        self._push(verdict.at, 0, verdict)

    def _show(self, change: Change) -> None:
        self.subjects.show(change)
        verdict = called_for(change, self.subjects.named(change.subject))
        if verdict is not None:
            self._call(verdict)
        elif change.to_state == HealthState.HEALTHY:
            self._watches.pop((WatchKind.JUDGED_AFRESH, change.subject), None)
            self._call_off(change.subject)
        if (ended := self._ended.pop(change.subject, None)) is not None and ended.stood is not None:
            stood = replace(
                ended.stood, next_at=change.at, next_state=change.to_state, next_version=change.policy_version
            )
            self._follow_end(replace(ended, stood=stood))

    def _take(self, turn: Turn, at: int) -> None:
        match turn:
            case Verdict():
                self._decide(turn)
            case Watch():
                self._run_out(turn, at)
            case (silence, occurrence):
                self._end_silence(silence, occurrence)

    # Verdicts

    def _decide(self, verdict: Verdict) -> None:
        facts = Facts(
            switches=self._version.switches,
            org_deleted=False,
            incidents=self._incidents[verdict.subject],
            group=self._group(verdict),
            afresh=verdict.cause is not Cause.JUDGED_AFRESH
            and (WatchKind.JUDGED_AFRESH, verdict.subject) in self._watches,
            silenced=self._silenced(verdict) if verdict.cause in OPENING else None,
            held_back=self._held_back(verdict),
        )
        outcome = decide(verdict, facts)
        if isinstance(outcome, Wait):
            self._waits[verdict.subject] = verdict
            return
        self._end(verdict, outcome)
        for merged, into in merges_of(verdict, outcome):
            self.called += 1
            self._end(merged, into)
        self._follow(verdict, outcome)

    def _group(self, verdict: Verdict) -> Group | None:
        key = self.subjects.group_of(verdict.subject)
        if key is None or verdict.cause in ENDING or verdict.cause is Cause.UNSEEN:
            return None
        rules = self._version.rules_for(key, key.partition("/")[2], None)
        tickets = self._incidents[key]
        taken_in = verdict.subject != key and any(one.will_be_open for one in tickets.values())
        spells = [] if taken_in else self.subjects.spells(key, verdict.at)
        return Group(
            subject=key,
            name=self.subjects.named(key).name,
            tickets=tickets,
            spells=[spell for spell in spells if not any(self._covering(spell.member.subject, verdict.at))],
            singles=tuple(self._lists.singles[key].values()),
            down=self._lists.down[key],
            threshold=rules.rollup_threshold,
            window_ms=rules.rollup_window_s * 1000,
        )

    def _end(self, verdict: Verdict, outcome: Outcome) -> None:
        self.outcomes[outcome.name] += 1
        evidence = with_decision(
            verdict.evidence, policy_version=self._version.version, since=verdict.since, behind=Behind()
        )
        self._send(of_outcome(verdict, outcome, evidence), verdict)

    def _send(self, commands: Iterable[OwnCommand], verdict: Verdict | None = None) -> None:
        for command in commands:
            self.commands[command.verb.value] += 1
            if verdict is None or not command.subject:
                continue
            opens = command.verb == "open"
            known = self._incidents[command.subject]
            if opens:
                self.opened[command.condition] += 1
                number = self.opened.total()
                known[command.condition] = Incident(
                    KnownTicket(UUID(int=number), number, TicketState.OPEN, 1), opened_at=verdict.at
                )
            elif (before := known.get(command.condition, Incident())).ticket is not None:
                ticket = replace(before.ticket, state=TicketState.RESOLVED, version=2)
                known[command.condition] = replace(before, ticket=ticket)
            group = self.subjects.group_of(command.subject)
            if group is not None and not is_integration(command.subject):
                self._lists.singles[group].pop(command.subject, None)
                if opens:
                    self._lists.singles[group][command.subject] = Single(member_of(verdict), verdict.at)

    def _follow(self, verdict: Verdict, outcome: Outcome) -> None:
        match outcome:
            case Joined(parent, member):
                self._lists.join(verdict, member, parent)
                self._watches.pop((WatchKind.FEW_LEFT, parent.subject), None)
            case OpenedTogether(parent=parent):
                for member in outcome.members:
                    self._lists.join(verdict, member, parent)
            case Opened() | Reopened() if is_integration(verdict.subject):
                for member in outcome.merges:
                    self._lists.join(verdict, member, Parent(verdict.subject, verdict.condition))
                self._lists.take_over(verdict)
                self._watches.pop((WatchKind.FEW_LEFT, verdict.subject), None)
            case Silenced():
                self._held[outcome.silence] += 1
            case _:
                pass
        if verdict.cause in ENDING:
            self._recover(verdict)
        elif verdict.cause is Cause.FEW_LEFT and not isinstance(outcome, CalledOff):
            self._leave_over(verdict)

    def _recover(self, verdict: Verdict) -> None:
        self._watches.pop((WatchKind.JUDGED_AFRESH, verdict.subject), None)
        self._call_off(verdict.subject)
        parent = self._lists.recover(verdict)
        if parent is not None and parent.condition == MANY:
            rules = self._version.rules_for(parent.subject, parent.subject.partition("/")[2], None)
            few = self._lists.down[parent.subject] < rules.rollup_threshold
            if few and (WatchKind.FEW_LEFT, parent.subject) not in self._watches:
                self._watch(WatchKind.FEW_LEFT, verdict, MANY, rules.resolve_debounce_s * 1000, parent.subject)
        if is_integration(verdict.subject):
            for device in self._lists.dissolve(verdict.subject, of_many=False):
                if self.subjects.last[device].to_state != HealthState.HEALTHY:
                    rules_of = self.subjects.rules(device)
                    self.subjects.fresh[device] = verdict.at
                    condition = self.subjects.last[device].condition or ""
                    lasting_ms = rules_of.timeout_ms + rules_of.open_debounce_ms
                    self._watch(WatchKind.JUDGED_AFRESH, verdict, condition, lasting_ms, device)

    def _leave_over(self, verdict: Verdict) -> None:
        """Who is left on the list about many devices when that has ended."""
        for device in self._lists.dissolve(verdict.subject, of_many=True):
            last = self.subjects.last[device]
            if last.to_state in CALLS_FOR_A_TICKET:
                left = Verdict(
                    id=uuid5(verdict.id, f"{Cause.LEFT_OVER}/{device}"),
                    cause=Cause.LEFT_OVER,
                    org=verdict.org,
                    subject=device,
                    condition=last.condition or "",
                    at=verdict.at,
                    since=last.since,
                    policy_version=verdict.policy_version,
                    evidence={**of_change(last), LEFT_OVER_FROM: verdict.condition},
                    named=self.subjects.named(device),
                )
                self._call(left)

    def _call_off(self, subject: str) -> None:
        if self._waits.pop(subject, None) is not None:
            self.outcomes[CalledOff.name] += 1

    # Watches

    def _watch(
        self, kind: WatchKind, cause: Verdict, condition: str, lasting_ms: int, subject: str | None = None
    ) -> None:
        subject = subject or cause.subject
        first = self._clocks[min(self._clocks)]
        watch = Watch.begin(
            kind,
            cause=cause.id,
            org=cause.org,
            subject=subject,
            condition=condition,
            shard=first.back_at(cause.at),
            since_at=cause.at,
            lasting_ms=lasting_ms,
        )
        self._watches[kind, subject] = watch
        self._push(watch.due_at, 1, watch)

    def _run_out(self, watch: Watch, at: int) -> None:
        key = (watch.kind, watch.subject)
        if self._watches.get(key) is not watch:
            return
        del self._watches[key]
        if (waited := self._waits.pop(watch.subject, None)) is not None:
            self._decide(waited)
            return
        last = self.subjects.last.get(watch.subject)
        if watch.kind.asks_for_failing and (last is None or last.to_state not in CALLS_FOR_A_TICKET):
            return
        verdict = watch.verdict(
            at=at,
            policy_version=self._version.version,
            named=self.subjects.named(watch.subject),
            seen=None if last is None else LastSeen(last.since, of_change(last), last.flap_count),
        )
        self.called += 1
        self._decide(verdict)

    # Silences

    def _hushes(self, first: int, last: int) -> list[Hush]:
        of = (silence for of in self._silences.values() for silence in of)
        return hushes((one.subject, when) for one in of for when in occurrences(one, first, last))

    def _covering(self, subject: str, at: int) -> Iterator[tuple[Silence, Occurrence]]:
        of = self._silences.get(subject, [])
        for position, silence in enumerate(of):
            if silence.seen is None or not silence.seen.tells(at):
                of[position] = look(silence, at)
            if (occurrence := covers(of[position], at)) is not None:
                yield silence, occurrence

    def _silenced(self, verdict: Verdict) -> Silenced | None:
        found = [Silenced(one.id, one.by, when.end) for one, when in self._covering(verdict.subject, verdict.at)]
        return max(found, key=lambda each: each.until, default=None)

    def _held_back(self, verdict: Verdict) -> HeldBack | None:
        if verdict.cause is not Cause.SILENCE_ENDED:
            return None
        times = self._held[UUID(verdict.evidence["silence"]["id"])]
        return HeldBack(verdict.evidence["silence"]["by"], verdict.at, times) if times else None

    def _await_end(self, silence: Silence, after: int) -> None:
        occurrence = on_or_next(silence.schedule, after)
        if occurrence is not None:
            self._push(occurrence.end, 2, (silence, occurrence))

    def _end_silence(self, silence: Silence, occurrence: Occurrence) -> None:
        last = self.subjects.last.get(silence.subject)
        if last is not None:
            stood = Stood(last.to_state, last.condition, last.since, last.flap_count, of_change(last))
            named = self.subjects.named(silence.subject)
            self._follow_end(Ended(silence, occurrence, stood, named, self._version.version))
        self._await_end(silence, occurrence.end)

    def _follow_end(self, ended: Ended) -> None:
        follows = after_end(ended)
        if isinstance(follows, Verdict):
            self._call(follows)
        elif follows == "wait":
            self._ended[ended.silence.subject] = ended
