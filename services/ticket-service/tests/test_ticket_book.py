"""Many actors on one org's book, in any order: what must hold whatever they ask."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace
from ticket_desk import ANN, BOB, MONITOR, OFFLINE, THERMOSTAT, WORKFLOW, Desk, book, devices, refusal

from fettle_contracts.ticket import Resolution, TicketState
from fettle_contracts.times import FIRST, LAST
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.book import FURTHEST, FURTHEST_OF_A_TICKET, Book, Done, Entry
from fettle_ticket_service.domain.checklist import MemberKey, changed, key_of
from fettle_ticket_service.domain.decisions import Applied, Rejected, Unchanged
from fettle_ticket_service.domain.events import ChecklistChanged, Opened
from fettle_ticket_service.domain.ticket import Ticket, evolve
from fettle_ticket_service.domain.values import Actor, Link, Policy, TicketRef

ACTORS = st.sampled_from([ANN, BOB, WORKFLOW, MONITOR])
KEYS = st.sampled_from([None, "lift-3", "lift-4", "device/t17:device_offline", "device/t18:device_offline"])
COMMENTS = st.sampled_from([None, "", "On it.", "x" * 65_537])
TIMES = st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(minutes=59), timedelta(hours=1)])
MEMBERS = st.one_of(st.lists(st.integers(0, 9), max_size=4), st.just(list(range(95, 105))), st.just(list(range(150))))
MOVES = st.sampled_from([commands.Start, commands.MoveToOpen, commands.Resolve, commands.Reopen])


class ManyActors(RuleBasedStateMachine):
    """Everything that happened is kept, so that the book can be held against it."""

    tickets: Bundle[UUID] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.present: dict[UUID, Ticket] = {}
        self.versions: Counter[UUID] = Counter()
        self.members: dict[UUID, dict[MemberKey, bool]] = defaultdict(dict)
        """Who is on each checklist, in the order of joining, and whether they have recovered."""
        self.happened: dict[UUID, Counter[str]] = defaultdict(Counter)
        self.said: dict[UUID, Counter[str]] = defaultdict(Counter)
        """What has happened to each ticket's members, and what its timeline has said of it."""
        self.spoke: dict[UUID, datetime] = {}

    def take(self, done: Done) -> Done:
        """What happened, kept; what did not happen left no trace."""
        if isinstance(done.decision, Applied):
            assert done.ticket is not None
            assert done.entries or done.decision.members
            if done.decision.members:
                before = self.present[done.ticket.id]
                standing = changed(before.checklist, done.decision.members)
                self.present[before.id] = replace(before, checklist=standing)
                self.happened[before.id].update(str(change) for change, _ in done.decision.members)
            for entry in done.entries:
                self.enter(entry)
            assert done.ticket == self.present[done.ticket.id]
        else:
            assert isinstance(done.decision, Unchanged | Rejected)
            assert done.entries == ()
        return done

    def enter(self, entry: Entry) -> None:
        id, event = entry.ticket.id, entry.event
        before = self.present.get(id)
        assert entry.ticket == evolve(before, event)
        assert before is None or event.at >= before.updated_at
        self.versions[id] += 1
        assert entry.ticket.version == self.versions[id]
        self.present[id] = entry.ticket
        if isinstance(event, Opened):
            self.spoke[id] = event.at
        if isinstance(event, ChecklistChanged):
            assert event.at - self.spoke[id] >= timedelta(minutes=1)
            self.spoke[id] = event.at
            for change, sum in (event.evidence or {}).items():
                self.said[id][change] += sum.get("count", 0)

    @initialize(window=TIMES, reports=st.booleans())
    def policy(self, window: timedelta, reports: bool) -> None:
        self.desk.book.policy = Policy(window, reports)

    @rule(target=tickets, actor=ACTORS, key=KEYS, title=st.sampled_from(["Noise", ""]), lateness=TIMES)
    def open(self, actor: Actor, key: str | None, title: str, lateness: timedelta) -> UUID:
        at = self.desk.now - lateness if actor is MONITOR else None
        done = self.take(self.desk.open(actor=actor, dedup_key=key, title=title, at=at))
        return done.ticket.id if done.ticket else UUID(int=0)

    @rule(id=tickets, actor=ACTORS, move=MOVES, comment=COMMENTS)
    def move(self, id: UUID, actor: Actor, move: type[commands.Move], comment: str | None) -> None:
        self.on(id, move(actor=actor, comment=comment))

    @rule(id=tickets, actor=ACTORS, resolution=st.sampled_from(Resolution), parent=tickets, named=st.booleans())
    def resolve_as(self, id: UUID, actor: Actor, resolution: Resolution, parent: UUID, named: bool) -> None:
        ref = TicketRef(id=parent) if named else None
        self.on(id, commands.Resolve(actor=actor, resolution=resolution, parent=ref))

    @rule(id=tickets, add=MEMBERS, recovered=MEMBERS)
    def update_checklist(self, id: UUID, add: list[int], recovered: list[int]) -> None:
        ticket = self.present.get(id)
        if ticket is None:
            return
        done = self.take(self.desk.update(ticket, devices(*add), devices(*recovered)))
        if not isinstance(done.decision, Rejected):
            members = self.members[id]
            members |= {key_of(subject): False for subject in devices(*add)}
            members |= {key: True for key in map(key_of, devices(*recovered)) if key in members}

    @rule(id=tickets)
    def note(self, id: UUID) -> None:
        ticket = self.present.get(id)
        note = None if ticket is None else self.desk.note(ticket)
        if note is not None:
            self.enter(note)

    @rule(id=tickets, actor=ACTORS, text=st.sampled_from(["One.", "Two.\nLines."]), seen=st.sampled_from([None, 1, 2]))
    def edit(self, id: UUID, actor: Actor, text: str, seen: int | None) -> None:
        self.on(id, commands.EditDescription(actor=actor, description=text, description_version=seen))

    @rule(id=tickets, actor=ACTORS, count=st.sampled_from([0, 1, 11]))
    def link(self, id: UUID, actor: Actor, count: int) -> None:
        links = tuple(Link(f"WO-{number}", "https://orders.test") for number in range(count))
        self.on(id, commands.SetLinks(actor=actor, links=links))

    @rule(time=TIMES)
    def wait(self, time: timedelta) -> None:
        self.desk.now += time

    @rule()
    def put_away_and_take_out_again(self) -> None:
        """As between two batches: another book, loaded with what the first one wrote."""
        old = self.desk.book
        self.desk.book = Book(old.org, old.chain, old.policy, old.next_number, old.counts)
        self.desk.book.enter(self.present.values())
        for id, members in old._members.items():
            for member in members.values():
                seal = old.chain.seal_member(old.org, self.present[id], member)
                self.desk.book.enter_member(id, member, seal)

    def on(self, id: UUID, command: commands.Command) -> None:
        ticket = self.present.get(id)
        if ticket is not None:
            self.take(self.desk.ask(command, ticket))

    @invariant()
    def numbers_have_no_gaps(self) -> None:
        assert sorted(ticket.number for ticket in self.present.values()) == list(range(1, len(self.present) + 1))
        assert self.desk.book.next_number == len(self.present) + 1

    @invariant()
    def one_unresolved_ticket_has_a_key(self) -> None:
        held = Counter(ticket.dedup_key for ticket in self.present.values() if not ticket.resolved and ticket.dedup_key)
        assert all(count == 1 for count in held.values())

    @invariant()
    def counts_are_what_counting_gives(self) -> None:
        counted = Counter(ticket.state for ticket in self.present.values())
        assert {state: self.desk.book.counts[state] for state in TicketState} == {
            state: counted[state] for state in TicketState
        }

    @invariant()
    def a_ticket_is_resolved_in_every_respect_or_in_none(self) -> None:
        for ticket in self.present.values():
            ending = (ticket.resolution, ticket.resolved_at, ticket.resolved_by)
            assert all(ending) if ticket.resolved else not any(ending)
            assert bool(ticket.started_at) == bool(ticket.started_by)

    @invariant()
    def checklists_stand_as_they_were_told(self) -> None:
        for id, ticket in self.present.items():
            members = self.members[id]
            checklist = ticket.checklist
            assert (checklist.total, checklist.recovered) == (len(members), sum(members.values()))
            first = [(member.key, member.recovered_at is not None) for member in checklist.first]
            assert first == list(members.items())[:100]
            assert [member.place for member in checklist.first] == list(range(1, len(first) + 1))
            known = self.desk.book._members.get(id, {}).values()
            assert checklist.changes == sum(member.changes for member in known)

    @invariant()
    def all_that_happened_to_members_is_said_or_waits_to_be(self) -> None:
        for id, ticket in self.present.items():
            waiting = {change: sum["count"] for change, sum in (ticket.checklist.unsaid or {}).items()}
            assert self.said[id] + Counter(waiting) == self.happened[id]

    @invariant()
    def no_ticket_is_its_own_parent(self) -> None:
        assert all(ticket.parent is None or ticket.parent.id != id for id, ticket in self.present.items())

    @invariant()
    def what_must_be_written_back_is_what_changed(self) -> None:
        for id, ticket in self.desk.book.changed.items():
            assert ticket == self.present[id]


