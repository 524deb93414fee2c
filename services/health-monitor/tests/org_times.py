"""What the world is shown of an org in which everything happens that can, and what becomes of tickets, read naively.

What a shard says of each subject by itself is what the judge's own oracle says (`judge_oracle.py`). This lays over it,
by the rules HM-150 to HM-160, HM-228 to HM-231 and HM-237, what is known only of the whole org; what becomes of
tickets, by the same clocks and policies, say `org_tickets.py` and `org_books.py`. It looks at every twentieth of a
second, keeps all facts, and asks of them anew what is true by now. Instants are broker milliseconds.
"""

from collections.abc import Collection, Mapping, Sequence

from judge_log import LogRecord
from judge_subjects import Told
from org_books import FLAPPING, TICKETED, Deed, Lasting
from org_known import Known, rules_of
from org_oracle import Outage
from org_says import STEP_MS, Event, Observed, ShardSays
from org_tickets import Tickets
from org_words import ALL, FIRING, HEALTHY, LOST, PENDING, RESOLVING, UNKNOWN, Moved, Quiet, Rules

from fettle_contracts.health_policy import HealthPolicy


class Oracle:
    """`moved`, `outages` and `books` are what must be seen in the end. `policies` are by version, `existing` those that
    ask for tickets about what fires already. `behind` is nothing for an integration."""

    def __init__(
        self,
        policies: Mapping[int, HealthPolicy],
        existing: frozenset[int],
        behind: Mapping[str, str],
        silences: Sequence[Quiet] = (),
        deeds: Sequence[Deed] = (),
        moves: Sequence[tuple[int, str, str]] = (),
    ) -> None:
        self.policies, self.existing, self.behind, self.moves = policies, existing, dict(behind), moves
        self.fleet: dict[str, Known] = {}
        self.moved, self.outages = list[Moved](), list[Outage]()
        self.books = Tickets(self, silences, deeds)
        self.few_unknown: Lasting | None = None
        self.judging, self.switched_on = dict[int, int](), dict[int, int]()
        self.logs: list[Observed] = []
        self.now = self.until = 0

    def read(self, logs: Sequence[Sequence[LogRecord]], behind_losses: Sequence[Collection[int]]) -> None:
        queue: list[tuple[int, int, int, Event]] = []
        for shard, log in enumerate(logs):
            says = ShardSays()
            says.read(log, behind_losses[shard])
            queue += [(event.at, shard, place, event) for place, event in enumerate(says.events)]
            self.logs.append(Observed(says.observed))
        queue.sort()
        self.until = min(log.records[-1] for log in self.logs)
        for at in range(queue[0][0], self.until, STEP_MS):
            self.now = at
            self._let_run_out()
            while queue and queue[0][0] == at:
                _, shard, _, event = queue.pop(0)
                self._take(shard, event)
            self._let_run_out()
            self._look_at_the_unknown()
            self.books.settle()
            self._move_behind(at)

    def _move_behind(self, at: int) -> None:
        """Other rules may count for who is behind another integration from now on, and something may be overdue."""
        moved = {name: integration for when, name, integration in self.moves if when == at}
        if not moved:
            return
        self.behind |= moved
        for name in moved.keys() & self.fleet.keys():
            self.fleet[name].integration = moved[name]
        self._let_run_out()
        self._look_at_the_unknown()
        self.books.look()

    def _let_run_out(self) -> None:
        while any(self._run_out(self.fleet[name]) for name in sorted(self.fleet)):
            pass

    # Rules, by what the subject's shard judges by
    def policy(self, shard: int) -> HealthPolicy:
        return self.policies[self.judging[shard]]

    def rules(self, subject: str) -> Rules:
        known = self.fleet[subject]
        return rules_of(self.policy(known.shard), subject, known.integration)

    def rules_behind(self, integration: str, shard: int) -> Rules:
        return rules_of(self.policy(shard), f"integration/{integration}", integration)

    def held_from_opening(self, subject: str) -> str | None:
        if self.is_judged(subject):
            return None if self.publishes(subject) else "unpublished"
        return "refused"

    def is_judged(self, subject: str) -> bool:
        return self._policy_for(subject).enabled

    def publishes(self, subject: str) -> bool:
        return self._policy_for(subject).publish_tickets

    def _policy_for(self, subject: str) -> HealthPolicy:
        return self.policy(self.fleet[subject].shard if subject in self.fleet else 0)

    # Time

    def has_lasted(self, lasting: Lasting, length: int, *, alone: bool = False) -> bool:
        """By the shard's own clock, which stands while the org is switched off and begins anew behind that; a silence
        begins anew behind a hole in the log too, and where reporting resumes."""
        shard = lasting.shard
        unheard = self.logs[shard].is_blind(self.now) or self._is_lost()
        if lasting.over or not self.policy(shard).enabled or (alone and unheard):
            return lasting.over
        lasting.start = max(lasting.start, self.switched_on.get(shard, 0))
        if alone:
            resumed = [outage.resumed or 0 for outage in self.outages[-1:]]
            lasting.start = max(lasting.start, self.logs[shard].back(self.now), *resumed)
        lasting.over = self._lasted(shard, lasting.start, length)
        return lasting.over

    def _lasted(self, shard: int, start: int, length: int) -> bool:
        return self.logs[shard].seen(self.now) - self.logs[shard].seen(start) >= length

    def _restarts(self, known: Known) -> int:
        """From when on it had its times anew: the end of the last hole, or when the org was switched on."""
        return max(self.logs[known.shard].back(self.now), self.switched_on.get(known.shard, 0))

    def counts_from(self, subject: str) -> int:
        """Since when it counts as failing: behind a hole in which it was pending anew, by silence as its time is."""
        known = self.fleet[subject]
        until = known.moves[-1].at if known.state == FIRING else self.now
        ends = self.logs[known.shard].ends(known.since, until)
        return ends[-1] + (self.rules(subject).timeout if known.silent else 0) if ends else known.since

    def _fresh_time_is_over(self, known: Known) -> bool:
        resumed = self.outages[-1].resumed
        start = max(resumed or 0, self._restarts(known))
        return resumed is not None and self._lasted(known.shard, start, self.rules(known.name).timeout)

    def _pending_is_over(self, known: Known) -> bool:
        rules, restart = self.rules(known.name), self._restarts(known)
        if known.silent and restart > known.since:
            return self._lasted(known.shard, restart, rules.timeout + rules.open_debounce)
        switched_on = 0 if known.silent else self.switched_on.get(known.shard, 0)
        return self._lasted(known.shard, max(known.since, switched_on), rules.open_debounce)

    def _run_out(self, known: Known) -> bool:
        """Whether a time of its own was over by now that had not been yet."""
        rests_on_silence = known.silent or known.state != PENDING
        if not known.apart or not self.policy(known.shard).enabled:
            return False
        if rests_on_silence and self.logs[known.shard].is_blind(self.now):
            return False
        if known.state == PENDING:
            if self._pending_is_over(known):
                return self._agree(known)
        elif known.state == UNKNOWN:
            if known.silent and self._fresh_time_is_over(known):
                assert known.judged is not None
                return self._pend(known, known.judged.condition)
        elif known.state in TICKETED and self._fresh_time_is_over(known):
            return self._agree(known)
        return False

    # What shards say

    def _take(self, shard: int, event: Event) -> None:
        if event.version:
            self._put(shard, event.version)
            return
        known = self.fleet.setdefault(event.name, Known(event.name, shard, self.behind[event.name]))
        if event.beat is not None:
            known.heard, known.reports = event.heard or self.now, True
        if event.told is not None:
            known.judged, known.silent = event.told, event.silent
            self._count_from_when_it_could_be_heard(known, event)
        elif event.beat is not None:
            known.silent = False
        if event.told is not None and None in (event.told.from_state, event.told.to_state):
            wrong = known.condition if known.apart and event.told.to_state is None else event.told.condition
            known.apart = False
            self._show(known, event.told._replace(condition=wrong))
        elif not known.apart:
            if event.told is not None:
                self._first(known, event.told)
        elif event.beat is not None:
            self._hear_apart(known, event.beat)
        else:
            assert event.told is not None
            self._apart(known, event.told)

    def _count_from_when_it_could_be_heard(self, known: Known, event: Event) -> None:
        """One that is registered and was never heard."""
        assert event.told is not None
        if event.told.from_state is None:
            known.reports = False
        known.reports |= event.beat is not None
        if known.silent and not known.reports:
            known.heard = event.told.since - self.rules(known.name).timeout

    def _first(self, known: Known, told: Told) -> None:
        """A change of one that was shown as it is judged. It may fire for that already, which it was pending for by
        another clock."""
        if told.from_state == told.to_state and known.condition == told.condition:
            return
        fires = known.silent and told.from_state == PENDING and told.to_state == FIRING
        if fires and not self._is_lost() and self._loses_heartbeats(known):
            return
        if not self._is_excused(known) or (told.from_state == PENDING and not self._is_lost()):
            self._show(known, told)
        elif told.from_state in TICKETED:
            known.apart = True
        else:
            self._lose(known)
            self._unobserved(known, told)

    def _hear_apart(self, known: Known, says: str) -> None:
        """A heartbeat of one that is shown otherwise than judged."""
        assert known.judged is not None
        if known.state == UNKNOWN:
            self._count_as_heard(known)
        if known.state in TICKETED or known.judged.to_state == FLAPPING:
            self._agree(known)
        elif says != "ok":
            if known.state != PENDING:
                self._pend(known, known.means(says))
            known.condition = known.means(says)
        else:
            if known.state != HEALTHY:
                self._move(known, HEALTHY, known.condition, known.judged.since)
            known.apart = known.judged.to_state != HEALTHY

    def _apart(self, known: Known, told: Told) -> None:
        """A change that no heartbeat has made, of one that is shown otherwise than judged."""
        to = told.to_state
        if known.state == UNKNOWN:
            self._unobserved(known, told)
        elif known.state == HEALTHY and known.silent and self._is_excused(known):
            self._lose(known)
            self._unobserved(known, told)
        elif known.state in TICKETED or (known.silent and self._is_excused(known)):
            pass
        elif to == FLAPPING:
            self._agree(known)
        elif to in (HEALTHY, RESOLVING):
            if known.state != HEALTHY:
                self._move(known, HEALTHY, known.condition, told.since)
            known.apart = to != HEALTHY
        elif known.state == HEALTHY:
            self._pend(known, told.condition)
        else:
            known.condition = told.condition

    def _put(self, shard: int, version: int) -> None:
        if shard in self.judging:  # what was due by the policy before
            self.books.let_last(shard)
            self._look_at_the_unknown()
        self.books.decide_all()
        before = self.policy(shard).enabled if shard in self.judging else True
        after = self.judging.get(shard, 0)
        self.judging[shard] = version
        if self.policy(shard).enabled and not before:
            self.switched_on[shard] = self.now
        quiet = [each for each, put in self.policies.items() if each <= version and not put.publish_tickets]
        asked = any(max([after, *quiet]) < each <= version for each in self.existing)
        if asked:
            for known in sorted(self.fleet.values(), key=lambda known: (known.since, known.name)):
                if known.shard == shard and known.state in TICKETED:
                    assert known.condition is not None
                    self.books.call(known.name, known.condition)
            is_over = self.few_unknown is not None and self.few_unknown.over
            if shard == 0 and self.outages and not is_over:
                self.books.call(ALL, LOST)

    # What is shown

    def _show(self, known: Known, told: Told) -> None:
        """As its shard says."""
        known.since = told.since
        self._move(known, told.to_state, told.condition, known.since)

    def _move(self, known: Known, to: str | None, condition: str | None, since: int) -> None:
        before = known.state
        move = Moved(self.now, known.name, before, to, condition, since, self.judging[known.shard])
        known.moves.append(move)
        self.moved.append(move)
        known.condition = condition if to not in (HEALTHY, UNKNOWN, None) else None
        if before == to:
            self.books.fires_on(known)
        if to == FLAPPING or (to == FIRING and before not in (RESOLVING, FLAPPING)):
            assert condition is not None
            self.books.call(known.name, condition)
        elif to is None:
            self.books.recover(known.name, "removed")
        elif to == HEALTHY and before in TICKETED:
            self.books.recover(known.name)
        elif to == HEALTHY:
            self.books.is_well(known.name)

    def _agree(self, known: Known) -> bool:
        """From now on it is shown as it is judged."""
        told = known.judged
        assert told is not None
        known.apart = False
        if known.state == PENDING:
            if told.to_state != FIRING:
                known.since = told.since
            self._move(known, told.to_state, known.condition, known.since)
        elif (known.state, known.condition) != (told.to_state, told.condition):
            self._show(known, told)
        return True

    def _pend(self, known: Known, condition: str | None) -> bool:
        known.since = self.now
        self._move(known, PENDING, condition, known.since)
        return True

    def _lose(self, known: Known) -> None:
        self.outages[-1].lost.add(known.name)
        self._move(known, UNKNOWN, None, self.now)
        known.apart = True

    # Lost heartbeats

    def _is_lost(self) -> bool:
        return bool(self.outages) and self.outages[-1].resumed is None

    def _is_old(self, known: Known) -> bool:
        resumed = self.outages[-1].resumed if self.outages else None
        return known.silent and resumed is not None and known.heard < resumed

    def _is_excused(self, known: Known) -> bool:
        return known.silent and (self._is_lost() or (self._is_old(known) and not self._fresh_time_is_over(known)))

    def _count_as_heard(self, known: Known) -> None:
        outage = self.outages[-1]
        if outage.resumed is None:
            outage.heard.add(known.name)
            outage.heard_behind.add(self._reports_through(known))
            if len(outage.heard_behind) >= 2 or len(outage.heard) * 10 >= len(outage.lost):
                outage.resumed = self.now

    @staticmethod
    def _reports_through(known: Known) -> str:
        """An integration reports for itself."""
        return known.integration or known.name.removeprefix("integration/")

    def _loses_heartbeats(self, firing: Known) -> bool:
        foremost = self.policies[max(self.judging.values())]
        counted = [known for known in self.fleet.values() if self._is_counted(known, foremost)]
        silent = [known for known in counted if known.state in (PENDING, FIRING) and known.silent]
        behind = {self._reports_through(known) for known in silent}
        if len(silent) < 10 or len(behind) < 2 or len(silent) * 5 < len(counted) * 4:
            return False
        pending = [known for known in self.fleet.values() if known.state == PENDING and known.silent]
        unknown = {known.name for known in self.fleet.values() if known.state == UNKNOWN}
        names = unknown | {known.name for known in pending}
        self.outages.append(Outage(self.now, max(known.heard for known in pending), len(counted), names))
        assert firing.judged is not None
        judged = firing.judged
        for known in pending:
            self._lose(known)
        self._unobserved(firing, judged)
        self.books.call(ALL, LOST)
        return True

    def _is_counted(self, known: Known, policy: HealthPolicy) -> bool:
        window = 1000 * policy.rollup_window_s
        return (
            known.state is not None
            and self._was_well(known, self.now - window)
            and rules_of(policy, known.name, known.integration).timeout <= window
            and not self._is_old(known)
            and not self.books.is_silenced(known.name, self.now)
        )

    def _was_well(self, known: Known, at: int) -> bool:
        """Who was pending in a hole counts as well until that is over."""
        pends = known.silent and known.state in (PENDING, FIRING)
        if pends and known.since <= at < self.counts_from(known.name):
            return True
        return known.stood(at) == HEALTHY

    def _look_at_the_unknown(self) -> None:
        """The ticket about all ends when few have been unknown for long enough."""
        if not self.outages:
            return
        unknown = [known for known in self.fleet.values() if known.state == UNKNOWN]
        if len(unknown) * 5 >= len(self.outages[-1].lost):
            self.few_unknown = None
            return
        self.few_unknown = self.few_unknown or Lasting(self.now)
        debounce = rules_of(self.policy(0), ALL, "").resolve_debounce
        if not self.few_unknown.over and self.has_lasted(self.few_unknown, debounce):
            self.books.recover(ALL)

    def _unobserved(self, known: Known, told: Told) -> None:
        if told.to_state == FLAPPING or (told.to_state == FIRING and told.from_state not in (RESOLVING, FLAPPING)):
            self.books.end(known.name, "unobserved")
