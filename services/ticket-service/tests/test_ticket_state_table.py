"""Every state, every move: where the ticket goes, what its timeline says, and what refuses."""

import pytest
from ticket_desk import ANN, BOB, MONITOR, NOON, WORKFLOW, Desk, happened, refusal

from fettle_contracts.people import ActorType
from fettle_contracts.ticket import Resolution, TicketSource, TicketState
from fettle_contracts.ticket_events import EntryType
from fettle_ticket_service.domain.commands import Comment, Move, MoveToOpen, Reopen, Resolve, Start
from fettle_ticket_service.domain.decisions import Because, Unchanged
from fettle_ticket_service.domain.moves import STATE_TABLE
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import Actor, TicketRef

OPEN, IN_PROGRESS, RESOLVED = TicketState.OPEN, TicketState.IN_PROGRESS, TicketState.RESOLVED


@pytest.fixture
def desk() -> Desk:
    return Desk()


def ticket_in(desk: Desk, state: TicketState) -> Ticket:
    ticket = desk.opened()
    if state is IN_PROGRESS:
        return desk.must(desk.start(ticket))
    return desk.resolved(ticket) if state is RESOLVED else ticket


MOVING = [
    (OPEN, Start, IN_PROGRESS, "started"),
    (IN_PROGRESS, MoveToOpen, OPEN, "moved-to-open"),
    (OPEN, Resolve, RESOLVED, "resolved"),
    (IN_PROGRESS, Resolve, RESOLVED, "resolved"),
    (RESOLVED, Reopen, OPEN, "reopened"),
]
STAYING = [(IN_PROGRESS, Start), (OPEN, MoveToOpen), (RESOLVED, Resolve), (OPEN, Reopen)]
REFUSED = [(RESOLVED, Start), (RESOLVED, MoveToOpen), (IN_PROGRESS, Reopen)]


def test_the_tables_here_and_in_the_domain_cover_every_move_in_every_state() -> None:
    moving = {(verb.verb, state) for state, verb, _, _ in MOVING}
    tried = moving | {(verb.verb, state) for state, verb in (*STAYING, *REFUSED)}
    assert tried == set(STATE_TABLE)


@pytest.mark.rule("TS-2")
@pytest.mark.parametrize(("state", "verb", "to", "entry"), MOVING)
def test_a_move_changes_the_state_with_one_entry(
    desk: Desk, state: TicketState, verb: type[Move], to: TicketState, entry: str
) -> None:
    before = ticket_in(desk, state)
    done = desk.ask(verb(actor=BOB), before)
    assert happened(done) == [entry]
    after = desk.must(done)
    assert (after.state, after.version) == (to, before.version + 1)


@pytest.mark.rule("TS-3")
@pytest.mark.parametrize(("state", "verb"), STAYING)
def test_a_move_to_where_the_ticket_is_changes_nothing_quietly(
    desk: Desk, state: TicketState, verb: type[Move]
) -> None:
    before = ticket_in(desk, state)
    done = desk.ask(verb(actor=BOB), before)
    assert done.decision == Unchanged(Because.ALREADY_SO)
    assert done.ticket == before


@pytest.mark.rule("TS-3")
@pytest.mark.parametrize(("state", "verb"), STAYING)
def test_a_comment_with_a_move_that_changes_nothing_is_still_added(
    desk: Desk, state: TicketState, verb: type[Move]
) -> None:
    before = ticket_in(desk, state)
    done = desk.ask(verb(actor=BOB, comment="Me too."), before)
    assert happened(done) == ["comment-added"]
    after = desk.must(done)
    assert (after.state, after.version) == (before.state, before.version + 1)


@pytest.mark.rule("TS-4")
@pytest.mark.parametrize(("state", "verb"), REFUSED)
@pytest.mark.parametrize("comment", [None, "Please."])
def test_a_move_that_cannot_apply_is_refused_comment_and_all(
    desk: Desk, state: TicketState, verb: type[Move], comment: str | None
) -> None:
    assert refusal(desk.ask(verb(actor=BOB, comment=comment), ticket_in(desk, state))) == "wrong_state"


@pytest.mark.rule("TS-5")
@pytest.mark.parametrize(("state", "verb", "to", "entry"), MOVING)
def test_a_comment_with_a_move_is_a_second_entry_after_it(
    desk: Desk, state: TicketState, verb: type[Move], to: TicketState, entry: str
) -> None:
    before = ticket_in(desk, state)
    done = desk.ask(verb(actor=BOB, comment="On *my* way."), before)
    assert happened(done) == [entry, "comment-added"]
    move, comment = done.entries
    assert (move.ticket.version, comment.ticket.version) == (before.version + 1, before.version + 2)
    assert (move.ticket.state, comment.ticket.state) == (to, to)
    assert comment.event.body == "On *my* way."


@pytest.mark.rule("TS-5")
def test_a_blank_comment_with_a_move_is_none(desk: Desk) -> None:
    assert happened(desk.start(desk.opened(), comment=" \n ")) == ["started"]


@pytest.mark.rule("TS-6")
@pytest.mark.parametrize("state", list(TicketState))
@pytest.mark.parametrize("actor", [ANN, WORKFLOW, MONITOR])
def test_comments_are_taken_in_every_state_from_anyone(desk: Desk, state: TicketState, actor: Actor) -> None:
    before = ticket_in(desk, state)
    done = desk.ask(Comment(actor=actor, text="Looked at it."), before)
    assert happened(done) == ["comment-added"]
    assert desk.must(done).state is state


