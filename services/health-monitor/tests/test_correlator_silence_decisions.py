"""Silences among the facts of a decision, and what an end calls for. Pure."""

from dataclasses import replace
from uuid import UUID

import pytest
from correlator_facts import OFFLINE, T0, facts, ticket, verdict

from fettle_contracts.commands import CommentOnTicket, Verb
from fettle_health_monitor.domain.correlator.commands import of_outcome
from fettle_health_monitor.domain.correlator.decide import Switches, decide
from fettle_health_monitor.domain.correlator.incident import Asked, Incident
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    HeldBack,
    NothingToResolve,
    Opened,
    Refused,
    Silenced,
    Unpublished,
)
from fettle_health_monitor.domain.correlator.silence_ends import Ended, Stood, after_end
from fettle_health_monitor.domain.correlator.silences import Occurrence, Schedule, Silence
from fettle_health_monitor.domain.correlator.verdicts import OPENING, Cause, Named, Verdict

SILENCED = Silenced(UUID(int=5), "ann@acme.test", T0 + 60_000)
OFF = Switches(4, enabled=False, publish_tickets=True)
QUIET = Switches(4, enabled=True, publish_tickets=False)


@pytest.mark.rule("HM-120")
@pytest.mark.parametrize("cause", sorted(OPENING))
def test_whatever_would_open_is_silenced(cause: Cause) -> None:
    outcome = decide(verdict(cause), replace(facts(), silenced=SILENCED))
    assert outcome == SILENCED
    assert outcome.reason == f"silence {UUID(int=5)} of ann@acme.test lasts until 2026-09-21T14:14:20.000Z"
    assert of_outcome(verdict(cause), outcome, {}) == ()


@pytest.mark.rule("HM-121")
@pytest.mark.parametrize("cause", sorted(set(Cause) - OPENING - {Cause.UNSEEN, Cause.MERGED}))
def test_what_resolves_is_not_silenced(cause: Cause) -> None:
    assert decide(verdict(cause), replace(facts(), silenced=SILENCED)) == NothingToResolve()


@pytest.mark.rule("HM-122")
def test_switches_go_first_then_tickets_then_silences() -> None:
    known = Incident(ticket("in_progress"))
    assert decide(verdict(), replace(facts(switches=None), silenced=SILENCED)) == Refused("org_unknown")
    assert decide(verdict(), replace(facts(switches=OFF), silenced=SILENCED)) == Refused("not_enabled")
    assert decide(verdict(), replace(facts(switches=QUIET), silenced=SILENCED)) == Unpublished(4)
    assert decide(verdict(), replace(facts(known), silenced=SILENCED)) == AlreadyOpen(42)
    resolving = Incident(ticket("open"), Asked("resolve", UUID(int=9)))
    assert decide(verdict(), replace(facts(resolving), silenced=SILENCED)) == SILENCED


@pytest.mark.rule("HM-318")
@pytest.mark.parametrize("cause", sorted(OPENING))
def test_an_end_opens_nothing_for_what_publishing_has_left_out(cause: Cause) -> None:
    """Neither under another silence; one that has a ticket, or will, is no news."""
    known = replace(facts(), unpublished=True)
    assert (decide(verdict(cause), known) == Unpublished()) == (cause is Cause.SILENCE_ENDED)
    called = verdict(Cause.SILENCE_ENDED)
    assert decide(called, replace(known, silenced=SILENCED)) == Unpublished()
    assert decide(called, replace(facts(switches=QUIET), unpublished=True)) == Unpublished(4)
    assert decide(called, replace(facts(Incident(ticket("open"))), unpublished=True)) == AlreadyOpen(42)
    opening = Incident(None, Asked("open", UUID(int=9)))
    assert isinstance(decide(called, replace(facts(opening), unpublished=True)), Opened)


