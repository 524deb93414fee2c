"""Chains of keyed hashes: who changes what is on record without the key is found out.

Every entry has a `hash` over the ticket's entry before it and over itself, so a ticket's latest hash stands for its
whole timeline; and a place in its org's chain, whose `head` there stands for all entries of the org so far. A ticket
carries a `seal` over its latest hash and its fields. Each member of a checklist has one over itself and how often it
has changed; the ticket's covers how often all of them have, so no member can be put back to what it was before. All are
keyed BLAKE2b (RFC 7693), written `key id:base64url`, so that keys can be rotated. Whoever has the key can write a chain
anew; the hashes that were published tell.
"""

import re
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct
from msgspec.json import Encoder

from fettle_contracts.ticket_events import EntryType
from fettle_ticket_service.domain.checklist import NO_CHECKLIST, Member, MemberKey
from fettle_ticket_service.domain.ticket import FIRST_VERSION, Ticket
from fettle_ticket_service.domain.values import Actor

NOTHING = ""
"""What stands before the first link of a chain."""

_SEALED = attrgetter(*(name for name in Ticket.__struct_fields__ if name != "checklist"))
_encode = Encoder().encode
_sorted = Encoder(order="sorted").encode
_URL_SAFE, _PADDING = bytes.maketrans(b"+/", b"-_"), b"=\n"
_ODD_NUMBER = re.compile(rb"\de|-0\.0")


class Said(Protocol):
    """What an entry says, as an event or as a line of a timeline."""

    @property
    def type(self) -> EntryType | str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def actor(self) -> Actor: ...
    @property
    def body(self) -> str | None: ...
    @property
    def evidence(self) -> Mapping[str, Any] | None: ...


class Link(Struct, frozen=True):
    """Where an entry stands: its hash in its ticket's chain, its place (from 1) in its org's and the head there. A
    ticket's first entry also vouches for its number."""

    hash: str
    place: int
    head: str
    number_seal: str | None = None


@dataclass(frozen=True, slots=True)
class ChainKeys:
    """Secrets of 16 to 64 bytes by id; the first one writes, all of them verify."""

    secrets: Mapping[str, bytes] = field(repr=False)
    _begun: Mapping[str, blake2b] = field(init=False, repr=False, compare=False)
    """Hashes that have taken in their key and nothing else: going on from a copy saves a third of the work."""

    def __post_init__(self) -> None:
        begun = {id: blake2b(key=secret, digest_size=32) for id, secret in self.secrets.items()}
        object.__setattr__(self, "_begun", begun)

    def write(self, purpose: bytes, before: str, content: bytes) -> str:
        return self._made(next(iter(self.secrets)), purpose, before, content)

    def knows(self, hash: str) -> bool:
        """Whether the key that made the hash is among these."""
        return hash.partition(":")[0] in self.secrets

    def fits(self, hash: str, purpose: bytes, before: str, content: bytes) -> bool:
        """Whether the hash is right. False also if its key is not among these."""
        return self.knows(hash) and hash == self._made(hash.partition(":")[0], purpose, before, content)

    def _made(self, id: str, purpose: bytes, before: str, content: bytes) -> str:
        made = self._begun[id].copy()
        made.update(b"%b\n%b\n%b" % (purpose, before.encode(), content))
        return f"{id}:{b2a_base64(made.digest()).translate(_URL_SAFE, _PADDING).decode()}"


