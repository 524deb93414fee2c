"""The one handler of ticket commands: Kafka and HTTP both end here, batch by batch, in the caller's transaction.

Lock the orgs, recall what was answered before, load the tickets, decide in memory in the order of asking, write every
table once, and hand the messages to the outbox. Nothing here commits or publishes.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.json import encode
from msgspec.structs import replace

from fettle_chassis.database import Database
from fettle_chassis.failures import TransientError
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.codes import RejectionCode
from fettle_contracts.results import Outcome
from fettle_ticket_service import metrics
from fettle_ticket_service.adapters import books, command_memory, orgs
from fettle_ticket_service.adapters.announcements import Announcer
from fettle_ticket_service.adapters.checklists import enter_members
from fettle_ticket_service.adapters.org_ends import OrgEnds
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.adapters.writes import Writes
from fettle_ticket_service.asked import Answer, Asked, MetTicket
from fettle_ticket_service.domain.book import RECORD_ALTERED, Book, Done
from fettle_ticket_service.domain.chain import ChainKeys
from fettle_ticket_service.domain.checklist import MemberChange, MemberKey, key_of
from fettle_ticket_service.domain.commands import Open, Reopen, Resolve, UpdateChecklist
from fettle_ticket_service.domain.decisions import Applied, Rejected
from fettle_ticket_service.domain.values import TicketRef
from fettle_ticket_service.turns import Turns

log = structlog.get_logger(__name__)

ORG_UNKNOWN = Rejected(RejectionCode.ORG_UNKNOWN, "There is no such organization.")
ID_REUSED = Rejected(
    RejectionCode.COMMAND_ID_REUSED, "Another command of this source had this id; this one has no effect."
)


class _Handled(Struct, frozen=True):
    """A command that was decided now. One that is not remembered would be decided again if it came again."""

    asked: Asked
    done: Done
    answer: Answer
    remembered: bool


class CommandHandler:
    """Answers commands. `keys` chain the entries, `clock` gives aware instants cut to milliseconds, `new_id` the ids of
    new tickets. `all_heard` says whether all that has been said of orgs so far has been taken in."""

    def __init__(
        self,
        wire: Wire,
        keys: ChainKeys,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        all_heard: Callable[[], Awaitable[bool]],
    ) -> None:
        self._wire = wire
        self._keys = keys
        self._announcer = Announcer(wire)
        self._clock = clock
        self._new_id = new_id
        self._all_heard = all_heard
        self._known: set[str] = set()
        self._ends = OrgEnds()
        self.turns = Turns()
        """For whoever begins a transaction."""

    async def __call__(self, work: UnitOfWork, batch: Sequence[Asked]) -> list[Answer]:
        """One answer per command, in order; a command that was answered before gets that answer and has no effect. One
        from outside with other content under an identity that was used is refused, and leaves the first answer be.

        Raises TransientError while an org that is asked for may be one that has only not been heard of yet, and
        RowThere when a row may have to be put right first.
        """
        async with self._ends.minded(work.connection, {asked.org for asked in batch}) as doubted:
            return await self._carry_out(work, batch, doubted)

    def tell_again(self, work: UnitOfWork, answered: Iterable[tuple[Asked, Answer]]) -> None:
        """Publishes the results of repeats once more, each under the id that it had: whoever asks again by Kafka may
        have missed theirs, and hears of it nowhere else."""
        now = self._clock()
        for asked, answer in answered:
            if answer.repeated:
                work.publish(self._announcer.result(asked, answer, now))

    async def _carry_out(self, work: UnitOfWork, batch: Sequence[Asked], doubted: Collection[str]) -> list[Answer]:
        await self._meet(work, {asked.org for asked in batch if asked.refused is None})
        opened = await books.open_books(work.connection, (asked.org for asked in batch), self._keys)
        admitted = [asked for asked in batch if asked.refused is None and asked.org in opened]
        known = await command_memory.recall(work.connection, {asked.identity for asked in admitted})
        await _load(work, opened, [asked for asked in admitted if asked.identity not in known], doubted)

        now = self._clock()
        answers: list[Answer] = []
        handled: list[_Handled] = []
        for asked in batch:
            remembered = asked.refused is None and asked.org in opened
            first = known.get(asked.identity) if remembered else None
            reused = first is not None and asked.from_outside and first.fingerprint != asked.fingerprint
            if first is not None and not reused:
                answers.append(replace(first, repeated=True))
                continue
            done = Done(ID_REUSED, None) if reused else self._decide(asked, opened.get(asked.org), now)
            answer = self._answer(asked, done)
            answers.append(answer)
            remembered = remembered and not reused and done.decision is not RECORD_ALTERED
            handled.append(_Handled(asked, done, answer, remembered))
            if remembered:
                known[asked.identity] = answer

        await self._keep(work, opened, handled, now)
        work.after_commit(partial(_count, answers, handled))
        _report(handled)
        return answers

    async def knows(self, database: Database, org: str) -> bool:
        """Whether the org was ever heard of. Where it was not, a command on it waits for the broker."""
        if org not in self._known:
            async with database.reading() as connection:
                self._known |= await orgs.known(connection, {org})
        return org in self._known

    async def meet(self, database: Database, org: str) -> None:
        """Waits as a command on the org would, in no transaction: no turn, connection or lock is held meanwhile.
        Raises what a command would."""
        if not await self.knows(database, org):
            await self._hear()

    async def _meet(self, work: UnitOfWork, named: set[str]) -> None:
        """Make sure that an org which is not known is none. Whoever names it has read of it somewhere, and we may be
        behind: raises TransientError while there is more to hear of orgs."""
        if strangers := named - self._known:
            self._known |= await orgs.known(work.connection, strangers)
        if not named <= self._known:
            await self._hear()

    async def _hear(self) -> None:
        if not await self._all_heard():
            raise TransientError("not all that was said of organizations has been taken in yet")

    def _decide(self, asked: Asked, book: Book | None, now: datetime) -> Done:
        if asked.refused is not None:
            return Done(asked.refused, None)
        if book is None:
            return Done(ORG_UNKNOWN, None)
        return book.carry_out(asked.command, asked.ticket, id=self._new_id(), now=now)

    def _answer(self, asked: Asked, done: Done) -> Answer:
        decision, ticket = done.decision, done.ticket
        if isinstance(decision, Rejected):
            outcome, reason, message = Outcome.REJECTED, str(decision.code), decision.message
        else:
            outcome = Outcome.APPLIED if isinstance(decision, Applied) else Outcome.UNCHANGED
            reason, message = str(decision.because), None
        return Answer(
            verb=asked.command.verb,
            outcome=outcome,
            reason=reason,
            message=message,
            ticket=None if ticket is None else MetTicket(ticket.id, ticket.number, ticket.state, ticket.version),
            fingerprint=asked.fingerprint,
            body=encode(self._wire.ticket(asked.org, ticket)) if asked.keep_answer and ticket is not None else None,
        )

    async def _keep(
        self, work: UnitOfWork, opened: Mapping[str, Book], handled: Sequence[_Handled], now: datetime
    ) -> None:
        entries = [(each.asked.org, entry) for each in handled for entry in each.done.entries]
        writes = Writes()
        command_memory.remember(writes, [(each.asked, each.answer) for each in handled if each.remembered], now)
        await books.save_books(work.connection, opened.values(), entries, writes)
        for each in handled:
            work.publish(*self._announcer.messages(each.asked, each.answer, each.done.entries, now))


async def _load(work: UnitOfWork, opened: Mapping[str, Book], fresh: Sequence[Asked], doubted: Collection[str]) -> None:
    """Bring every ticket that the commands can touch into the books; a reopened one with those that share its key."""
    wanted = {(asked.org, ref) for asked in fresh for ref in _named(asked)}
    await books.enter_tickets(work.connection, opened, wanted, doubted)
    reopened = (
        (asked.org, opened[asked.org].find(asked.ticket))
        for asked in fresh
        if isinstance(asked.command, Reopen) and asked.ticket is not None
    )
    rivals = {(org, TicketRef(key=ticket.dedup_key)) for org, ticket in reopened if ticket and ticket.dedup_key}
    await books.enter_tickets(work.connection, opened, rivals - wanted, doubted)
    await enter_members(work.connection, opened, _members(opened, fresh))


def _named(asked: Asked) -> Iterator[TicketRef]:
    """The tickets that the command names: the one that it is for, and its parent."""
    command = asked.command
    if isinstance(command, Open) and command.dedup_key is not None:
        yield TicketRef(key=command.dedup_key)
    if asked.ticket is not None:
        yield asked.ticket
    if isinstance(command, Open | Resolve) and command.parent is not None:
        yield command.parent


def _members(opened: Mapping[str, Book], fresh: Sequence[Asked]) -> set[tuple[str, UUID, MemberKey]]:
    """The members that commands name, on every ticket that they can mean and that has members."""
    return {
        (asked.org, ticket.id, key_of(subject))
        for asked in fresh
        if isinstance(asked.command, UpdateChecklist) and asked.ticket is not None
        for ticket in opened[asked.org].may_mean(asked.ticket)
        if ticket.checklist.total
        for subject in (*asked.command.add, *asked.command.recovered)
    }


def _changes(done: Done) -> tuple[MemberChange, ...]:
    return done.decision.members if isinstance(done.decision, Applied) else ()


def _count(answers: Sequence[Answer], handled: Sequence[_Handled]) -> None:
    counts = Counter((each.answer.verb, each.answer.outcome, each.answer.reason) for each in handled)
    for labels, count in counts.items():
        metrics.COMMANDS.labels(*labels).inc(count)
    for change, count in Counter(change for each in handled for change, _ in _changes(each.done)).items():
        metrics.CHECKLIST_CHANGES.labels(change).inc(count)
    metrics.REPEATS.inc(len(answers) - len(handled))


def _report(handled: Sequence[_Handled]) -> None:
    for each in handled:
        if each.answer.outcome is Outcome.REJECTED:
            asked, code = each.asked, each.answer.reason
            if each.done.decision is RECORD_ALTERED:
                log.critical("record.altered", org=asked.org, ticket=each.done.ticket and each.done.ticket.number)
            log.info("command.rejected", org=asked.org, source=asked.source, id=asked.id, code=code)
