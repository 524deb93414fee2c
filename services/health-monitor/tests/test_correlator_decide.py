"""Verdicts and facts in, outcomes out."""

from typing import get_args
from uuid import UUID

import pytest
from correlator_facts import OFFLINE, T0, change, facts, ticket, verdict
from hypothesis import given
from hypothesis import strategies as st

from fettle_contracts.commands import OpenTicket, ResolveTicket, Verb
from fettle_contracts.identity import SubjectRef
from fettle_contracts.ticket import MONITOR_KINDS, Resolution
from fettle_contracts.transitions import Condition
from fettle_health_monitor.domain.correlator.clocks import Behind
from fettle_health_monitor.domain.correlator.commands import OwnCommand, dedup_key, of_outcome, read_dedup_key, title
from fettle_health_monitor.domain.correlator.decide import Facts, Switches, decide
from fettle_health_monitor.domain.correlator.evidence import of_change, with_decision
from fettle_health_monitor.domain.correlator.incident import Asked, Incident
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    NothingToResolve,
    Opened,
    Outcome,
    OutcomeName,
    Refused,
    Reopened,
    Resolved,
    Unpublished,
    Wait,
)
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.verdicts import Cause, Named, Verdict, called_for, unseen

OPENING = (
    Cause.FIRING,
    Cause.STILL_UNHEALTHY,
    Cause.PUBLISHING_BEGAN,
    Cause.JUDGED_AFRESH,
    Cause.LEFT_OVER,
)
ENDING = (Cause.RECOVERED, Cause.FORGOTTEN)
C1, C2 = UUID(int=101), UUID(int=102)


@pytest.mark.rule("HM-63")
def test_every_way_to_end_has_a_name() -> None:
    assert {each.name for each in get_args(Outcome)} == set(get_args(OutcomeName))


def sent(verdict: Verdict, facts: Facts) -> tuple[OwnCommand, ...]:
    outcome = decide(verdict, facts)
    assert not isinstance(outcome, Wait)
    return of_outcome(verdict, outcome, {"reason": "silent"})


@pytest.mark.rule("HM-65")
def test_a_firing_asks_for_a_ticket_that_says_what_it_is_about() -> None:
    (command,) = sent(verdict(), facts())
    assert command.verb is Verb.OPEN
    assert isinstance(command.body, OpenTicket)
    assert command.body.to_dict() == {
        "org": "acme",
        "actor": {"type": "health_monitor"},
        "at": "2026-09-21T14:13:20.000Z",
        "evidence": {"reason": "silent"},
        "title": "Device offline: Thermostat 17",
        "kind": "device_offline",
        "subject": {"type": "device", "id": "t17", "name": "Thermostat 17"},
        "space": "oslo/hq/3",
        "integration": "hue-1",
        "description": "",
        "links": [],
        "dedup_key": "device/t17:device_offline",
        "flap_count": 0,
    }


@pytest.mark.rule("HM-65")
def test_the_same_verdict_asks_by_the_same_id_and_another_by_another() -> None:
    first, again, other = (sent(each, facts())[0].id for each in (verdict(), verdict(), verdict(id=UUID(int=2))))
    assert first == again
    assert first != other


@pytest.mark.rule("HM-65")
@pytest.mark.parametrize("cause", OPENING)
def test_a_ticket_that_is_surely_there_is_not_asked_for_again(cause: Cause) -> None:
    assert decide(verdict(cause), facts(Incident(ticket("in_progress")))) == AlreadyOpen(42)


@pytest.mark.rule("HM-65")
@pytest.mark.parametrize(
    "incident",
    [
        Incident(ticket("resolved")),
        Incident(ticket("open"), Asked("resolve", C1)),
        Incident(None, Asked("open", C1)),
    ],
)
def test_in_doubt_the_ticket_is_asked_for(incident: Incident) -> None:
    outcome = decide(verdict(), facts(incident))
    assert isinstance(outcome, Opened)
    assert outcome.supersedes == (), "it takes no place of its own"


@pytest.mark.rule("HM-66")
@pytest.mark.parametrize("cause", OPENING)
def test_nothing_is_opened_while_publishing_is_off(cause: Cause) -> None:
    off = Switches(version=4, enabled=True, publish_tickets=False)
    assert decide(verdict(cause), facts(switches=off)) == Unpublished(4)
    assert sent(verdict(cause), facts(switches=off)) == ()


@pytest.mark.rule("HM-66")
def test_no_ticket_for_an_org_that_is_gone_or_off() -> None:
    off = Switches(version=4, enabled=False, publish_tickets=True)
    assert decide(verdict(), facts(switches=None)) == Refused("org_unknown")
    assert decide(verdict(), facts(deleted=True)) == Refused("org_deleted")
    assert decide(verdict(Cause.STILL_UNHEALTHY), facts(switches=off)) == Refused("not_enabled")


