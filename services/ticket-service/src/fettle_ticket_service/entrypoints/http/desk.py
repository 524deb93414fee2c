"""Where requests are dealt with: the handler that Kafka uses too, and the database to read from."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Path, Request
from pydantic import AfterValidator

from fettle_chassis.database import Database
from fettle_chassis.http import CausationDepth, Problem, Viewer
from fettle_chassis.tokens import Caller
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.people import ActorType
from fettle_contracts.problems import ProblemCode
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.asked import Answer, Asked
from fettle_ticket_service.domain.chain import ChainKeys
from fettle_ticket_service.domain.commands import Command
from fettle_ticket_service.domain.texts import cut_line, is_line
from fettle_ticket_service.domain.values import Actor, TicketRef
from fettle_ticket_service.entrypoints.http.fingerprints import fingerprint, former_fingerprint
from fettle_ticket_service.entrypoints.places import Places
from fettle_ticket_service.entrypoints.together import Together
from fettle_ticket_service.entrypoints.traces import traceparent_of

SOURCE = "fettle/api"
BULK_SOURCE = "fettle/api/bulk"
"""Of the commands of a bulk behind its first, so that what their ids are made of is no key of another request."""
IDEMPOTENCY_KEY_MAX_CHARACTERS = 256
LEAVING_S = 0.5
"""How long a place is waited for: whoever has an answer's last byte may ask again before its place is free."""
_VERSION = re.compile(r'"(\d{1,9})"')


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What a write carries besides its body: the command's id if the caller chose one, its trace, and how long the
    chain of causes is that led to it."""

    key: str | None
    traceparent: str | None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Desk:
    """What routes need. `keys` verify chains, `new_id` draws the ids of commands that came without one; verifications
    and exports last as long as their readers take, so few are under way at once."""

    database: Database
    together: Together
    wire: Wire
    keys: ChainKeys
    new_id: Callable[[], UUID]
    verifications: Places = field(default_factory=lambda: Places(2, 1, patience_s=LEAVING_S))
    exports: Places = field(default_factory=lambda: Places(4, 1, patience_s=LEAVING_S))

    async def ask(
        self, caller: Caller, identity: RequestIdentity, command: Command, ticket: TicketRef | None = None
    ) -> Answer:
        """Carries out one command, together with those of other requests. A repeat gets the first answer.

        Raises Problem 422, and does nothing, when the same key came before with something else to do; so does
        `ask_each`.
        """
        prints = _fingerprints(ticket, command)
        asked = self._asked(caller, identity, SOURCE, identity.key, command, ticket, prints[0])
        return _as_asked(prints, await self.together.carry_out(asked))

    async def ask_each(
        self, caller: Caller, identity: RequestIdentity, command: Command, numbers: Sequence[int]
    ) -> list[Answer]:
        """Carries out one command on each of several tickets, in one transaction; an answer each, as for one alone.

        The first has the request's key, and each the fingerprint of the whole request: so a key stands for one.
        """
        prints = _fingerprints(tuple(numbers), command)
        batch = [
            self._asked(
                caller,
                identity,
                BULK_SOURCE if place else SOURCE,
                f"{identity.key}/{place}" if identity.key and place else identity.key,
                command,
                TicketRef(number=number),
                prints[0],
            )
            for place, number in enumerate(numbers)
        ]

        async def carry_out(work: UnitOfWork) -> list[Answer]:
            answers = await self.together.handler(work, batch)
            return [_as_asked(prints, answer) for answer in answers]

        return await self.together.alone(caller.org, carry_out)

    def _asked(
        self,
        caller: Caller,
        identity: RequestIdentity,
        source: str,
        key: str | None,
        command: Command,
        ticket: TicketRef | None,
        fingerprint: bytes,
    ) -> Asked:
        return Asked(
            org=caller.org,
            source=source,
            id=key or str(self.new_id()),
            command=command,
            ticket=ticket,
            fingerprint=fingerprint,
            depth=identity.depth,
            traceparent=identity.traceparent,
            keep_answer=True,
        )


def _fingerprints(asked_of: object, command: Command) -> tuple[bytes, bytes]:
    """The one to keep, and the one that a former version may have kept."""
    return fingerprint(asked_of, command), former_fingerprint(asked_of, command)


def _as_asked(prints: tuple[bytes, bytes], answer: Answer) -> Answer:
    """Raises Problem 422 when the answer is to something else that was asked under the same key: nothing was done."""
    if answer.fingerprint not in prints:
        message = "This Idempotency-Key came before with another request."
        raise Problem(422, ProblemCode.IDEMPOTENCY_KEY_REUSED, message)
    return answer


def actor_of(caller: Caller) -> Actor:
    """The person, or the program with a person's token, who calls."""
    name = None if caller.actor_name is None else cut_line(caller.actor_name) or None
    return Actor(ActorType.USER, cut_line(caller.actor_id) or None, name)


def version_in(if_match: str, named: str) -> int | None:
    """The version in `If-Match`, None for any. Raises Problem."""
    if if_match.strip() == "*":
        return None
    version = _VERSION.fullmatch(if_match.strip())
    if version is None:
        raise Problem(400, ProblemCode.MALFORMED, f'If-Match is "<{named}>" or *.', field="If-Match")
    return int(version[1])


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def _identity(
    depth: CausationDepth,
    idempotency_key: Annotated[str | None, Header()] = None,
    traceparent: Annotated[str | None, Header()] = None,
) -> RequestIdentity:
    if idempotency_key is not None and not is_line(idempotency_key, IDEMPOTENCY_KEY_MAX_CHARACTERS):
        rule = f"An Idempotency-Key has 1 to {IDEMPOTENCY_KEY_MAX_CHARACTERS} characters."
        raise Problem(400, ProblemCode.MALFORMED, rule, field="Idempotency-Key")
    return RequestIdentity(idempotency_key, traceparent_of(traceparent), depth)


async def _org(
    org: Annotated[str, Path(description="The organization; another one than the token's is not found.")],
) -> None:
    """Only describes the path: whether the org is the caller's, the token decides."""


Number = Annotated[int, AfterValidator(lambda number: max(number, 0))]
"""A ticket's number in a path. None is below 1: 0 stands for all of those, also such as no column can hold."""

TheDesk = Annotated[Desk, Depends(_desk)]


async def _verification(caller: Viewer, desk: TheDesk) -> AsyncIterator[None]:
    async with desk.verifications.one(caller.org):
        yield


async def _export(caller: Viewer, desk: TheDesk) -> AsyncIterator[None]:
    async with desk.exports.one(caller.org):
        yield


IfMatch = Annotated[str | None, Header()]
Identity = Annotated[RequestIdentity, Depends(_identity)]
InOrg = Depends(_org)
Verifying, Exporting = Depends(_verification), Depends(_export)
"""Hold one of the few places until the whole answer is sent."""
