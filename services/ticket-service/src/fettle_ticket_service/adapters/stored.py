"""What stands in rows as JSON and as words, read so that nothing that somebody else has written there stops anybody.

Whatever Fettle never writes becomes something that nothing was ever sealed with: so whatever has it is a finding.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar, cast

from msgspec import Meta, Struct, ValidationError, convert

from fettle_contracts.people import ActorType
from fettle_ticket_service.domain.values import Actor, Link

Word = TypeVar("Word", bound=StrEnum)

UNREADABLE = "unreadable"
"""Stands for what has another shape. No actor is of this type, no link has this label and no address."""


class _Actor(Struct):
    type: str
    id: str | None = None
    name: str | None = None
    run: str | None = None


class _Sum(Struct):
    count: Annotated[int, Meta(ge=0, le=2**31)]
    members: list[dict[str, str]]


def word(words: type[Word], stored: str) -> Word:
    """One that Fettle never writes stays as it stands."""
    return cast(Word, words._value2member_map_.get(stored, stored))


def actor_of(stored: object) -> Actor:
    try:
        said = convert(stored, _Actor)
    except ValidationError:
        said = _Actor(UNREADABLE)
    return Actor(word(ActorType, said.type), said.id, said.name, said.run)


def actor_or_none(stored: object) -> Actor | None:
    return None if stored is None else actor_of(stored)


def links_of(stored: object) -> tuple[Link, ...]:
    try:
        return () if stored == [] else convert(stored, tuple[Link, ...])
    except ValidationError:
        return (Link(UNREADABLE, ""),)


def evidence_of(stored: object) -> Mapping[str, Any] | None:
    return stored if stored is None or isinstance(stored, dict) else {UNREADABLE: stored}


def unsaid_of(stored: object) -> Mapping[str, Any] | None:
    """What a checklist has still to tell. No seal covers it; of what cannot be read nothing is told but the counts."""
    if stored is None:
        return None
    try:
        convert(stored, dict[str, _Sum])
    except ValidationError:
        return {}
    return cast(Mapping[str, Any], stored)