@pytest.mark.rule("HM-68")
@pytest.mark.parametrize("incident", [Incident(ticket("open")), Incident(None, Asked("open", C1))])
def test_a_recovery_resolves_a_ticket_that_is_there_or_on_its_way(incident: Incident) -> None:
    (command,) = sent(verdict(Cause.RECOVERED), facts(incident))
    assert isinstance(command.body, ResolveTicket)
    assert command.body.resolution is Resolution.RECOVERED
    assert command.body.ticket.dedup_key == "device/t17:device_offline"


@pytest.mark.rule("HM-68")
@pytest.mark.parametrize("incident", [None, Incident(ticket("resolved")), Incident(None, Asked("resolve", C1))])
def test_a_recovery_without_a_ticket_resolves_nothing(incident: Incident | None) -> None:
    assert decide(verdict(Cause.RECOVERED), facts(incident)) == NothingToResolve()


@pytest.mark.rule("HM-68", "HM-69")
@pytest.mark.parametrize("switches", [None, Switches(9, enabled=False, publish_tickets=False)])
@pytest.mark.parametrize("cause", ENDING)
def test_a_resolve_gets_through_whatever_the_switches_say(cause: Cause, switches: Switches | None) -> None:
    outcome = decide(verdict(cause), facts(Incident(ticket()), switches=switches, deleted=True))
    assert isinstance(outcome, Resolved)


@pytest.mark.rule("HM-69")
def test_forgetting_ends_every_ticket_of_the_subject() -> None:
    incidents = {
        "integration_unreachable": Incident(ticket("open")),
        "integration_credentials_invalid": Incident(None, Asked("open", C2)),
    }
    commands = sent(verdict(Cause.FORGOTTEN, "", subject="integration/hue-1"), facts(others=incidents))
    assert [command.condition for command in commands] == sorted(incidents)
    bodies = [command.body for command in commands]
    assert all(isinstance(body, ResolveTicket) and body.resolution is Resolution.REMOVED for body in bodies)


@pytest.mark.rule("HM-84")
@pytest.mark.parametrize("incident", [Incident(ticket("open")), Incident(None, Asked("open", C1))])
@pytest.mark.parametrize("cause", [Cause.FIRING, Cause.PUBLISHING_BEGAN, Cause.SILENCE_ENDED])
def test_another_condition_takes_the_place_of_the_old_one(cause: Cause, incident: Incident) -> None:
    """Also where its ticket opens late, as nothing was published, or a silence held it back, when it came."""
    old = {"integration_unreachable": incident}
    fired = verdict(cause, condition="integration_credentials_invalid", subject="integration/hue-1")
    opened, resolved = sent(fired, facts(others=old))
    assert (opened.verb, opened.condition) == (Verb.OPEN, "integration_credentials_invalid")
    assert isinstance(resolved.body, ResolveTicket)
    assert resolved.body.resolution is Resolution.SUPERSEDED
    assert resolved.body.ticket.dedup_key == "integration/hue-1:integration_unreachable"


@pytest.mark.rule("HM-319")
@pytest.mark.parametrize("incident", [Incident(ticket("open")), Incident(None, Asked("open", C1))])
@pytest.mark.parametrize("cause", OPENING)
def test_one_that_comes_back_to_a_ticket_that_is_open_ends_the_other_ones(cause: Cause, incident: Incident) -> None:
    back = {"integration_credentials_invalid": Incident(ticket("open")), "integration_unreachable": incident}
    fired = verdict(cause, condition="integration_credentials_invalid", subject="integration/hue-1")
    assert isinstance(decide(fired, facts(others=back)), AlreadyOpen)
    commands = sent(fired, facts(others=back))
    if cause not in (Cause.FIRING, Cause.PUBLISHING_BEGAN, Cause.SILENCE_ENDED):
        assert commands == (), "which says nothing new about the subject's condition"
        return
    (resolved,) = commands
    assert isinstance(resolved.body, ResolveTicket)
    assert resolved.body.resolution is Resolution.SUPERSEDED
    assert resolved.body.ticket.dedup_key == "integration/hue-1:integration_unreachable"


@pytest.mark.rule("HM-103", "HM-104")
@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("changed_too_often", "flapping: too many confirmed changes within the flap window"),
        ("flipped_too_often", "flapping: too many flips of the reading within the flap window"),
        ("condition_changed", "another condition for the whole open debounce"),
        ("debounce_passed", "unhealthy for the whole open debounce"),
    ],
)
def test_a_ticket_says_why_it_was_opened_and_how_often_its_subject_had_changed(reason: str, why: str) -> None:
    called = called_for(change(to_state="flapping", reason=reason, flap_count=5), Named())
    assert called is not None
    outcome = decide(called, facts())
    assert isinstance(outcome, Opened)
    assert outcome.reason == why
    (opened,) = of_outcome(called, outcome, {})
    assert isinstance(opened.body, OpenTicket)
    assert opened.body.flap_count == 5
    assert isinstance(decide(called, facts(Incident(ticket("open")))), AlreadyOpen)