@pytest.mark.rule("TS-11", "TS-12", "TS-25", "TS-50", "TS-52")
def test_whatever_many_actors_ask() -> None:
    few = settings(max_examples=60, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(ManyActors, settings=few)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.rule("TS-11", "TS-12", "TS-25", "TS-50", "TS-52")
def test_whatever_many_actors_ask_for_long() -> None:
    many = settings(max_examples=2_000, stateful_step_count=100, deadline=None)
    run_state_machine_as_test(ManyActors, settings=many)


@pytest.mark.rule("TS-24")
def test_a_book_holds_nothing_of_another() -> None:
    desk, other = Desk(), Desk(book=book("globex"))
    desk.opened(dedup_key="lift-3")
    assert other.opened(dedup_key="lift-3").number == 1


@pytest.mark.rule("TS-103")
@pytest.mark.parametrize("claimed", ["version", "description_version", "next_number", "place", "resolved"])
def test_what_nothing_can_follow_is_refused_and_what_changes_nothing_is_not(claimed: str) -> None:
    desk = Desk()
    ticket = desk.monitored()
    match claimed:
        case "next_number":
            desk.book.next_number = FURTHEST + 1
        case "place":
            desk.book.chain.place = FURTHEST + 1
        case "resolved":
            desk.book.counts[TicketState.RESOLVED] = -FURTHEST - 1
        case field:
            desk.book.enter([replace(ticket, **{field: FURTHEST_OF_A_TICKET + 1})])
    assert refusal(desk.start(ticket)) == "record_altered"
    assert desk.note(ticket) is None
    assert isinstance(desk.open(actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE).decision, Unchanged)
    assert isinstance(desk.open().decision, Applied if claimed.endswith("version") else Rejected)


@pytest.mark.rule("TS-113")
@pytest.mark.parametrize("time", [FIRST, LAST])
@pytest.mark.parametrize("name", ["opened_at", "started_at", "resolved_at", "updated_at", "noted_at"])
def test_behind_a_time_that_is_none_nothing_comes(name: str, time: datetime) -> None:
    desk = Desk()
    ticket = desk.must(desk.start(desk.monitored()))
    altered = {name: time} if name != "noted_at" else {"checklist": replace(ticket.checklist, noted_at=time)}
    desk.book.enter([replace(ticket, **altered)])
    assert refusal(desk.resolve(ticket)) == "record_altered"
    assert desk.note(ticket) is None
    assert isinstance(desk.open(actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE).decision, Unchanged)
    assert isinstance(desk.open().decision, Applied)


@pytest.mark.rule("TS-113", "TS-103")
@pytest.mark.parametrize(
    "altered",
    [
        *({name: time} for name in ("opened_at", "started_at", "updated_at") for time in (FIRST, LAST)),
        {"resolved_at": FIRST},
        {"version": FURTHEST_OF_A_TICKET + 1},
    ],
    ids=str,
)
def test_an_old_ticket_that_was_altered_keeps_no_incident_from_opening(altered: dict[str, Any]) -> None:
    """It is past its reopen window: the new ticket only links back to it."""
    desk = Desk()
    old = desk.resolved(desk.must(desk.start(desk.monitored())), MONITOR, Resolution.RECOVERED)
    desk.book.enter([replace(old, **altered)])
    desk.now += timedelta(hours=5)
    new = desk.monitored()
    assert (new.number, new.previous and new.previous.number) == (old.number + 1, old.number)
    assert desk.book.changed[old.id].version == old.version, "the old one stays as it is"


@pytest.mark.rule("TS-99")
def test_what_comes_after_a_book_was_put_back_is_told_apart_from_what_had_come() -> None:
    ids = set()
    for act, later in (("start", 0), ("resolve", 0), ("start", 1), ("resolve", 1)):
        desk = Desk()  # as it was when it was kept
        ticket = desk.opened()
        desk.now += timedelta(minutes=later)
        [entry] = getattr(desk, act)(ticket).entries
        assert entry.ticket.version == 2
        ids.add(entry.id)
    assert len(ids) == 4
    again = Desk()
    assert again.start(again.opened()).entries[0].id in ids, "the same is called the same"