@pytest.mark.rule("HM-126")
def test_the_note_follows_the_open_and_what_it_supersedes_comes_last() -> None:
    other = {"integration_unreachable": Incident(ticket("open"))}
    known = replace(facts(others=other), held_back=HeldBack("ann@acme.test", T0, 1))
    called = verdict(Cause.SILENCE_ENDED)
    outcome = decide(called, known)
    assert isinstance(outcome, Opened)
    opened, note, resolved = of_outcome(called, outcome, {})
    assert (opened.verb, note.verb, resolved.verb) == (Verb.OPEN, Verb.COMMENT, Verb.RESOLVE)
    assert isinstance(note.body, CommentOnTicket)
    assert note.body.comment == "Held back by a silence of ann@acme.test until 2026-09-21T14:13:20.000Z: once."
    assert len({opened.id, note.id, resolved.id}) == 3
    unheld = decide(called, facts())
    assert isinstance(unheld, Opened)
    assert [command.verb for command in of_outcome(called, unheld, {})] == [Verb.OPEN]


def ended(state: str | None, *, settled: bool = False, condition: str | None = OFFLINE, **after: object) -> Ended:
    stood = Stood(state, condition, T0 - 2_000, 7, {"last_heard": "then"}, **after)  # type: ignore[arg-type]
    silence = Silence(
        id=UUID(int=5), org="acme", subject="device/t17", schedule=Schedule(T0 - 60_000, 60), by="ann@acme.test"
    )
    return Ended(silence, Occurrence(T0 - 60_000, T0), stood, Named("Thermostat 17"), 3, settled)


@pytest.mark.rule("HM-126")
@pytest.mark.parametrize("state", ["firing", "flapping"])
def test_who_fails_at_the_end_gets_a_verdict_of_that_instant(state: str) -> None:
    called = after_end(ended(state))
    assert isinstance(called, Verdict)
    assert (called.cause, called.at, called.since, called.flap_count) == (Cause.SILENCE_ENDED, T0, T0 - 2_000, 7)
    assert (called.policy_version, called.named, called.condition) == (3, Named("Thermostat 17"), OFFLINE)
    assert called.evidence["last_heard"] == "then"
    assert called == after_end(ended(state))


@pytest.mark.rule("HM-126", "HM-228")
def test_who_fails_again_behind_the_end_gets_it_by_the_policy_of_that_instant() -> None:
    called = after_end(ended("pending_resolve", next_at=T0 + 5, next_state="firing", next_version=4))
    assert isinstance(called, Verdict)
    assert (called.at, called.policy_version) == (T0 + 5, 4)


@pytest.mark.rule("HM-127")
def test_two_silences_with_one_end_call_for_one_verdict() -> None:
    one = ended("firing")
    other = replace(one, silence=replace(one.silence, id=UUID(int=6)))
    later = replace(one, occurrence=Occurrence(T0 - 60_000, T0 + 1))
    first, again, another = (after_end(each) for each in (one, other, later))
    assert isinstance(first, Verdict)
    assert isinstance(again, Verdict)
    assert isinstance(another, Verdict)
    assert first.id == again.id != another.id


@pytest.mark.rule("HM-126", "HM-129")
@pytest.mark.parametrize(
    ("at_its_end", "follows"),
    [
        (ended("healthy", condition=None), "nothing"),
        (ended("pending_open"), "nothing"),
        (ended(None), "nothing"),
        (replace(ended("firing"), stood=None), "nothing"),
        (ended("firing", settled=True), "nothing"),
        (ended("pending_resolve"), "wait"),
        (ended("pending_resolve", next_at=T0 + 5, next_state="healthy"), "nothing"),
        (ended("pending_resolve", next_at=T0 + 5, next_state=None), "nothing"),
        (ended("pending_resolve", next_at=T0 + 5, next_state="flapping"), T0 + 5),
        (ended("pending_resolve", next_at=T0, next_state="firing"), T0),
    ],
)
def test_who_does_not_is_waited_for_or_needs_nothing(at_its_end: Ended, follows: str | int) -> None:
    called = after_end(at_its_end)
    assert (called.at if isinstance(called, Verdict) else called) == follows
