"""A ticket service that refuses some commands, answers late and in any order, and whose tickets people touch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from correlator_world import Row, own_event

from fettle_contracts.people import ActorType
from fettle_contracts.results import CommandResult, Outcome, Reason, ResultTicket
from fettle_contracts.ticket import TicketState
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.correlator.tickets import OwnTicketEvent


@dataclass
class DeskTicket:
    """`members` are those on its checklist, and whether they are ticked; `by_hand`: a person has brought it back."""

    number: int
    key: str
    state: TicketState = TicketState.OPEN
    version: int = 1
    members: dict[str, bool] = field(default_factory=dict)
    by_hand: bool = False

    @property
    def unresolved(self) -> bool:
        return self.state is not TicketState.RESOLVED

    def becomes(self, state: TicketState, *, by_hand: bool = False) -> None:
        self.state, self.version, self.by_hand = state, self.version + 1, by_hand


class TicketDesk:
    """`refuses` is which part of all opens is refused; `anew` which part of those that would bring a ticket back makes
    another one, as its reopen window is over. `now` is the broker's time in milliseconds."""

    def __init__(self, random: Random, *, refuses: float, anew: float) -> None:
        self._random, self._refuses, self._anew = random, refuses, anew
        self.tickets: list[DeskTicket] = []
        self.results: list[CommandResult] = []
        self.events: list[OwnTicketEvent] = []
        self.now = 0
        self.story: list[str] = []
        """What has been asked for and what came of it, for who reads why something is wrong."""

    @property
    def unresolved(self) -> list[DeskTicket]:
        return [each for each in self.tickets if each.unresolved]

    def serve(self, commands: Sequence[Row], *, calm: bool = False) -> None:
        """Carries out these commands in their order; while it is `calm` none is refused."""
        for row in commands:
            ticket, outcome, code = self._carry_out(row.verb, row.body, UUID(row.event.id), calm=calm)
            shown = None if ticket is None else self._shown(ticket)
            self.story.append(f"{self.now} {row.verb} {json.dumps(row.body)}: {code or outcome} {ticket}")
            self.results.append(
                CommandResult(
                    org=row.key,
                    command_id=row.event.id,
                    verb=row.verb,
                    outcome=outcome,
                    reason=None if code is None else Reason(code=code, message="no"),
                    ticket=shown,
                )
            )

    def some_results(self) -> list[CommandResult]:
        """The next answers, in their order."""
        count = self._random.randint(1, len(self.results)) if self.results else 0
        some, self.results = self.results[:count], self.results[count:]
        return some

    def some_events(self) -> list[OwnTicketEvent]:
        """The next events of one ticket, in their order."""
        if not self.events:
            return []
        number = self._random.choice(sorted({each.event.ticket.number for each in self.events}))
        some = [each for each in self.events if each.event.ticket.number == number][: self._random.randint(1, 3)]
        self.events = [each for each in self.events if each not in some]
        return some

    def person_resolves(self) -> None:
        if self.unresolved:
            ticket = self._random.choice(self.unresolved)
            ticket.becomes(TicketState.RESOLVED)
            self.story.append(f"{self.now} a person resolves #{ticket.number}")
            self._tell(ticket, EntryType.RESOLVED, ActorType.USER, None)

    def person_reopens(self) -> None:
        taken = {each.key for each in self.unresolved}
        if resolved := [each for each in self.tickets if each.key not in taken]:
            ticket = self._random.choice(resolved)
            ticket.becomes(TicketState.OPEN, by_hand=True)
            self.story.append(f"{self.now} a person reopens #{ticket.number}")
            self._tell(ticket, EntryType.REOPENED, ActorType.USER, None)

    def _carry_out(
        self, verb: str, body: dict[str, Any], command: UUID, *, calm: bool
    ) -> tuple[DeskTicket | None, Outcome, str | None]:
        if verb == "open":
            return self._open(body["dedup_key"], command, calm=calm)
        ticket = self._named(body["ticket"])
        if ticket is None or (body.get("parent") and self._named(body["parent"]) is None):
            return None, Outcome.REJECTED, "ticket_not_found"
        if verb == "resolve":
            if not ticket.unresolved:
                return ticket, Outcome.UNCHANGED, None
            ticket.becomes(TicketState.RESOLVED)
            self._tell(ticket, EntryType.RESOLVED, ActorType.HEALTH_MONITOR, command)
        elif verb == "update-checklist":
            ticket.members |= {_subject(each): False for each in body.get("add", ())}
            ticket.members |= {
                _subject(each): True for each in body.get("recovered", ()) if _subject(each) in ticket.members
            }
        return ticket, Outcome.APPLIED, None

    def _open(self, key: str, command: UUID, *, calm: bool) -> tuple[DeskTicket | None, Outcome, str | None]:
        if not calm and self._random.random() < self._refuses:
            return None, Outcome.REJECTED, "org_unknown"
        ticket = self._latest(key)
        if ticket is not None and ticket.unresolved:
            return ticket, Outcome.UNCHANGED, None
        if ticket is not None and self._random.random() >= self._anew:
            ticket.becomes(TicketState.OPEN)
            self._tell(ticket, EntryType.REOPENED, ActorType.HEALTH_MONITOR, command)
            return ticket, Outcome.APPLIED, None
        ticket = DeskTicket(len(self.tickets) + 1, key)
        self.tickets.append(ticket)
        self._tell(ticket, EntryType.OPENED, ActorType.HEALTH_MONITOR, command)
        return ticket, Outcome.APPLIED, None

    def _latest(self, key: str) -> DeskTicket | None:
        """What the key means: the unresolved one, else that with the highest number."""
        return max((each for each in self.tickets if each.key == key), key=_rank, default=None)

    def _named(self, reference: dict[str, Any]) -> DeskTicket | None:
        if key := reference.get("dedup_key"):
            return self._latest(key)
        number = reference.get("number") or UUID(reference["id"]).int
        return next((each for each in self.tickets if each.number == number), None)

    def _shown(self, ticket: DeskTicket) -> ResultTicket:
        return ResultTicket(
            id=UUID(int=ticket.number), number=ticket.number, state=ticket.state, version=ticket.version
        )

    def _tell(self, ticket: DeskTicket, type: EntryType, actor: ActorType, answering: UUID | None) -> None:
        subject, _, condition = ticket.key.rpartition(":")
        state, version = ticket.state.value, ticket.version
        told = own_event(type, ticket.number, state, actor, self.now, answering, version, subject, condition)
        self.events.append(told)


def _rank(ticket: DeskTicket) -> tuple[bool, int]:
    return ticket.unresolved, ticket.number


def _subject(said: dict[str, Any]) -> str:
    return f"{said['type']}/{said['id']}"
