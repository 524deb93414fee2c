"""Shared tickets and people who resolve tickets early, done naively: who is on whose list, and how all of that ends.

Written from the rules HM-68, HM-70 and HM-71 (early resolves), HM-136, HM-140 to HM-147 and HM-239 (shared tickets);
what is told of subjects and of silences comes from `org_oracle.py`. Milliseconds.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from org_oracle import FIRING, MANY, OFFLINE, PENDING, RESOLVING, UNREACHABLE, Beat, Known, Oracle, Quiet, Rules

UNWELL = (PENDING, FIRING, RESOLVING)


class Deed(NamedTuple):
    """Somebody resolves the ticket with this key, if there is one by then."""

    at: int
    key: str


class Entry(NamedTuple):
    """What happens to a ticket: it is open, or resolved. `beside` is the ticket that it is left over from or merged
    into."""

    at: int
    key: str
    what: str
    beside: str | None = None


class Waiting(NamedTuple):
    """A verdict about a device that cannot be decided yet: `behind` is the integration whose ticket somebody has
    resolved, or nothing where the device itself is judged afresh. `left_over`: from which ticket, if from one."""

    at: int
    subject: str
    behind: str | None
    left_over: str | None


def of_device(subject: str) -> str:
    return f"{subject}:{OFFLINE}"


def of_integration(integration: str) -> str:
    return f"integration/{integration}:{UNREACHABLE}"


def of_many(integration: str) -> str:
    return f"integration/{integration}:{MANY}"


class Shared(Oracle):
    """`entries` is all that happens to tickets, `lists` who is on whose list, and whether they have recovered."""

    def __init__(
        self,
        rules: Mapping[str, Rules],
        behind: Mapping[str, str],
        silences: Sequence[Quiet],
        deeds: Sequence[Deed],
        of_org: Rules,
    ) -> None:
        super().__init__(rules, behind, silences)
        self.deeds, self.of_org = deeds, of_org
        self.entries: list[Entry] = []
        self.lists: dict[str, dict[str, bool]] = {}
        self.boards: dict[str, dict[str, bool]] = {}
        """Whom the latest ticket of each key names as its members, and whether they are ticked."""
        self.done_with: set[str] = set()
        """Keys whose latest ticket does not come back: it was merged into another."""
        self.opened: dict[str, int] = {}
        self.early: dict[str, int] = {}
        """Tickets that somebody has resolved too early, and when they come back."""
        self.fresh: dict[str, int] = {}
        """Devices whose time after their integration's recovery is not over, and when it is."""
        self.turned: dict[str, int] = {}
        """When the silence of those became their own."""
        self.few: dict[str, int] = {}
        """Lists on which fewer are down than make many, and since when."""
        self.waiting: list[Waiting] = []
        self.called: list[tuple[str, str]] = []

    @property
    def integrations(self) -> list[str]:
        return sorted(set(self.behind.values()) - {""})

    def fractions(self) -> set[int]:
        return super().fractions() | {deed.at % 1000 for deed in self.deeds}

    def _live(self, at: int, beat: Beat | None) -> None:
        super()._live(at, beat)
        while any([*map(self._end_many, self.integrations), *map(self._look_again, sorted(self.early))]):
            pass
        for subject in sorted(self.fresh):
            self._judge_afresh(subject)
        for deed in self.deeds:
            if deed.at == at:
                self._resolve_early(deed.key)

    # Verdicts that call for tickets

    def _call(self, subject: str, condition: str) -> None:
        self.called.append((subject, condition))

    def _settle(self) -> None:
        """What is called for is decided when it is known how everybody stands at the instant."""
        super()._settle()
        while self.called:
            self._decide(*self.called.pop(0))

    def _decide(self, subject: str, condition: str, *, left_over: str | None = None) -> None:
        key = f"{subject}:{condition}"
        if key in self.tickets:
            self._end(subject, "already_open")
        elif self._is_silenced(subject, self.now):
            self._end(subject, "silenced")
        elif condition == OFFLINE:
            self._decide_for_device(self.fleet[subject], left_over)
        elif condition == UNREACHABLE:
            self._take_over(self.fleet[subject])
        else:
            self._end(subject, self._open(key))

    def _decide_for_device(self, known: Known, left_over: str | None) -> None:
        name, many = known.name, of_many(known.integration)
        if name in self.fresh:
            self.waiting.append(Waiting(self.now, name, None, left_over))
        elif self._is_undecided(known.integration):
            self.waiting.append(Waiting(self.now, name, known.integration, left_over))
        elif (parent := self._parent(known.integration)) is not None:
            self._join(name, parent)
            self._end(name, "joined")
        elif left_over != many and len(failing := self._failing(known)) >= known.rules.many:
            came = self._open(many)
            for each in failing:
                if of_device(each) in self.tickets:
                    self._merge(of_device(each), many)
                    self._join(each, many)
            self._join(name, many)
            self._end(name, came)
        else:
            self._end(name, self._open(of_device(name), left_over))

    def _parent(self, integration: str) -> str | None:
        """The open ticket that devices behind the integration share."""
        keys = [of_integration(integration), of_many(integration)]
        return next((key for key in keys if key in self.tickets), None)

    def _is_undecided(self, integration: str) -> bool:
        return of_integration(integration) in self.early or of_many(integration) in self.early

    def _failing(self, known: Known) -> list[str]:
        return [each.name for each in self.fleet.values() if self._fails_with(each, known)]

    def _fails_with(self, each: Known, known: Known) -> bool:
        since = max(each.since, self.turned.get(each.name, 0))
        return (
            each.integration == known.integration
            and each.state in (PENDING, FIRING)
            and (each is known or self.now - known.rules.window < since <= self.now)
            and not self._is_silenced(each.name, self.now)
        )

    def _take_over(self, known: Known) -> None:
        """An integration has a ticket of its own: it takes in what failed behind it just before."""
        integration = known.name.removeprefix("integration/")
        own, many = of_integration(integration), of_many(integration)
        came = self._open(own)
        if many in self.tickets:
            self._merge(many, own)
        self.early.pop(many, None)
        self.few.pop(many, None)
        taken = self.lists.pop(many, {})
        self.lists.setdefault(own, {}).update(taken)
        self.boards.setdefault(own, {}).update(taken)
        for name in [each.name for each in self.fleet.values() if each.integration == integration]:
            single = of_device(name)
            if single in self.tickets and self.opened[single] > self.now - known.rules.window:
                self._merge(single, own)
                self._join(name, own)
        self._end(known.name, came)
        self._let_go(integration)

    # Lists

    def _join(self, subject: str, key: str) -> None:
        for members in self.lists.values():
            members.pop(subject, None)
        self.lists.setdefault(key, {})[subject] = False
        self.boards.setdefault(key, {})[subject] = False
        self._count(key)

    def _count(self, key: str) -> None:
        """Whether few are down on the list of a ticket about many."""
        if not key.endswith(MANY):
            return
        if list(self.lists[key].values()).count(False) >= self.of_org.many:
            self.few.pop(key, None)
        else:
            self.few.setdefault(key, self.now)

    def _down(self, integration: str) -> int:
        """How many would be on the list of a ticket about many by now: those who are and have not recovered, those who
        wait for it, and those who are about to fire."""
        names = {name for name, recovered in self.lists.get(of_many(integration), {}).items() if not recovered}
        soon = {each.subject for each in self.waiting if each.behind == integration}
        soon |= {each.name for each in self.fleet.values() if each.integration == integration and each.state == PENDING}
        return len(names | {name for name in soon if not self._is_silenced(name, self.now)})

    # Recoveries, and how shared tickets end

    def _recover(self, subject: str, condition: str) -> None:
        key = f"{subject}:{condition}"
        self._end(subject, "resolved" if key in self.tickets else "nothing_to_resolve")
        if key in self.tickets:
            self._close(key, "recovered")
        self.early.pop(key, None)
        self.fresh.pop(subject, None)
        self.turned.pop(subject, None)
        for called_off in [each for each in self.waiting if each.subject == subject]:
            self.waiting.remove(called_off)
            self._end(subject, "called_off", called_off.at)
        for shared, members in self.lists.items():
            if subject in members:
                members[subject] = True
                self._count(shared)
        for named in self.boards.values():
            named |= {subject: True} if subject in named else {}
        if condition == UNREACHABLE:
            self._end_own(subject.removeprefix("integration/"))

    def _move(self, known: Known, to: str) -> None:
        super()._move(known, to)
        if to == "healthy":
            self.fresh.pop(known.name, None)
            self.turned.pop(known.name, None)

    def _end_own(self, integration: str) -> None:
        """From here on all behind it who are not well have a full timeout and open debounce."""
        self.lists.pop(of_integration(integration), None)
        for each in self.fleet.values():
            if each.integration == integration and each.state in UNWELL and of_device(each.name) not in self.tickets:
                self.turned[each.name] = self.now + each.rules.timeout
                self.fresh[each.name] = self.turned[each.name] + each.rules.open_debounce
        self._let_go(integration)

    def _judge_afresh(self, subject: str) -> None:
        """Its time is over: one that waited for that is decided, and who fires without having waited calls for a
        ticket."""
        if self.fresh[subject] > self.now or self.fleet[subject].state != FIRING:
            return
        del self.fresh[subject]
        waited = [each for each in self.waiting if each.subject == subject and each.behind is None]
        for each in waited:
            self.waiting.remove(each)
            self._decide(subject, OFFLINE, left_over=each.left_over)
        if not waited:
            self._decide(subject, OFFLINE)

    def _end_many(self, integration: str) -> bool:
        """Few have been down for long enough; if with those about to fire they are many, that is looked at again."""
        many = of_many(integration)
        if many not in self.few or self.now < self.few[many] + self.of_org.resolve_debounce:
            return False
        about = f"integration/{integration}"
        if self._down(integration) >= self.of_org.many:
            self.few[many] = self.now
            self._end(about, "called_off")
            return True
        self._end(about, "resolved" if many in self.tickets else "nothing_to_resolve")
        if many in self.tickets:
            self._close(many, "recovered")
        self._leave_over(integration, many)
        return True

    def _leave_over(self, integration: str, key: str) -> None:
        """A shared ticket is no more: those on its list who still fail get their own; who is just heard again when it
        fails again. From a ticket of the integration's own so many may be left over that they share another."""
        self.few.pop(key, None)
        self.early.pop(key, None)
        left = sorted(name for name, recovered in self.lists.pop(key, {}).items() if not recovered)
        heard_again = [name for name in left if self.fleet[name].stood(self.now - 1) == RESOLVING]
        for name in left:
            if name in heard_again:
                self.fresh[name] = self.now
            if not key.endswith(MANY):
                self.turned[name] = self.now
        for name in left:
            if name not in heard_again:
                self._decide(name, OFFLINE, left_over=key)
        self._let_go(integration)

    def _let_go(self, integration: str) -> None:
        """What waited for the integration's tickets is decided now."""
        for each in [each for each in self.waiting if each.behind == integration]:
            self.waiting.remove(each)
            self._decide(each.subject, OFFLINE, left_over=each.left_over)

    # People

    def _resolve_early(self, key: str) -> None:
        if key not in self.tickets:
            return
        self._close(key, "by_person")
        subject, condition = key.rsplit(":", 1)
        if condition == MANY:
            if self._down(subject.removeprefix("integration/")) >= self.of_org.many:
                self.early[key] = self.now + self.of_org.open_debounce
        elif self.fleet[subject].state in (FIRING, RESOLVING):
            self.early[key] = self.now + self.fleet[subject].rules.open_debounce

    def _look_again(self, key: str) -> bool:
        """The ticket was resolved one open debounce ago."""
        subject, condition = key.rsplit(":", 1)
        if key not in self.early or self.early[key] > self.now:
            return False
        if condition != MANY and self.fleet[subject].state != FIRING:
            return False
        del self.early[key]
        integration = subject.removeprefix("integration/")
        if condition != MANY:
            self._decide(subject, condition)
            if condition == UNREACHABLE and key not in self.tickets:
                self._leave_over(integration, key)
        elif self._down(integration) >= self.of_org.many:
            self._end(subject, self._open(key))
            self._let_go(integration)
        else:
            self._end(subject, "called_off")
            self._leave_over(integration, key)
        return True

    def _end_silences(self) -> None:
        """Whose ticket was resolved early keeps to what was said then."""
        for subject, end in sorted({(quiet.subject, quiet.end) for quiet in self.silences}):
            known = self.fleet.get(subject)
            if known is None or any(key.startswith(f"{subject}:") and not key.endswith(MANY) for key in self.early):
                continue
            if self._calls_for(known, end):
                self._decide(subject, OFFLINE if known.integration else UNREACHABLE)

    # Tickets

    def _open(self, key: str, beside: str | None = None) -> str:
        """Whether that is a new ticket or the last one, which comes back."""
        came = "reopened" if key in self.opened and key not in self.done_with else "opened"
        if key in self.done_with:
            self.done_with.discard(key)
            self.boards.pop(key, None)
        self.tickets.add(key)
        self.opened[key] = self.now
        self.early.pop(key, None)
        self.entries.append(Entry(self.now, key, "open", beside))
        return came

    def _close(self, key: str, what: str, beside: str | None = None) -> None:
        self.tickets.discard(key)
        self.entries.append(Entry(self.now, key, what, beside))

    def _merge(self, key: str, into: str) -> None:
        self._close(key, "merged", into)
        self._end(key.rsplit(":", 1)[0], "merged")
        self.done_with.add(key)

    def _end(self, subject: str, outcome: str, at: int | None = None) -> None:
        super()._end(subject, outcome)
        if at is not None:
            self.ended[-1] = self.ended[-1]._replace(at=at)