@pytest.mark.rule("TS-7")
def test_the_triggers_are_these_five_and_a_move_to_open_is_none() -> None:
    topics = {entry.value: entry.trigger_topic for entry in EntryType}
    assert {name for name, topic in topics.items() if topic} == {
        *("opened", "started", "comment-added", "resolved", "reopened")
    }
    assert topics["moved-to-open"] is None


@pytest.mark.rule("TS-4")
@pytest.mark.parametrize("verb", [Start, MoveToOpen, Resolve, Reopen])
@pytest.mark.parametrize("ref", [TicketRef(number=7), TicketRef(key="nothing"), None])
def test_a_ticket_that_is_not_there_is_not_found(desk: Desk, verb: type[Move], ref: TicketRef | None) -> None:
    done = desk.book.carry_out(verb(actor=ANN), ref, id=desk.opened().id, now=NOON)
    assert refusal(done) == "ticket_not_found"


@pytest.mark.rule("TS-8")
@pytest.mark.parametrize(
    ("actor", "given", "resolution"),
    [
        (ANN, None, Resolution.BY_PERSON),
        (WORKFLOW, None, Resolution.BY_WORKFLOW),
        (MONITOR, None, Resolution.RECOVERED),
        (MONITOR, Resolution.MERGED, Resolution.MERGED),
        (MONITOR, Resolution.SUPERSEDED, Resolution.SUPERSEDED),
    ],
)
def test_a_resolve_says_how_the_ticket_ended(
    desk: Desk, actor: Actor, given: Resolution | None, resolution: Resolution
) -> None:
    ticket = desk.resolved(desk.monitored(), actor, given)
    assert (ticket.resolution, ticket.resolved_by, ticket.resolved_at) == (resolution, actor, NOON)


@pytest.mark.rule("TS-9")
@pytest.mark.parametrize(
    ("actor", "source"),
    [(ANN, TicketSource.USER), (WORKFLOW, TicketSource.WORKFLOW), (MONITOR, TicketSource.HEALTH_MONITOR)],
)
def test_who_opens_a_ticket_is_its_source(desk: Desk, actor: Actor, source: TicketSource) -> None:
    assert desk.opened(actor=actor).source is source


@pytest.mark.rule("TS-9")
def test_nobody_opens_with_the_reserved_source() -> None:
    assert {Actor(actor).source for actor in ActorType} == set(TicketSource) - {TicketSource.PLATFORM_OUTAGE}


@pytest.mark.rule("TS-9")
@pytest.mark.parametrize("opener", [ANN, WORKFLOW])
def test_the_monitor_resolves_no_ticket_of_others(desk: Desk, opener: Actor) -> None:
    assert refusal(desk.resolve(desk.opened(actor=opener), MONITOR)) == "wrong_state"


@pytest.mark.rule("TS-9")
@pytest.mark.parametrize("opener", [ANN, WORKFLOW, MONITOR])
@pytest.mark.parametrize("resolver", [ANN, WORKFLOW])
def test_people_and_workflows_resolve_every_ticket(desk: Desk, opener: Actor, resolver: Actor) -> None:
    assert desk.resolved(desk.opened(actor=opener), resolver).state is RESOLVED


@pytest.mark.rule("TS-2")
def test_a_ticket_remembers_who_works_on_it_only_while_they_do(desk: Desk) -> None:
    started = desk.must(desk.start(desk.opened(), BOB))
    assert (started.started_by, started.started_at) == (BOB, NOON)
    back = desk.must(desk.move_to_open(started))
    assert (back.started_by, back.started_at) == (None, None)
    resolved = desk.resolved(desk.must(desk.start(back, BOB)))
    assert (resolved.started_by, resolved.resolved_by) == (BOB, ANN)
    again = desk.must(desk.reopen(resolved))
    assert [again.started_by, again.resolved_by, again.resolved_at, again.resolution] == [None] * 4


@pytest.mark.rule("TS-10")
def test_times_are_those_of_the_sender_if_it_names_one_but_never_step_back(desk: Desk) -> None:
    began = desk.later(minutes=1)
    desk.later(minutes=30)
    ticket = desk.monitored(at=began)
    assert ticket.opened_at == began
    commented = desk.must(desk.ask(Comment(actor=ANN, text="Seen."), ticket))
    assert commented.updated_at == desk.now
    resolved = desk.must(desk.resolve(commented, MONITOR, at=began))
    assert resolved.resolved_at == desk.now


@pytest.mark.rule("TS-10")
def test_evidence_stands_on_the_entry_that_it_is_for(desk: Desk) -> None:
    evidence = {"last_heard": "2026-11-23T11:58:00.000Z"}
    ticket = desk.monitored()
    resolve, comment = desk.resolve(ticket, MONITOR, comment="Back.", evidence=evidence).entries
    assert (resolve.event.evidence, comment.event.evidence) == (evidence, None)
    [alone] = desk.resolve(ticket, MONITOR, comment="Back again.", evidence=evidence).entries
    assert alone.event.evidence == evidence