@dataclass(slots=True)
class Chain:
    """An org's chain at its end, and the latest hashes of those of its tickets that are in hand."""

    keys: ChainKeys
    place: int = 0
    head: str = NOTHING
    hashes: dict[UUID, str] = field(default_factory=dict)
    unfit: dict[UUID, str | None] = field(default_factory=dict)
    """Seals that did not fit their tickets. They stay: a new one would vouch for what somebody else has written."""
    unfit_members: set[tuple[UUID, MemberKey]] = field(default_factory=set)
    """Members, by ticket, whose seals did not fit: they have none from then on."""

    def take(self, org: str, ticket: Ticket, hash: str | None, seal: str | None) -> bool:
        """Takes a ticket in hand as it stands. False: its seal does not fit."""
        self.hashes[ticket.id] = hash or NOTHING
        fits = is_sound(self.keys, org, ticket, hash, seal)
        if not fits:
            self.distrust(ticket, seal)
        return fits

    def distrust(self, ticket: Ticket, seal: str | None) -> bool:
        """Makes no other seal for the ticket than this one. False: it did not fit as it was."""
        known = ticket.id in self.unfit
        self.unfit[ticket.id] = seal
        return not known

    def take_member(self, org: str, ticket: UUID, member: Member, seal: str | None) -> None:
        """Takes a member in hand of a checklist whose members are sealed."""
        if not is_member(self.keys, org, ticket, member, seal):
            self.unfit_members.add((ticket, member.key))

    def add(self, org: str, id: UUID, ticket: Ticket, said: Said) -> Link:
        """Links one more entry of a ticket (`ticket` is the one after it, `id` the entry's)."""
        before = self.hashes.get(ticket.id, NOTHING)
        hash = self.keys.write(ENTRY, before, entry_text(org, ticket.id, ticket.version, id, said))
        self.place += 1
        self.head = self.keys.write(ORG, self.head, head_text(self.place, hash))
        self.hashes[ticket.id] = hash
        if ticket.version > FIRST_VERSION:
            return Link(hash, self.place, self.head)
        number = self.keys.write(NUMBER, NOTHING, number_text(org, ticket.id, ticket.number))
        return Link(hash, self.place, self.head, number)

    def seal(self, org: str, ticket: Ticket) -> str | None:
        """One that did not fit before cannot fit after another entry either: verifying goes on finding it."""
        if ticket.id in self.unfit:
            return self.unfit[ticket.id]
        return self.keys.write(SEAL, self.hashes.get(ticket.id, NOTHING), seal_text(org, ticket))

    def seal_member(self, org: str, ticket: Ticket, member: Member) -> str | None:
        """None: nothing vouches for the member, or its checklist does not count changes."""
        if not ticket.checklist.changes or (ticket.id, member.key) in self.unfit_members:
            return None
        return self.keys.write(MEMBER, NOTHING, member_text(org, ticket.id, member))


ENTRY, ORG, SEAL, NUMBER, MEMBER = b"entry", b"org", b"seal", b"number", b"member"
"""What a hash is for, so that none can stand in another's place."""


def entry_text(org: str, ticket: UUID, version: int, id: UUID, said: Said) -> bytes:
    """What the hash of an entry covers besides the one before it."""
    said_text = (said.type, said.at, said.actor, said.body)
    return _encode((org, ticket, version, id, *said_text)) + _plain(said.evidence)


def head_text(place: int, hash: str) -> bytes:
    return b"%d %b" % (place, hash.encode())


def seal_text(org: str, ticket: Ticket) -> bytes:
    """What a ticket's seal covers: all of its fields, of its checklist the counts and, where its changes are counted,
    how many there were, when it was last told of, and what is still to be told."""
    checklist = ticket.checklist
    fields = (org, *_SEALED(ticket), checklist.total, checklist.recovered)
    if checklist == NO_CHECKLIST or (checklist.total and not checklist.changes):
        return _encode(fields)
    return _encode((*fields, checklist.changes, checklist.noted_at)) + _plain(checklist.unsaid)


def member_text(org: str, ticket: UUID, member: Member) -> bytes:
    """What the seal of a checklist's member covers."""
    subject = (member.subject.type, member.subject.id, member.subject.name)
    return _encode((org, ticket, member.place, *subject, member.joined_at, member.recovered_at, member.changes))


def number_text(org: str, ticket: UUID, number: int) -> bytes:
    """What vouches for a number covers the ticket that has it."""
    return _encode((org, ticket, number))


def is_sound(keys: ChainKeys, org: str, ticket: Ticket, hash: str | None, seal: str | None) -> bool:
    """Whether the ticket is what was sealed with its latest hash. One from before the chains has neither, and nothing
    vouches for it; if it has entries in the chain all the same, the next one does not follow them."""
    if seal is None:
        return hash is None
    return keys.fits(seal, SEAL, hash or NOTHING, seal_text(org, ticket))


def is_member(keys: ChainKeys, org: str, ticket: UUID, member: Member, seal: str | None) -> bool:
    """Whether the member is what was sealed."""
    return keys.fits(seal or NOTHING, MEMBER, NOTHING, member_text(org, ticket, member))


def _plain(evidence: Mapping[str, Any] | None) -> bytes:
    """The evidence as text, the same before and after the database has kept it: it writes numbers without exponents,
    knows no negative zero and does not keep the order of names."""
    if evidence is None:
        return b""
    text = _sorted(evidence)
    return _sorted(_digits(evidence)) if _ODD_NUMBER.search(text) else text


def _digits(value: Any) -> Any:
    if isinstance(value, float):
        written_out = "e" in repr(value) and value.is_integer()
        return int(Decimal(repr(value))) if written_out else value or 0.0
    if isinstance(value, Mapping):
        return {name: _digits(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_digits(inner) for inner in value]
    return value
