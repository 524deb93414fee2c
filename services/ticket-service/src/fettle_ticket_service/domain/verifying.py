"""Whether what is on record is what was written: a fold over an org's chain, its tickets, and what retention took.

Entries and gaps come by place, then tickets (each behind its checklist's members) and removals by number, then the org
itself. What does not fit is a finding; the fold goes on behind it, so that one altered row is one finding and hides
nothing.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from fettle_contracts.ticket import TicketState
from fettle_ticket_service.domain import chain
from fettle_ticket_service.domain.chain import NOTHING, ChainKeys, Said
from fettle_ticket_service.domain.checklist import NAMED_LIMIT, Checklist, Member
from fettle_ticket_service.domain.removals import Gap, Older, Removal
from fettle_ticket_service.domain.ticket import Ticket


class Wrong(StrEnum):
    """What can be found."""

    ENTRY_ALTERED = "entry_altered"
    ENTRY_MISSING = "entry_missing"
    ENTRY_UNCHAINED = "entry_unchained"
    CHAIN_ALTERED = "chain_altered"
    CHAIN_BROKEN = "chain_broken"
    TICKET_ALTERED = "ticket_altered"
    TICKET_MISSING = "ticket_missing"
    CHECKLIST_ALTERED = "checklist_altered"
    REMOVAL_ALTERED = "removal_altered"
    ORG_ALTERED = "org_altered"
    KEY_UNKNOWN = "key_unknown"


class Finding(Struct, frozen=True, omit_defaults=True):
    """Something that does not fit, with what it is about as far as that is known."""

    wrong: Wrong
    message: str
    number: int | None = None
    ticket: UUID | None = None
    version: int | None = None
    place: int | None = None


class Seen(Struct, frozen=True):
    """An entry as it stands: where, what it says, and its hashes; None for one older than the chains."""

    ticket: UUID
    version: int
    id: UUID
    said: Said
    hash: str | None
    place: int | None
    head: str | None


class Standing(Struct, frozen=True):
    """A ticket as it stands."""

    ticket: Ticket
    hash: str | None
    seal: str | None
    has_members: bool = False


class Listed(Struct, frozen=True):
    """A member of a ticket's checklist as it stands."""

    ticket: UUID
    member: Member
    seal: str | None


class OrgEnd(Struct, frozen=True):
    """What the org's row says of all the others."""

    next_number: int
    counts: Counter[TicketState]
    place: int
    head: str
    older: Older | None = None


@dataclass(slots=True)
class _Timeline:
    """As much of a ticket's timeline as has been seen: its end, the first version in the chain, and how many before."""

    version: int = 0
    hash: str = NOTHING
    chained_from: int | None = None
    older: int = 0


@dataclass(slots=True)
class _Members:
    """The members of the next ticket: how many, how many of them have recovered, how often they have changed, how many
    are not what was written, and the first of those."""

    total: int = 0
    recovered: int = 0
    changes: int = 0
    altered: int = 0
    first_altered: list[Member] = field(default_factory=list)

    def add(self, member: Member, *, sound: bool) -> None:
        self.total += 1
        self.recovered += member.recovered_at is not None
        self.changes += member.changes
        self.altered += not sound
        if not sound and len(self.first_altered) < NAMED_LIMIT:
            self.first_altered.append(member)

    def wrong_on(self, checklist: Checklist) -> str | None:
        if (self.total, self.recovered) != (checklist.total, checklist.recovered):
            return "The checklist has other members than the ticket counts."
        if not checklist.changes:  # begun by a version that did not seal members
            return None
        if self.altered:
            named = [f"{member.subject.type}/{member.subject.id}" for member in self.first_altered]
            more = f" and {self.altered - len(named)} more" if self.altered > len(named) else ""
            return f"Not what was written on the checklist: {', '.join(named)}{more}."
        if self.changes != checklist.changes:
            return "A member of the checklist stands as it once did, and has changed since."
        return None


