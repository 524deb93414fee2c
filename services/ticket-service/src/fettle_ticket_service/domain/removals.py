"""What retention leaves behind of the tickets that it removes: enough to tell its work from anybody else's."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar
from uuid import UUID

from msgspec import Struct
from msgspec.json import encode
from msgspec.structs import astuple, replace

from fettle_ticket_service.domain.chain import NOTHING, ChainKeys


class Note(Struct, frozen=True, kw_only=True):
    """Something that is said once, under a seal."""

    purpose: ClassVar[bytes]

    seal: str = NOTHING

    def is_sealed(self, org: str, keys: ChainKeys) -> bool:
        return keys.fits(self.seal, self.purpose, NOTHING, _text(org, self))


class Removal(Note, frozen=True, kw_only=True):
    """A ticket that is gone. `version` and `hash` are its last, `places` says how many entries were in the chain."""

    purpose = b"removal"

    number: int
    ticket: UUID
    version: int
    hash: str | None
    places: int
    resolved_at: datetime
    removed_at: datetime
    retention_days: int

    @property
    def is_due(self) -> bool:
        return self.resolved_at + timedelta(days=self.retention_days) <= self.removed_at


class Gap(Note, frozen=True, kw_only=True):
    """Places of an org's chain, one behind the other, whose entries are gone; `head` is the org's at the last."""

    purpose = b"gap"

    first: int
    last: int
    head: str


class Older(Note, frozen=True, kw_only=True):
    """How many of an org's entries may be older than the chains: as many as there were when this was written."""

    purpose = b"older"

    entries: int


Kind = TypeVar("Kind", bound=Note)


def sealed(note: Kind, org: str, keys: ChainKeys) -> Kind:
    return replace(note, seal=keys.write(note.purpose, NOTHING, _text(org, note)))


def gaps_after(touching: Iterable[Gap], heads: Mapping[int, str]) -> list[Gap]:
    """What becomes of the gaps that touch the places removed now, and of these (each with its head): neighbours are one
    gap. New gaps have no seal yet."""
    single = [Gap(first=place, last=place, head=head) for place, head in heads.items()]
    joined: list[Gap] = []
    for gap in sorted([*touching, *single], key=lambda gap: gap.first):
        if joined and joined[-1].last + 1 == gap.first:
            joined[-1] = Gap(first=joined[-1].first, last=gap.last, head=gap.head)
        else:
            joined.append(gap)
    return joined


def _text(org: str, note: Note) -> bytes:
    return encode((org, *astuple(replace(note, seal=NOTHING))))
