"""Writes down what a record caused, each message at its place."""

from typing import Final
from uuid import UUID, uuid5

from fettle_health_monitor.domain.control import Policy
from fettle_health_monitor.domain.judge.heartbeats import Heartbeat
from fettle_health_monitor.domain.judge.states import Reason, State
from fettle_health_monitor.domain.judgements import (
    Change,
    Evidence,
    HeardAgain,
    Hello,
    InForce,
    Judgement,
    Profile,
    Unobserved,
    Unwatched,
)

RULES_VERSION: Final = 8
"""Grows with every change to the judge that lets the same log, read without a gap, give other changes."""

_CHANGES: Final = UUID("6b1f6d0e-5c0b-5f6e-9d6a-3f1f3c0a7e11")


def change_id(
    generation: int,
    partition: int,
    offset: int,
    key: str,
    from_state: str | None,
    to_state: str | None,
    condition: str | None,
    before: int,
) -> str:
    """Derived, never drawn: judging the same record again names the change the same. A subject can fire on at one
    record for one condition after another, and move so again there: `before` it has so many times."""
    moved = f"{from_state}/{to_state}/{condition}"
    again = f"/{before}" if before else ""
    return str(uuid5(_CHANGES, f"{generation}/{partition}/{offset}/{key}/{moved}/{RULES_VERSION}{again}"))


class Scribe:
    """Collects the messages of one shard; `judgements` is in the order of their places and is the caller's to take,
    behind a record and never amid what it causes."""

    __slots__ = ("_ids", "_index", "_offset", "generation", "judgements", "shard")

    def __init__(self, shard: int, generation: int) -> None:
        self.shard = shard
        self.generation = generation
        self.judgements: list[Judgement] = []
        self._ids: set[str] = set()
        self._offset = -1
        self._index = 0

    def turn_to(self, offset: int) -> None:
        """What follows is caused by the record at `offset`. Turning to the same record again changes nothing."""
        if offset != self._offset:
            self._offset, self._index = offset, 0

    def take(self) -> list[Judgement]:
        judgements, self.judgements = self.judgements, []
        self._ids.clear()
        return judgements

    def change(
        self,
        key: str,
        from_state: State | None,
        to_state: State | None,
        *,
        condition: str | None,
        at: int,
        since: int,
        reason: Reason,
        policy_version: int,
        flap_count: int,
        last_heard: int | None,
        deadline: int | None,
        status: str | None,
        timeout_ms: int,
        debounce_ms: int,
    ) -> None:
        org, _, subject = key.partition("/")
        from_word = None if from_state is None else from_state.word
        to_word = None if to_state is None else to_state.word
        self.judgements.append(
            Change(
                shard=self.shard,
                generation=self.generation,
                place=self._next_place(),
                id=self._next_id(key, from_word, to_word, condition),
                org=org,
                subject=subject,
                from_state=from_word,
                to_state=to_word,
                condition=condition,
                at=at,
                since=since,
                reason=reason.value,
                policy_version=policy_version,
                flap_count=flap_count,
                evidence=Evidence(
                    last_heard=last_heard,
                    deadline=deadline,
                    partition=self.shard,
                    offset=self._offset,
                    status=status,
                    timeout_s=timeout_ms / 1000,
                    debounce_s=debounce_ms / 1000,
                ),
            )
        )

    def heard_again(self, key: str, condition: str | None, status: str, at: int) -> None:
        org, _, subject = key.partition("/")
        place = self._next_place()
        self.judgements.append(
            HeardAgain(
                shard=self.shard,
                generation=self.generation,
                place=place,
                org=org,
                subject=subject,
                condition=condition,
                status=status,
                at=at,
            )
        )

    def profile(self, key: str, said: Heartbeat, at: int, *, newcomer: bool) -> None:
        org, _, subject = key.partition("/")
        self.judgements.append(
            Profile(
                shard=self.shard,
                generation=self.generation,
                place=self._next_place(),
                org=org,
                subject=subject,
                name=said.name or None,
                integration=said.integration or None,
                space=said.space or None,
                model=said.model or None,
                interval_s=said.interval_s,
                at=at,
                newcomer=newcomer,
            )
        )

    def unwatched(self, key: str, reason: str, at: int) -> None:
        org, _, subject = key.partition("/")
        place = self._next_place()
        self.judgements.append(
            Unwatched(
                shard=self.shard,
                generation=self.generation,
                place=place,
                org=org,
                subject=subject,
                reason=reason,
                at=at,
            )
        )

    def in_force(self, policy: Policy, at: int) -> None:
        self.judgements.append(
            InForce(
                shard=self.shard,
                generation=self.generation,
                place=self._next_place(),
                org=policy.org,
                version=policy.version,
                enabled=policy.enabled,
                at=at,
            )
        )

    def hello(self, nonce: str) -> None:
        self.judgements.append(
            Hello(shard=self.shard, generation=self.generation, place=self._next_place(), nonce=nonce)
        )

    def unobserved(self, from_at: int, to_at: int) -> None:
        place = self._next_place()
        self.judgements.append(
            Unobserved(shard=self.shard, generation=self.generation, place=place, from_at=from_at, to_at=to_at)
        )

    def _next_id(self, key: str, from_word: str | None, to_word: str | None, condition: str | None) -> str:
        before = 0
        while True:
            found = change_id(self.generation, self.shard, self._offset, key, from_word, to_word, condition, before)
            if found not in self._ids:
                self._ids.add(found)
                return found
            before += 1

    def _next_place(self) -> tuple[int, int]:
        place = (self._offset, self._index)
        self._index += 1
        return place
