"""How many messages a channel sends: a cap on any hour, and one digest of what comes on top."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from fettle_contracts.times import rfc3339
from fettle_workflow_engine.domain.notifications import Message

HOUR = timedelta(hours=1)
TOLD_AT_ONCE = 50
"""Messages of which one digest tells; more wait for the next."""
LINE_LIMIT = 200

FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 1_800.0
"""Shorter than an hour: a digest keeps its place from one try to the next."""


@dataclass(frozen=True, slots=True)
class Held:
    """A message that was held back, as a line of a digest."""

    id: UUID
    at: datetime
    workflow: str
    run: str
    line: str


def has_place(*, sent: int, cap: int, held: bool) -> bool:
    """Whether a message may go now. `sent` went within the hour before. While others are `held` back, one place is
    theirs: a steady stream does not keep their digest out."""
    return sent < cap - held


def digest_has_place(*, sent: int, cap: int) -> bool:
    """Whether a digest may go now: it is a message like others."""
    return sent < cap


def digest_id(first: UUID) -> UUID:
    """Of the digest whose oldest message is `first`."""
    return uuid5(first, "digest")


def digest_of(
    id: UUID, org: str, channel: str, held: Sequence[Held], *, cap: int, waiting: int, to: tuple[str, ...]
) -> Message:
    """The message that tells of those that were held back, each by name; `waiting` more come with the next."""
    lines = [f"- {rfc3339(one.at)[:16].replace('T', ' ')} UTC, {one.workflow}: {one.line}" for one in held]
    count = "1 message was" if len(held) == 1 else f"{len(held)} messages were"
    text = [f"The channel {channel} sends at most {cap} messages an hour; {count} held back:", *lines]
    if waiting:
        text.append(f"{waiting} more wait for the next digest.")
    told = tuple(
        {"id": str(one.id), "at": rfc3339(one.at), "workflow": one.workflow, "run": one.run, "line": one.line}
        for one in held
    )
    return Message(id, org, channel, "\n".join(text), f"{channel}: {count} held back", to, held=told)


def pause_s(attempts: int, asked_for_s: float | None) -> float:
    """Until a digest that could not be sent is tried again; it is tried for as long as the channel is there."""
    if asked_for_s is not None:
        return min(max(asked_for_s, 1.0), LONGEST_PAUSE_S)
    return min(FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 10), LONGEST_PAUSE_S)