@dataclass(slots=True)
class Verification:
    """The fold. Every `take_` answers with what it found. Memory grows with tickets, not with entries."""

    org: str
    keys: ChainKeys
    entries: int = 0
    older: int = 0
    """Entries from before there were chains: nothing vouches for them."""
    tickets: int = 0
    removed: int = 0
    _place: int = 0
    _head: str = NOTHING
    _timelines: dict[UUID, _Timeline] = field(default_factory=dict)
    _number: int = 0
    _counts: Counter[TicketState] = field(default_factory=Counter)
    _in_gaps: int = 0
    _removed_places: int = 0
    _removed_older: int = 0
    _members: _Members = field(default_factory=_Members)
    _strange_keys: set[str] = field(default_factory=set)

    def take(self, row: "Seen | Gap | Listed | Standing | Removal") -> Iterator[Finding]:
        """The next row; see the module for their order."""
        match row:
            case Seen():
                return self.take_entry(row)
            case Gap():
                return self.take_gap(row)
            case Listed():
                return self.take_member(row)
            case Standing():
                return self.take_ticket(row)
            case Removal():
                return self.take_removal(row)

    def take_entry(self, seen: Seen) -> Iterator[Finding]:
        """The next one by place; those without a place come after all others, by ticket and version."""
        self.entries += 1
        if seen.hash is None or seen.place is None or seen.head is None:
            yield from self._take_older(seen)
            return
        yield from self._take_place(seen.place, seen.head, chain.head_text(seen.place, seen.hash))
        timeline = self._timelines.get(seen.ticket)
        if timeline is None:
            # A ticket may be older than the chains: then its first hash covers nothing before it.
            timeline = self._timelines[seen.ticket] = _Timeline(seen.version - 1, chained_from=seen.version)
        if seen.version != timeline.version + 1:
            message = f"Versions {timeline.version + 1} to {seen.version - 1} of the ticket are missing."
            if seen.version <= timeline.version:
                message = f"Version {seen.version} of the ticket comes after version {timeline.version}."
            yield Finding(Wrong.ENTRY_MISSING, message, ticket=seen.ticket, version=seen.version, place=seen.place)
        elif not self.keys.knows(seen.hash):
            yield from self._strange(seen.hash)
        elif not self.keys.fits(seen.hash, chain.ENTRY, timeline.hash, _text(self.org, seen)):
            message = "The entry is not what was written, or does not follow the one before it."
            yield Finding(Wrong.ENTRY_ALTERED, message, ticket=seen.ticket, version=seen.version, place=seen.place)
        timeline.version, timeline.hash = seen.version, seen.hash

    def take_gap(self, gap: Gap) -> Iterator[Finding]:
        """The next places by number whose entries retention removed."""
        if not self.keys.knows(gap.seal):
            yield from self._strange(gap.seal)
        elif not gap.is_sealed(self.org, self.keys):
            message = f"The note on the removed places {gap.first} to {gap.last} is not what was written."
            yield Finding(Wrong.REMOVAL_ALTERED, message, place=gap.first)
        yield from self._take_place(gap.first, gap.head, None)
        self._place = gap.last
        self._in_gaps += gap.last - gap.first + 1

    def take_member(self, listed: Listed) -> Iterator[Finding]:
        """One of the ticket that comes next; what is wrong is found there."""
        member, seal = listed.member, listed.seal
        strange = seal is not None and not self.keys.knows(seal)
        sound = strange or chain.is_member(self.keys, self.org, listed.ticket, member, seal)
        self._members.add(member, sound=sound)
        if seal is not None and strange:
            yield from self._strange(seal)

    def take_ticket(self, standing: Standing) -> Iterator[Finding]:
        """The next one by number, when all entries are through."""
        members, self._members = self._members, _Members()
        ticket, hash, seal = standing.ticket, standing.hash, standing.seal
        yield from self._take_number(ticket.number)
        self.tickets += 1
        self._counts[ticket.state] += 1

        def finding(wrong: Wrong, message: str) -> Finding:
            return Finding(wrong, message, ticket.number, ticket.id, ticket.version)

        timeline = self._timelines.pop(ticket.id, None)
        if timeline is None:
            yield finding(Wrong.ENTRY_MISSING, "The ticket has no timeline.")
            return
        if timeline.chained_from is not None and timeline.older + 1 != timeline.chained_from:
            message = f"Versions {timeline.older + 1} to {timeline.chained_from - 1} of the ticket are missing."
            yield finding(Wrong.ENTRY_MISSING, message)
        if timeline.version != ticket.version or timeline.hash != (hash or NOTHING):
            message = f"The ticket is at version {ticket.version}, its timeline ends with {timeline.version}."
            if timeline.version == ticket.version:
                message = "The ticket does not know the latest entry of its timeline."
            yield finding(Wrong.TICKET_ALTERED, message)
        elif seal is None:
            if timeline.hash != NOTHING:
                yield finding(Wrong.TICKET_ALTERED, "The ticket has lost its seal.")
        elif not self.keys.knows(seal):
            yield from self._strange(seal)
        elif not self.keys.fits(seal, chain.SEAL, hash or NOTHING, chain.seal_text(self.org, ticket)):
            yield finding(Wrong.TICKET_ALTERED, "The ticket's fields are not what was written.")
        if (wrong := members.wrong_on(ticket.checklist)) is not None:
            yield finding(Wrong.CHECKLIST_ALTERED, wrong)

    def take_removal(self, removal: Removal) -> Iterator[Finding]:
        """The next one by number, among the tickets."""
        yield from self._take_number(removal.number)
        self.removed += 1
        self._removed_places += removal.places
        self._removed_older += max(0, removal.version - removal.places)

        def finding(message: str) -> Finding:
            return Finding(Wrong.REMOVAL_ALTERED, message, removal.number, removal.ticket)

        if not self.keys.knows(removal.seal):
            yield from self._strange(removal.seal)
        elif not removal.is_sealed(self.org, self.keys):
            yield finding("The note on the ticket's removal is not what was written.")
        elif not removal.is_due:
            yield finding("The ticket was removed before its time.")
        elif removal.places > removal.version:
            yield finding(f"{removal.places} entries went with a ticket at version {removal.version}.")

    def finish(self, end: OrgEnd) -> Iterator[Finding]:
        """When everything is through."""
        if self._place != end.place or self._head != end.head:
            message = f"The org's chain ends at {end.place}, the last place on record is {self._place}."
            if self._place == end.place:
                message = "The org's row does not know the end of its chain."
            yield Finding(Wrong.ORG_ALTERED, message, place=self._place)
        yield from self._take_number(end.next_number)
        if self._counts != end.counts:
            yield Finding(Wrong.ORG_ALTERED, "The org counts other tickets than there are.")
        if self._in_gaps != self._removed_places:
            message = f"{self._in_gaps} places are noted as removed, the removed tickets had {self._removed_places}."
            yield Finding(Wrong.CHAIN_BROKEN, message)
        yield from self._finish_older(end.older)
        for ticket, timeline in self._timelines.items():
            message = "There are entries of a ticket that is not there."
            yield Finding(Wrong.TICKET_MISSING, message, ticket=ticket, version=timeline.version)

    def _take_older(self, seen: Seen) -> Iterator[Finding]:
        timeline = self._timelines.setdefault(seen.ticket, _Timeline())
        chained_from = timeline.chained_from
        if seen.version != timeline.older + 1 or (chained_from is not None and seen.version >= chained_from):
            message = "Nothing vouches for the entry, and it stands where a chain does."
            yield Finding(Wrong.ENTRY_UNCHAINED, message, ticket=seen.ticket, version=seen.version)
            return
        self.older += 1
        timeline.older += 1
        timeline.version = max(timeline.version, timeline.older)

    def _finish_older(self, note: Older | None) -> Iterator[Finding]:
        older = self.older + self._removed_older
        if older == 0:
            return
        if note is not None and note.seal != NOTHING and not self.keys.knows(note.seal):
            yield from self._strange(note.seal)
            return
        vouched = note.entries if note is not None and note.is_sealed(self.org, self.keys) else 0
        if older > vouched:
            message = f"{older} entries are in no chain; no more than {vouched} are from before there were chains."
            yield Finding(Wrong.ENTRY_UNCHAINED, message)

    def _take_place(self, place: int, head: str, text: bytes | None) -> Iterator[Finding]:
        """One link of the org's chain; `text` None: a gap, whose own seal vouches for its head."""
        if place != self._place + 1:
            message = f"Places {self._place + 1} to {place - 1} of the org's chain are missing."
            yield Finding(Wrong.CHAIN_BROKEN, message, place=self._place + 1)
        elif text is not None:
            if not self.keys.knows(head):
                yield from self._strange(head)
            elif not self.keys.fits(head, chain.ORG, self._head, text):
                message = "The entry's place in the org's chain is not what was written."
                yield Finding(Wrong.CHAIN_ALTERED, message, place=place)
        self._place, self._head = place, head

    def _take_number(self, number: int) -> Iterator[Finding]:
        if number != self._number + 1:
            span = f"{self._number + 1}" if number == self._number + 2 else f"{self._number + 1} to {number - 1}"
            message = f"Number {span}: there is no ticket, and nothing says that retention removed it."
            yield Finding(Wrong.TICKET_MISSING, message, number=self._number + 1)
        self._number = number

    def _strange(self, hash: str) -> Iterator[Finding]:
        """Said once a key: what it made cannot be checked."""
        key = hash.partition(":")[0]
        if key not in self._strange_keys:
            self._strange_keys.add(key)
            message = f"Hashes were made with the key {key!r}, which FETTLE_SIGNING_KEYS does not have any more."
            yield Finding(Wrong.KEY_UNKNOWN, message)


def _text(org: str, seen: Seen) -> bytes:
    return chain.entry_text(org, seen.ticket, seen.version, seen.id, seen.said)
