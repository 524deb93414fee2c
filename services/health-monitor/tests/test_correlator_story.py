"""Any story of a device, its ticket and the people who work it, with news that comes late and in any order."""

from collections import deque
from dataclasses import dataclass
from uuid import UUID, uuid5

import pytest
from correlator_facts import OFFLINE, PUBLISHING, T0, facts, verdict
from correlator_world import own_event
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fettle_contracts.commands import Verb
from fettle_contracts.people import ActorType
from fettle_contracts.ticket import TicketState
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.commands import OwnCommand, of_outcome
from fettle_health_monitor.domain.correlator.decide import decide
from fettle_health_monitor.domain.correlator.early_resolve import KeepWatch, Standing, after_resolve
from fettle_health_monitor.domain.correlator.incident import Asking, Incident, KnownTicket
from fettle_health_monitor.domain.correlator.outcomes import Wait
from fettle_health_monitor.domain.correlator.verdicts import Cause, Named, Verdict
from fettle_health_monitor.domain.correlator.watches import Watch

STORY = UUID("00000000-0000-5000-8000-000000000000")


@dataclass(frozen=True)
class NewsItem:
    """An event or a result on its way: the ticket as it then was, which command it answers, and the event if it is."""

    ticket: KnownTicket | None
    answering: UUID | None
    event: TicketEvent | None


class Story(RuleBasedStateMachine):
    """The ticket service is small and strict; between it and the correlator everything takes as long as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.failing = False
        self.told = 0
        self.incident = Incident()
        self.watch: Watch | None = None
        self.commands: deque[OwnCommand] = deque()
        self.tickets: list[KnownTicket] = []
        self.news: list[NewsItem] = []

    # The subject

    @precondition(lambda self: not self.failing)
    @rule()
    def fire(self) -> None:
        self.failing = True
        self._decide(self._verdict(Cause.FIRING))

    @precondition(lambda self: self.failing)
    @rule()
    def recover(self) -> None:
        self.failing, self.watch = False, None
        self._decide(self._verdict(Cause.RECOVERED))

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000
        if self.failing and self.watch is not None and self.watch.due_clock <= self.now:
            due, self.watch = self.watch, None
            self._decide(due.verdict(at=T0 + self.now, policy_version=3, named=Named()))

    # People, and the ticket service

    @precondition(lambda self: self.tickets and self.tickets[-1].unresolved)
    @rule()
    def somebody_resolves(self) -> None:
        self._change(TicketState.RESOLVED, ActorType.USER, EntryType.RESOLVED, None)

    @precondition(lambda self: self.commands)
    @rule(forgets=st.booleans())
    def the_service_takes_a_command(self, forgets: bool) -> None:
        """`forgets`: the reopen window has passed, and an open makes a new ticket."""
        command = self.commands.popleft()
        latest = self.tickets[-1] if self.tickets else None
        if command.verb is Verb.OPEN and latest is not None and latest.unresolved:
            pass
        elif command.verb is Verb.OPEN and latest is not None and not forgets:
            self._change(TicketState.OPEN, ActorType.HEALTH_MONITOR, EntryType.REOPENED, command.id)
        elif command.verb is Verb.OPEN:
            number = len(self.tickets) + 1
            self.tickets.append(KnownTicket(UUID(int=number), number, TicketState.OPEN, 0))
            self._change(TicketState.OPEN, ActorType.HEALTH_MONITOR, EntryType.OPENED, command.id)
        elif command.verb is Verb.RESOLVE and latest is not None and latest.unresolved:
            self._change(TicketState.RESOLVED, ActorType.HEALTH_MONITOR, EntryType.RESOLVED, command.id)
        if command.verb is not Verb.COMMENT:
            self.news.append(NewsItem(self.tickets[-1] if self.tickets else None, command.id, None))

    # What the correlator hears of it

    @precondition(lambda self: self.news)
    @rule(which=st.integers(0, 1_000))
    def news_arrives(self, which: int) -> None:
        item = self.news.pop(which % len(self.news))
        self.incident = self.incident.seen(item.ticket, item.answering)
        if item.event is not None and item.event.entry.type is EntryType.RESOLVED:
            followed = after_resolve(item.event, OFFLINE, self.incident, self._standing())
            if isinstance(followed, KeepWatch):
                self.watch = followed.watch
                self.commands.append(followed.saying())

    # What must come of it

    @invariant()
    def in_the_end_there_is_a_ticket_exactly_while_the_subject_fails(self) -> None:
        if self.commands or self.news or self.watch is not None:
            return
        assert bool(self.tickets and self.tickets[-1].unresolved) == self.failing

    def teardown(self) -> None:
        """Everything on its way arrives, and time passes."""
        for _ in range(10):
            while self.commands:
                self.the_service_takes_a_command(False)
            while self.news:
                self.news_arrives(0)
            self.wait(90)
        assert not self.commands
        assert not self.news
        assert not self.watch
        self.in_the_end_there_is_a_ticket_exactly_while_the_subject_fails()

    def _verdict(self, cause: Cause) -> Verdict:
        self.told += 1
        return verdict(cause, id=uuid5(STORY, str(self.told)))

    def _decide(self, called: Verdict) -> None:
        outcome = decide(called, facts(self.incident))
        assert not isinstance(outcome, Wait)
        for command in of_outcome(called, outcome, {}):
            verb: Asking = "open" if command.verb is Verb.OPEN else "resolve"
            self.incident = self.incident.asking(verb, command.id, called.at)
            self.commands.append(command)

    def _change(self, state: TicketState, actor: ActorType, kind: EntryType, answering: UUID | None) -> None:
        old = self.tickets[-1]
        ticket = KnownTicket(old.id, old.number, state, old.version + 1)
        self.tickets[-1] = ticket
        own = own_event(kind, old.number, state.value, actor, T0 + self.now, answering, ticket.version, "device/t17")
        self.news.append(NewsItem(ticket, answering, own.event))

    def _standing(self) -> Standing:
        state = "firing" if self.failing else "healthy"
        condition = OFFLINE if self.failing else None
        return Standing("device/t17", state, condition, ShardClock(0, 1, T0 + self.now, self.now), PUBLISHING, 60)


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestStory = pytest.mark.rule("HM-65", "HM-68", "HM-70")(TestStory)
