"""What becomes of an org's tickets, done naively: who gets one, who shares one, and how all of that ends.

Written from the rules HM-65 to HM-71, HM-84 and HM-105 (tickets, early resolves), HM-120 to HM-129 (silences), and
HM-136, HM-140 to HM-147 and HM-239 (shared tickets). How everybody stands is told by `org_shared.py` or `org_times.py`.
"""

from collections.abc import Callable, Sequence

from org_books import (
    FAILING,
    TICKETED,
    UNWELL,
    Books,
    Deed,
    Lasting,
    Org,
    Stands,
    Waiting,
    condition_of,
    integration_in,
    of_device,
    of_many,
)
from org_words import ALL, MANY, OFFLINE, RESOLVING, Quiet, Rules


class Tickets(Books):
    """Whoever tells how everybody stands says what calls for a verdict (`call`), who has recovered (`recover`, or
    `is_well` where there was nothing to recover from), and that an instant is over (`settle`)."""

    def __init__(self, org: Org, silences: Sequence[Quiet], deeds: Sequence[Deed]) -> None:
        super().__init__(org, silences)
        self.deeds = deeds
        self.missed: set[tuple[str, int]] = set()
        """Whose silences have ended when, and nobody has looked yet."""
        self._called: list[Callable[[], None]] = []

    def call(self, subject: str, condition: str) -> None:
        """Something is wrong with it that calls for a ticket."""
        self._called.append(lambda: self._decide(subject, condition))

    def recover(self, subject: str, what: str = "recovered") -> None:
        """All that was wrong with it is over; so it is where it was removed."""
        self._called.append(lambda: self._recover(subject, what))

    def decide_all(self) -> None:
        """All of it in its order, when it is known how everybody stands at the instant."""
        while self._called:
            self._called.pop(0)()

    def settle(self) -> None:
        """Everything has happened that happens at this instant: what has lasted by now, and what people do."""
        self.look()
        for deed in self.deeds:
            if deed.at == self.org.now:
                self._resolve_early(deed.key)

    def look(self) -> None:
        """What has lasted by now."""
        self.decide_all()
        self._end_silences()
        integrations = sorted({each.integration for each in self.org.fleet.values()} - {""})
        looks_again = True
        while looks_again:
            for subject in sorted(self.fresh):
                self._judge_afresh(subject)
            again = [*map(self._end_many, integrations), *map(self._look_again, sorted(self.early))]
            looks_again = any([*again, *map(self._look_after, sorted(self.alone))])
        for subject in sorted(self.fresh):
            self._judge_afresh(subject)

    def let_last(self, shard: int) -> None:
        """What has lasted by now by this shard's clock has, whatever policy it judges by from now on."""
        for integration in [integration_in(key) for key, few in self.few.items() if few.shard == shard]:
            self._are_few_for_long(integration)
        for key in [key for key, early in self.early.items() if early.shard == shard]:
            self._is_early_over(key)
        for subject in [subject for subject, fresh in self.fresh.items() if fresh.shard == shard]:
            self._is_fresh_over(subject)

    # Verdicts that call for tickets

    def _decide(
        self, subject: str, condition: str, *, left_over: str | None = None, silence_ended: bool = False
    ) -> None:
        self._decide_alone(subject, condition, left_over, silence_ended=silence_ended)
        if subject.startswith("integration/") and self.ended[-1].outcome == "silenced":
            self._leave_over_who_is_alone(subject)
        if subject.startswith("integration/") and not self.is_resolved_early(integration_in(subject)):
            self._let_go(integration_in(subject))

    def _decide_alone(
        self, subject: str, condition: str, left_over: str | None = None, *, silence_ended: bool = False
    ) -> None:
        key = f"{subject}:{condition}"
        if (outcome := self.org.held_from_opening(subject)) is not None:
            self.end(subject, outcome)
        elif key in self.tickets:
            self.end(subject, "already_open")
        elif silence_ended and self._was_not_published(self.org.fleet[subject]):
            self.end(subject, "unpublished")
        elif self.is_silenced(subject, self.org.now):
            self.end(subject, "silenced")
        elif subject == ALL:
            self.end(subject, self.open(key))
        elif self.org.fleet[subject].integration:
            self._decide_for_device(self.org.fleet[subject], left_over)
        else:
            self._decide_for_integration(self.org.fleet[subject], key)

    def _decide_for_device(self, known: Stands, left_over: str | None) -> None:
        name, many = known.name, of_many(known.integration)
        if name in self.fresh:
            self.waiting.append(Waiting(self.org.now, name, None, left_over))
        elif self.is_resolved_early(known.integration):
            self.waiting.append(Waiting(self.org.now, name, known.integration, left_over))
        elif (parent := self.parent(known.integration)) is not None:
            self.join(name, parent, known)
            self.end(name, "joined")
        elif left_over != many and len(failing := self.failing_with(known)) >= self._many(known):
            came = self.open(many)
            for each in failing:
                if of_device(each) in self.tickets:
                    self.merge(of_device(each), many)
                    self.join(each, many, known)
            self.join(name, many, known)
            self.end(name, came)
        else:
            self.end(name, self.open(of_device(name), left_over))

    def _many(self, known: Stands) -> int:
        return self.org.rules_behind(known.integration, known.shard).many

    def _decide_for_integration(self, known: Stands, own: str) -> None:
        """An integration has a ticket of its own: it takes in what failed behind it just before, and what it had for
        another reason is over."""
        integration = integration_in(own)
        many, window = of_many(integration), self.org.rules_behind(integration, known.shard).window
        for other in self.of(known.name):
            self.close(other, "superseded")
        came = self.open(own)
        if many in self.tickets:
            self.merge(many, own)
        self.early.pop(many, None)
        self.few.pop(many, None)
        taken: dict[str, bool] = {}
        for key in [key for key in self.lists if integration_in(key) == integration and key != own]:
            taken |= self.lists.pop(key)
        self.lists.setdefault(own, {}).update(taken)
        self.boards.setdefault(own, {}).update(taken)
        for name in [each.name for each in self.org.fleet.values() if each.integration == integration]:
            single = of_device(name)
            is_recent = single in self.tickets and self.opened[single] > self.org.now - window
            if is_recent and not self.is_silenced(name, self.org.now):
                self.merge(single, own)
                self.join(name, own, known)
        self.end(known.name, came)

    # Recoveries, and how shared tickets end

    def _recover(self, subject: str, what: str) -> None:
        own = self.of(subject)
        self.end(subject, "resolved" if own else "nothing_to_resolve")
        for key in own:
            self.close(key, what)
        self.watch_no_more(subject)
        self.is_well(subject)
        if subject == ALL:
            return
        self.tick(self.org.fleet[subject])
        if subject.startswith("integration/"):
            self._end_own(subject.removeprefix("integration/"))

    def is_well(self, subject: str) -> None:
        """Nothing waits for it any more."""
        self.fresh.pop(subject, None)
        self.turned.pop(subject, None)
        for called_off in [each for each in self.waiting if each.subject == subject]:
            self.waiting.remove(called_off)
            self.end(subject, "called_off", called_off.at)

    def _end_own(self, integration: str) -> None:
        """From here on all behind it, and all on the list of its ticket, who are not well have a full timeout and open
        debounce."""
        concerned = {each.name for each in self.org.fleet.values() if each.integration == integration}
        for key in [key for key in self.lists if integration_in(key) == integration and not key.endswith(MANY)]:
            concerned |= {name for name, recovered in self.lists.pop(key).items() if not recovered}
        for each in self.org.fleet.values():
            has_none = of_device(each.name) not in self.tickets and not self._was_not_published(each)
            shares = self.is_down_elsewhere(each.name, integration)
            if each.name in concerned and each.state in UNWELL and has_none and not shares:
                self.fresh[each.name] = Lasting(self.org.now, each.shard)
                self.turned[each.name] = self.org.now + self.org.rules(each.name).timeout
        self._let_go(integration)

    def _was_not_published(self, known: Stands) -> bool:
        """It fires, and has no ticket since nothing was published then."""
        said = [one.outcome for one in self.ended if one.subject == known.name]
        return known.state in TICKETED and said[-1:] == ["unpublished"]

    def _judge_afresh(self, subject: str) -> None:
        """Its time is over: one that waited for that is decided, and who fires without having waited calls for a
        ticket. Its silence is its own from the end of its timeout on."""
        over = self._is_fresh_over(subject)
        if subject in self.turned and not over:
            self.turned[subject] = self.fresh[subject].start + self.org.rules(subject).timeout
        if not over or self.org.fleet[subject].state not in FAILING:
            return
        del self.fresh[subject]
        waited = [each for each in self.waiting if each.subject == subject and each.behind is None]
        for each in waited:
            self.waiting.remove(each)
            self._decide(subject, OFFLINE, left_over=each.left_over)
        if not waited:
            self._decide(subject, OFFLINE)

    def _is_fresh_over(self, subject: str) -> bool:
        rules = self.org.rules(subject)
        return self.org.has_lasted(self.fresh[subject], rules.timeout + rules.open_debounce, alone=True)

    def _end_many(self, integration: str) -> bool:
        """Few have been down for long enough; if with those about to fire they are many, that is looked at again. They
        are many by themselves where another policy says so by now."""
        many = of_many(integration)
        if many not in self.few:
            return False
        if not self._are_few_for_long(integration):
            return False
        about, shard = f"integration/{integration}", self.few[many].shard
        if self.down(integration) >= self.org.rules_behind(integration, shard).many:
            self.few.pop(many)
            if self.listed(many) < self.org.rules_behind(integration, shard).many:
                self.few[many] = Lasting(self.org.now, shard)
            self.end(about, "called_off")
            return True
        self.end(about, "resolved" if many in self.tickets else "nothing_to_resolve")
        if many in self.tickets:
            self.close(many, "recovered")
        self._leave_over(integration, many)
        return True

    def _are_few_for_long(self, integration: str) -> bool:
        few = self.few[of_many(integration)]
        return self.org.has_lasted(few, self.org.rules_behind(integration, few.shard).resolve_debounce)

    def _leave_over(self, integration: str, key: str) -> None:
        """A shared ticket is no more: those on its list who still fail get their own; who is just heard again when it
        fails again. From a ticket of the integration's own so many may be left over that they share another."""
        self.few.pop(key, None)
        self.early.pop(key, None)
        down = [self.org.fleet[name] for name, recovered in sorted(self.lists.pop(key, {}).items()) if not recovered]
        now = self.org.now
        stood = {each.name: each.stood(now - (self.joined[each.name] < now)) for each in down}
        left = [each for each in down if stood[each.name] in TICKETED]
        for each in left:
            if stood[each.name] == RESOLVING:
                self.fresh[each.name] = Lasting(self.org.now, each.shard, over=True)
            if not key.endswith(MANY):
                self.turned[each.name] = self.org.now
        for each in left:
            if stood[each.name] != RESOLVING:
                self._decide(each.name, OFFLINE, left_over=key)
        self._let_go(integration)

    def _leave_over_who_is_alone(self, subject: str) -> None:
        """Nothing opens for the integration: nobody else looks at the lists of its resolved tickets."""
        for key in [key for key in self.lists if key.startswith(f"{subject}:") and not key.endswith(MANY)]:
            if key not in self.tickets and key not in self.early and self.down_on(key):
                self.alone.pop(key, None)
                self._leave_over(integration_in(key), key)

    def _let_go(self, integration: str) -> None:
        """What waited for the integration's tickets is decided now."""
        for each in [each for each in self.waiting if each.behind == integration]:
            self.waiting.remove(each)
            self._decide(each.subject, OFFLINE, left_over=each.left_over)

    # People

    def _resolve_early(self, key: str) -> None:
        if key not in self.tickets:
            return
        self.close(key, "by_person")
        subject, condition = key.rsplit(":", 1)
        known = self.org.fleet.get(subject)
        if not self.org.publishes(subject):
            return
        if condition == MANY:
            if self.down(integration_in(key)) >= self.org.rules_behind(integration_in(key), 0).many:
                self.early[key] = Lasting(self.org.now)
            elif key not in self.few and self.down_on(key):
                self.few[key] = Lasting(self.org.now)
        elif known is not None and known.state in TICKETED and condition_of(known) == condition:
            self.early[key] = Lasting(self.org.now, known.shard)
        elif known is not None:
            self.leave_alone(known)

    def _look_again(self, key: str) -> bool:
        """The ticket was resolved one open debounce ago."""
        if key not in self.early:
            return False
        if not self._is_early_over(key):
            return False
        subject, condition = key.rsplit(":", 1)
        integration, rules = integration_in(key), self._rules_early(key)
        if condition != MANY and self.org.fleet[subject].state not in FAILING:
            return False
        del self.early[key]
        if condition != MANY:
            self._decide_alone(subject, condition)
        elif (held := self.org.held_from_opening(subject)) is None and self.down(integration) >= rules.many:
            self.end(subject, self.open(key))
        else:
            self.end(subject, held or "called_off")
        if subject.startswith("integration/") and key not in self.tickets:
            self._leave_over(integration, key)
        elif subject.startswith("integration/"):
            self._let_go(integration)
        return True

    def _look_after(self, key: str) -> bool:
        """Nobody else looks at the list of this ticket, which somebody has resolved."""
        if key not in self.alone or not self.org.has_lasted(self.alone[key], 0):
            return False
        del self.alone[key]
        if key in self.tickets or key in self.early or not self.down_on(key):
            return False
        self.end(key.rsplit(":", 1)[0], "nothing_to_resolve")
        self._leave_over(integration_in(key), key)
        return True

    def _is_early_over(self, key: str) -> bool:
        return self.org.has_lasted(self.early[key], self._rules_early(key).open_debounce)

    def _rules_early(self, key: str) -> Rules:
        if key.endswith(f":{MANY}"):
            return self.org.rules_behind(integration_in(key), self.early[key].shard)
        return self.org.rules(key.rsplit(":", 1)[0])

    # Silences

    def _end_silences(self) -> None:
        """Who was failing just before the end of its silences gets its verdict, when the org is on again where it is
        switched off; who was just heard again, when it fails again. Whose ticket was resolved early keeps to what was
        said then."""
        for subject, end in sorted({(quiet.subject, quiet.end) for quiet in self.silences}):
            known = self.org.fleet.get(subject)
            if known is None:
                continue
            if end == self.org.now:
                self.missed.add((subject, end))
            looks = (subject, end) in self.missed and self.org.is_judged(subject)
            self.missed -= {(subject, end)} if looks else set()
            if any(key.startswith(f"{subject}:") and not key.endswith(MANY) for key in self.early):
                continue
            before = known.stood(end - 1)
            after = [move for move in known.moves if move.at >= end]
            if before == RESOLVING and after:
                calls = after[0].at == self.org.now and after[0].to_state in FAILING
            else:
                calls = before in FAILING and looks and not any(move.to_state is None for move in after)
            if calls:
                self._decide(subject, condition_of(known), silence_ended=True)