@pytest.mark.rule("HM-65")
@pytest.mark.parametrize(
    ("name", "line"),
    [
        (None, "Device offline: t17"),
        ("", "Device offline: t17"),
        ("two\nlines\tand  spaces", "Device offline: two lines and spaces"),
        ("x" * 300, "Device offline: " + "x" * 183 + "…"),
    ],
)
def test_a_title_is_one_line_of_bearable_length(name: str | None, line: str) -> None:
    assert title(OFFLINE, SubjectRef.parse("device/t17"), name) == line
    assert len(line) <= 200


@given(st.text(min_size=1), st.sampled_from([OFFLINE, "integration_unreachable"]))
def test_a_key_is_read_as_it_was_written(subject: str, condition: str) -> None:
    assert read_dedup_key(dedup_key(subject, condition)) == (subject, condition)


def test_other_keys_are_not_the_monitors() -> None:
    assert read_dedup_key("workflow:x:y") is None
    assert read_dedup_key("plain") is None


@pytest.mark.rule("HM-63", "HM-103")
@pytest.mark.parametrize(
    ("from_state", "to_state", "cause"),
    [
        (None, "healthy", None),
        ("healthy", "pending_open", None),
        ("pending_open", "healthy", None),
        ("pending_open", "firing", Cause.FIRING),
        ("firing", "firing", Cause.FIRING),
        ("firing", "pending_resolve", None),
        ("pending_resolve", "firing", None),
        ("pending_resolve", "healthy", Cause.RECOVERED),
        ("healthy", "flapping", Cause.FIRING),
        ("pending_open", "flapping", Cause.FIRING),
        ("firing", "flapping", Cause.FIRING),
        ("pending_resolve", "flapping", Cause.FIRING),
        ("flapping", "firing", None),
        ("flapping", "healthy", Cause.RECOVERED),
        ("flapping", None, Cause.FORGOTTEN),
        ("firing", None, Cause.FORGOTTEN),
        ("healthy", None, Cause.FORGOTTEN),
    ],
)
def test_which_changes_call_for_a_verdict(from_state: str | None, to_state: str | None, cause: Cause | None) -> None:
    called = called_for(change(from_state=from_state, to_state=to_state), Named())
    assert (called.cause if called else None) == cause


@pytest.mark.rule("HM-286")
@pytest.mark.parametrize(
    ("from_state", "to_state", "cause"),
    [
        ("pending_open", "firing", None),
        ("firing", "firing", None),
        ("healthy", "flapping", None),
        ("pending_resolve", "healthy", Cause.RECOVERED),
        ("firing", None, Cause.FORGOTTEN),
    ],
)
def test_a_change_that_names_no_condition_opens_nothing_and_stops_nothing(
    from_state: str, to_state: str | None, cause: Cause | None
) -> None:
    nothing_wrong = change(from_state=from_state, to_state=to_state, condition=None)
    called = called_for(nothing_wrong, Named())
    assert unseen(nothing_wrong, Named()) is None or called is not None
    assert (called.cause if called else None) == cause


@pytest.mark.rule("HM-60", "HM-63")
def test_evidence_says_what_was_seen_and_whom_it_was_decided_without() -> None:
    seen = with_decision(
        of_change(change(place=(10, 0))), policy_version=3, since=T0 - 2_000, behind=Behind(slower=(2,), stalled=(5, 7))
    )
    assert seen == {
        "reason": "silent for the whole open debounce",
        "last_heard": "2026-09-21T14:13:15.000Z",
        "deadline": "2026-09-21T14:13:18.000Z",
        "status": "ok",
        "timeout_s": 3.0,
        "debounce_s": 2.0,
        "partition": 0,
        "offset": 10,
        "since": "2026-09-21T14:13:18.000Z",
        "policy_version": 3,
        "slower_shards": [2],
        "stalled_shards": [5, 7],
    }


tickets = st.none() | st.builds(ticket, st.sampled_from(["open", "in_progress", "resolved"]))
asked = st.none() | st.builds(Asked, st.sampled_from(["open", "resolve"]), st.just(C1))


@pytest.mark.rule("HM-65", "HM-68")
@given(st.sampled_from([*OPENING, *ENDING]), tickets, asked, st.booleans(), st.booleans())
def test_after_any_decision_the_ticket_will_be_as_the_subject_is(
    cause: Cause, known: object, last: Asked | None, enabled: bool, publish: bool
) -> None:
    """With commands kept in order: after an opening verdict that publishes there will be a ticket, after an ending one
    none, whatever was still on its way."""
    incident = Incident(known, last)  # type: ignore[arg-type]
    outcome = decide(verdict(cause), facts(incident, switches=Switches(1, enabled, publish)))
    will_be_open = incident.asked.verb == "open" if incident.asked else incident.surely_open
    match outcome:
        case Opened() | Reopened():
            will_be_open = True
        case Resolved():
            will_be_open = False
        case _:
            pass
    if cause in ENDING:
        assert not will_be_open
    elif enabled and publish:
        assert will_be_open
    else:
        assert isinstance(outcome, Refused | Unpublished)


@pytest.mark.rule("TS-111")
def test_every_kind_that_the_monitor_opens_tickets_of_is_kept_from_people() -> None:
    assert sorted(MONITOR_KINDS) == sorted((*Condition, MANY, LOST))
