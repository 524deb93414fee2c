"""What becomes of the monitor's tickets and commands, and what people do with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.people import ActorType
from fettle_contracts.results import CommandResult, Outcome
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_contracts.times import to_ms
from fettle_health_monitor.adapters.correlator import former_members, incidents, policies, standings, verdicts, watches
from fettle_health_monitor.adapters.correlator.incidents import About
from fettle_health_monitor.correlator.deciding import Deciding
from fettle_health_monitor.correlator.joining import standing_of_many, watch_few_left, watch_left_alone
from fettle_health_monitor.correlator.silencing import Silencing
from fettle_health_monitor.correlator.taking_back import not_taken_over
from fettle_health_monitor.domain.correlator.answers import Answer
from fettle_health_monitor.domain.correlator.early_resolve import KeepWatch, after_resolve
from fettle_health_monitor.domain.correlator.evidence import instant
from fettle_health_monitor.domain.correlator.incident import Incident, KnownTicket
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.outcomes import Refused
from fettle_health_monitor.domain.correlator.refusals import after_refusal
from fettle_health_monitor.domain.correlator.rollups import MANY, Parent, is_integration
from fettle_health_monitor.domain.correlator.verdicts import Cause
from fettle_health_monitor.domain.correlator.watches import WAITED_S, Watch
from fettle_health_monitor.metrics import EARLY_RESOLVES, OUTCOMES, REFUSALS

log = structlog.get_logger(__name__)

_STANDING_OF = {MANY: standing_of_many, LOST: standings.of_all_heartbeats}


@dataclass(frozen=True, slots=True)
class OwnTicketEvent:
    """An event of a ticket of the monitor's: of whose condition, and which command caused it."""

    id: str
    source: str
    event: TicketEvent
    subject: str
    condition: str
    answering: UUID | None

    @property
    def about(self) -> About:
        return (self.event.org, self.subject, self.condition)

    @property
    def ticket(self) -> KnownTicket:
        ticket = self.event.ticket
        return KnownTicket(ticket.id, ticket.number, ticket.state, ticket.version)

    @property
    def brings_back(self) -> bool:
        """Whether somebody has reopened the ticket, who may do so with an earlier one. The monitor never does."""
        entry = self.event.entry
        return entry.type is EntryType.REOPENED and entry.actor.type is not ActorType.HEALTH_MONITOR


