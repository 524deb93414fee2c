"""Whose a dead letter is. Topics hold those of all orgs, and whoever can write to Kafka can put any key on a record."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_contracts.dead_letters import lacks_its_value
from fettle_contracts.identity import check_org
from fettle_contracts.topics import HEARTBEATS, SIGNALS, TOPICS

TOPICS_WITH_LETTERS: Sequence[str] = tuple(name for name, topic in TOPICS.items() if topic.dlq and not topic.internal)
"""Those whose records come from or go to the outside; what is Fettle's own business is for who runs it."""

_NAMES_NO_ORG = frozenset({HEARTBEATS, SIGNALS})
"""Topics whose values say nothing of an org in Fettle's sense: the key alone does."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `stays` is why it cannot be sent again, or None."""

    topic: str
    offset: int
    at: datetime
    reason: str
    message: str
    service: str
    partition: str
    source_offset: str
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    stays: str | None


def owner(topic: str, key: bytes | None, value: bytes | None) -> str | None:
    """The one org that the record was of: its key begins with it, and its value names no other. None when nobody can
    tell, also when both name different ones: neither may then read what the other has written."""
    try:
        org = check_org((key or b"").partition(b"/")[0].decode())
    except ValueError:
        return None
    if topic in _NAMES_NO_ORG:
        return org
    return org if _named(value) <= {org} else None


def _named(value: bytes | None) -> set[Any]:
    """Every org that a value names, as data or as a structured CloudEvent around it. Whatever is no text counts as
    another one."""
    try:
        read = json.loads(value or b"null")
    except (ValueError, RecursionError):
        return set()
    layers = [read, read.get("data")] if isinstance(read, dict) else []
    said = [layer["org"] for layer in layers if isinstance(layer, dict) and "org" in layer]
    return {one if isinstance(one, str) else "" for one in said}


def not_sent_again_because(topic: str, value: bytes | None, message: str) -> str | None:
    """Why a letter must stay where it is, or None."""
    if topic == HEARTBEATS:
        return "Heartbeats are never sent again: a device that is silent now would look alive."
    if lacks_its_value(value, message):
        return "It was too large to be kept whole: whoever sent it must send it again."
    return None
