"""An org's book of tickets: what a batch of commands needs of it, decided in memory in the commands' order.

The book is loaded under the org's lock and written back in the same transaction, so its numbers have no gaps, its
counts are kept and not counted, and a key has one unresolved ticket at most. Nothing of another org is in it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from fettle_contracts.codes import RejectionCode
from fettle_contracts.ticket import TicketState
from fettle_contracts.times import FIRST, LAST
from fettle_ticket_service.domain.chain import Chain, Link
from fettle_ticket_service.domain.checklist import Member, MemberChange, MemberKey, changed, key_of
from fettle_ticket_service.domain.commands import Command, Open, Reopen, Resolve, UpdateChecklist
from fettle_ticket_service.domain.decide import decide
from fettle_ticket_service.domain.decisions import Applied, Decision, Rejected
from fettle_ticket_service.domain.events import Event, Opened
from fettle_ticket_service.domain.facts import NOBODY, Facts
from fettle_ticket_service.domain.rollups import with_note
from fettle_ticket_service.domain.ticket import Ticket, evolve
from fettle_ticket_service.domain.values import Policy, TicketRef

FURTHEST, FURTHEST_OF_A_TICKET = 2**62, 2**30
"""Half of what a row can hold of an org's numbers, and of a ticket's."""
RECORD_ALTERED = Rejected(RejectionCode.RECORD_ALTERED, RejectionCode.RECORD_ALTERED.meaning)


class Entry(Struct, frozen=True):
    """One line of a timeline, the ticket after it, and its place in the chains. Its id follows from the ticket and its
    version."""

    id: UUID
    event: Event
    ticket: Ticket
    link: Link


class Done(Struct, frozen=True):
    """What became of one command. `ticket` is the one it met or made, as it was afterwards."""

    decision: Decision
    ticket: Ticket | None
    entries: tuple[Entry, ...] = ()


@dataclass(slots=True)
class Book:
    """One org's policy, counters and those of its tickets that the commands in hand can touch."""

    org: str
    chain: Chain
    policy: Policy = field(default_factory=Policy)
    next_number: int = 1
    counts: Counter[TicketState] = field(default_factory=Counter)
    """How many tickets the org has in each state."""
    changed: dict[UUID, Ticket] = field(default_factory=dict)
    """What has to be written back."""
    changed_members: dict[tuple[UUID, MemberKey], Member] = field(default_factory=dict)
    """Members of checklists, by ticket, that have to be written back."""
    _tickets: dict[UUID, Ticket] = field(default_factory=dict)
    _numbers: dict[int, UUID] = field(default_factory=dict)
    _keys: dict[str, set[UUID]] = field(default_factory=dict)
    _members: dict[UUID, dict[MemberKey, Member]] = field(default_factory=dict)

    def enter(self, tickets: Iterable[Ticket]) -> None:
        """Takes tickets as the database has them. For every key that a command names or a reopened ticket has, its
        unresolved ticket and its latest one must be among them."""
        for ticket in tickets:
            self._keep(ticket)

    def enter_member(self, ticket: UUID, member: Member, seal: str | None) -> None:
        """Takes a member of a ticket's checklist, as the database has it. All that a command names and that are on it
        must be there."""
        self._members.setdefault(ticket, {})[member.key] = member
        if self._tickets[ticket].checklist.counts_changes:
            self.chain.take_member(self.org, ticket, member, seal)

    def may_mean(self, ref: TicketRef) -> list[Ticket]:
        """The tickets entered so far that the reference can come to mean while commands are carried out."""
        if ref.key is not None:
            return [self._tickets[id] for id in self._keys.get(ref.key, ())]
        found = self.find(ref)
        return [] if found is None else [found]

    def find(self, ref: TicketRef) -> Ticket | None:
        if ref.key is not None:
            return self.latest(ref.key)
        id = ref.id if ref.number is None else self._numbers.get(ref.number)
        return None if id is None else self._tickets.get(id)

    def latest(self, key: str) -> Ticket | None:
        """The key's unresolved ticket if there is one, else the one with the highest number."""
        held = (self._tickets[id] for id in self._keys.get(key, ()))
        return max(held, key=lambda ticket: (not ticket.resolved, ticket.number), default=None)

    def carry_out(self, command: Command, ref: TicketRef | None, *, id: UUID, now: datetime) -> Done:
        """Decides the command and does what it decided. `id` is what a ticket opened by it gets; `ref` is None for an
        open alone."""
        ticket = self._met(command, ref)
        rival = self._rival(ticket) if isinstance(command, Reopen) else None
        parent = self.find(command.parent) if isinstance(command, Open | Resolve) and command.parent else None
        members = self._named(ticket, command) if isinstance(command, UpdateChecklist) else NOBODY
        facts = Facts(self.policy, self.next_number, id, rival, parent, members)
        decision = decide(ticket, command, facts, now)
        if not isinstance(decision, Applied):
            return Done(decision, ticket)
        opens = bool(decision.events) and isinstance(decision.events[0], Opened)
        if self._at_an_end(None if opens else ticket):  # a new ticket does not come behind the one that has the key
            return Done(RECORD_ALTERED, ticket)
        if ticket is not None and decision.members:
            ticket = self._change_members(ticket, decision.members)
        return self._follow(decision, ticket, with_note(ticket, decision.events, now))

    def note(self, ref: TicketRef, *, now: datetime) -> Entry | None:
        """Makes the entry on a ticket's checklist if it is due."""
        ticket = self.find(ref)
        events = () if self._at_an_end(ticket) else with_note(ticket, (), now)
        return self._enter(events[0], self._happen(ticket, events[0])) if events else None

    def _at_an_end(self, ticket: Ticket | None) -> bool:
        """Whether the org or the ticket claims more than any has ever come to (another number would not be kept), or a
        time before or after all times: nothing comes behind that."""
        furthest = max(self.next_number, self.chain.place, *map(abs, self.counts.values()))
        if ticket is None:
            return furthest > FURTHEST
        checklist = ticket.checklist
        furthest = max(furthest, abs(checklist.changes))
        of_ticket = max(ticket.version, ticket.description_version, checklist.total, abs(checklist.recovered))
        return furthest > FURTHEST or of_ticket > FURTHEST_OF_A_TICKET or _is_outside_time(ticket)

    def _follow(self, decision: Applied, ticket: Ticket | None, events: Iterable[Event]) -> Done:
        entries = []
        for event in events:
            ticket = self._happen(ticket, event)
            entries.append(self._enter(event, ticket))
        return Done(decision, ticket, tuple(entries))

    def _enter(self, event: Event, ticket: Ticket) -> Entry:
        """`ticket` is the one after the event. Behind a database that was put back a version comes again, and whoever
        heard of the entry that had it must not take this one for a repeat."""
        id = uuid5(ticket.id, f"{ticket.version} {event.type} {event.at.isoformat()}")
        return Entry(id, event, ticket, self.chain.add(self.org, id, ticket, event))

    def _change_members(self, ticket: Ticket, changes: Sequence[MemberChange]) -> Ticket:
        """The ticket after its members changed; its version stays, as no entry is made."""
        for _, member in changes:
            self._members.setdefault(ticket.id, {})[member.key] = member
            self.changed_members[ticket.id, member.key] = member
        after = replace(ticket, checklist=changed(ticket.checklist, changes))
        self.changed[after.id] = after
        self._keep(after)
        return after

    def _named(self, ticket: Ticket | None, command: UpdateChecklist) -> dict[MemberKey, Member]:
        """Those that the command names and that are on the ticket's checklist."""
        members = NOBODY if ticket is None else self._members.get(ticket.id, NOBODY)
        keys = map(key_of, (*command.add, *command.recovered))
        return {key: members[key] for key in keys if key in members}

    def _met(self, command: Command, ref: TicketRef | None) -> Ticket | None:
        if isinstance(command, Open):
            return None if command.dedup_key is None else self.latest(command.dedup_key)
        return None if ref is None else self.find(ref)

    def _rival(self, ticket: Ticket | None) -> Ticket | None:
        if ticket is None or ticket.dedup_key is None:
            return None
        latest = self.latest(ticket.dedup_key)
        return latest if latest is not None and latest.id != ticket.id and not latest.resolved else None

    def _happen(self, before: Ticket | None, event: Event) -> Ticket:
        after = evolve(before, event)
        if isinstance(event, Opened):
            self.next_number += 1
        elif before is not None:
            self.counts[before.state] -= 1
        self.counts[after.state] += 1
        self.changed[after.id] = after
        self._keep(after)
        return after

    def _keep(self, ticket: Ticket) -> None:
        self._tickets[ticket.id] = ticket
        self._numbers[ticket.number] = ticket.id
        if ticket.dedup_key is not None:
            self._keys.setdefault(ticket.dedup_key, set()).add(ticket.id)


def _is_outside_time(ticket: Ticket) -> bool:
    noted_at = ticket.checklist.noted_at
    times = (ticket.opened_at, ticket.started_at, ticket.resolved_at, ticket.updated_at, noted_at)
    return FIRST in times or LAST in times