class Tickets:
    """Keeps what is known of the monitor's tickets. `partition_of` says by which partition an org's judgements come."""

    def __init__(self, deciding: Deciding, partition_of: Callable[[str], int]) -> None:
        self._deciding, self._partition_of = deciding, partition_of

    async def take_events(self, work: UnitOfWork, batch: Sequence[OwnTicketEvent]) -> None:
        """Events in any order; of each ticket the newest version counts."""
        connection = work.connection
        await policies.lock_orgs(connection, {own.event.org for own in batch})
        known = await incidents.of_subjects(connection, {(own.event.org, own.subject) for own in batch})
        touched: dict[About, Incident] = {}
        for own in batch:
            before = touched.get(own.about) or known.get(own.about) or Incident()
            touched[own.about] = before.seen(own.ticket, own.answering, brought_back=own.brings_back)
        await _keep(connection, touched, known)
        for own in batch:
            if own.event.entry.type is EntryType.RESOLVED:
                await self._after_resolve(work, own, touched[own.about])

    async def _after_resolve(self, work: UnitOfWork, own: OwnTicketEvent, incident: Incident) -> None:
        org = own.event.org
        partition = self._partition_of(org)
        standing_of = _STANDING_OF.get(own.condition, standings.of)
        by_itself = own.event.entry.actor.type is ActorType.HEALTH_MONITOR
        standing = None if by_itself else await standing_of(work.connection, partition, org, own.subject)
        followed = after_resolve(own.event, own.condition, incident, standing)
        if not isinstance(followed, KeepWatch):
            work.after_commit(EARLY_RESOLVES.labels(followed.because).inc)
            if followed.because == "healthy":
                await self._look_after_its_list(work.connection, own)
            return
        await watches.begin(work.connection, [followed.watch], {org: partition})
        key, due_at = (org, own.subject), followed.watch.due_at
        silencing = Silencing()
        await silencing.read_of(work.connection, {key}, [due_at])
        self._deciding.enqueue(work, [followed.saying(silencing.covering(key, due_at))])
        work.after_commit(EARLY_RESOLVES.labels("watched").inc)
        log.info("ticket.resolved_early", org=org, subject=own.subject, number=own.event.ticket.number)

    async def take_results(self, work: UnitOfWork, batch: Sequence[CommandResult]) -> None:
        """Answers to the monitor's commands; those to others' are none of its business. Repeats change nothing."""
        connection = work.connection
        results = {UUID(result.command_id): result for result in batch if _is_uuid(result.command_id)}
        ours = await verdicts.whose(connection, results)
        if not ours:
            return
        await policies.lock_orgs(connection, {org for org, _, _ in ours.values()})
        answers = [_answer(command, results[command]) for command in ours]
        refused = await self._learn(connection, answers, ours)
        await self._settle(work, answers, ours)
        await verdicts.record_answers(connection, answers)
        for answer in answers:
            if answer.code is not None:
                work.after_commit(REFUSALS.labels(answer.code).inc)
                log.warning("command.refused", command=str(answer.command), code=answer.code, message=answer.message)
        if refused:
            await self._ask_again(connection, refused, ours)

    async def take_overlooked(self, work: UnitOfWork) -> None:
        """Settles what awaits an answer that is there: code from before migration 0011, while it is at work beside this
        one, takes answers in and settles nothing. Goes when that code does."""
        connection = work.connection
        if not (seen := await verdicts.overlooked(connection)):
            return
        await policies.lock_orgs(connection, {one.about[0] for one, _ in seen})
        found = await verdicts.overlooked(connection)
        whose = {answer.command: one.about for one, answer in found}
        await self._settle(work, [answer for _, answer in found], whose)
        opens = {answer.command: one.about for one, answer in found if one.opens}
        known = await incidents.of_subjects(connection, {(org, subject) for org, subject, _ in opens.values()})
        refused = [
            answer
            for _, answer in found
            if answer.outcome is Outcome.REJECTED
            and (about := opens.get(answer.command)) is not None
            and not known.get(about, Incident()).will_be_open
        ]
        await self._ask_again(connection, refused, opens)

    async def _settle(self, work: UnitOfWork, answers: Sequence[Answer], whose: Mapping[UUID, About]) -> None:
        """Ends the verdicts that have awaited these answers. A ticket about many devices that was not merged after all
        is looked after again."""
        for ended in await verdicts.settle(work.connection, answers):
            work.after_commit(OUTCOMES.labels(ended.cause, ended.outcome, ended.because).inc)
            org, subject, condition = whose[ended.command]
            if ended.cause == Cause.MERGED and ended.outcome == Refused.name and condition == MANY:
                await not_taken_over(work.connection, self._partition_of(org), org, subject, ended.command)

    async def _learn(
        self, connection: AsyncConnection, answers: Sequence[Answer], ours: Mapping[UUID, About]
    ) -> list[Answer]:
        """Takes in what they say of tickets. Answers with the refusals of opens that nothing has overtaken."""
        known = await incidents.of_subjects(connection, {(org, subject) for org, subject, _ in ours.values()})
        touched: dict[About, Incident] = {}
        refused = []
        for answer in answers:
            about = ours[answer.command]
            if not about[1]:
                continue
            before = touched.get(about) or known.get(about) or Incident()
            touched[about] = before.seen(answer.ticket, answer.command)
            if answer.outcome is Outcome.REJECTED and before.awaited == answer.command:
                refused.append(answer)
        await _keep(connection, touched, known)
        return refused

    async def _ask_again(
        self, connection: AsyncConnection, refused: Sequence[Answer], ours: Mapping[UUID, About]
    ) -> None:
        evidence = await verdicts.evidence_of(connection, [answer.command for answer in refused])
        for answer in refused:
            org, subject, condition = ours[answer.command]
            partition = self._partition_of(org)
            standing = await _STANDING_OF.get(condition, standings.of)(connection, partition, org, subject)
            followed = after_refusal(
                answer.command,
                answer.code,
                org=org,
                condition=condition,
                standing=standing,
                waited_s=evidence.get(answer.command, {}).get(WAITED_S, 0),
            )
            if isinstance(followed, Watch):
                await watches.begin(connection, [followed], {org: partition})
            elif followed == "healthy" and condition == MANY:
                await watch_few_left(connection, partition, org, subject, cause=answer.command, at=0)
            elif followed == "healthy" and is_integration(subject):
                await watch_left_alone(connection, partition, org, subject, cause=answer.command, at=0)
            asked_again_at = instant(followed.due_at) if isinstance(followed, Watch) else None
            log.warning("ticket.refused", org=org, subject=subject, code=answer.code, asked_again_at=asked_again_at)

    async def _look_after_its_list(self, connection: AsyncConnection, own: OwnTicketEvent) -> None:
        org, subject, cause, at = own.event.org, own.subject, own.event.entry.id, to_ms(own.event.entry.at)
        partition = self._partition_of(org)
        if own.condition == MANY:
            await watch_few_left(connection, partition, org, subject, cause=cause, at=at)
        elif is_integration(subject):
            await watch_left_alone(connection, partition, org, subject, cause=cause, at=at)


async def _keep(connection: AsyncConnection, now: Mapping[About, Incident], known: Mapping[About, Incident]) -> None:
    """What is known by now. Who is down on a list whose ticket comes again as another one has left the first."""
    news = _news(now, known)
    another = [
        (about[0], Parent(about[1], about[2], ticket=before.id), incident.opened_at or 0)
        for about, incident in news.items()
        if is_integration(about[1])
        and (before := known.get(about, Incident()).ticket) is not None
        and incident.ticket is not None
        and incident.ticket.number > before.number
    ]
    if another:
        await former_members.with_another(connection, another)
    await incidents.save(connection, news)


def _news(now: Mapping[About, Incident], known: Mapping[About, Incident]) -> dict[About, Incident]:
    """Those of which more is known now: event and result of a command say the same of its ticket."""
    return {about: incident for about, incident in now.items() if incident != known.get(about, Incident())}


def _ticket(result: CommandResult) -> KnownTicket | None:
    ticket = result.ticket
    return None if ticket is None else KnownTicket(ticket.id, ticket.number, ticket.state, ticket.version)


def _answer(command: UUID, result: CommandResult) -> Answer:
    code = message = None
    if result.reason is not None:
        code, message = result.reason.code, result.reason.message
    return Answer(command, result.outcome, code, message, _ticket(result))


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
