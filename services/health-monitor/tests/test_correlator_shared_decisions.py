"""Which ticket a device shares, decided from what is known of its integration. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from correlator_facts import OFFLINE, T0, facts, ticket, verdict

from fettle_contracts.ticket import Resolution
from fettle_health_monitor.domain.correlator.decide import decide, merges_of
from fettle_health_monitor.domain.correlator.incident import Asked, Incident
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    CalledOff,
    Joined,
    NothingToResolve,
    Opened,
    OpenedTogether,
    Outcome,
    Reopened,
    Resolved,
    Silenced,
    Wait,
)
from fettle_health_monitor.domain.correlator.rollups import MANY, Group, Member, Parent, Single, Spell
from fettle_health_monitor.domain.correlator.verdicts import Cause, Verdict

GATEWAY = "integration/hue-1"
UNREACHABLE = "integration_unreachable"
CREDENTIALS = "integration_credentials_invalid"
WINDOW = 300_000
OPEN = Incident(ticket("open"))
OPENING = Incident(None, Asked("open", UUID(int=7)))
RESOLVING = Incident(ticket("open"), Asked("resolve", UUID(int=7)))
RESOLVED = Incident(ticket("resolved"))


def member(subject: str) -> Member:
    return Member(subject, OFFLINE)


def spell(subject: str, since: int = T0 - 2_000, until: int | None = None, down_from: int = 0) -> Spell:
    return Spell(member(subject), since, until, down_from=down_from)


def others(count: int) -> list[Spell]:
    return [spell(f"device/d{number}") for number in range(1, count + 1)]


def group(spells: Sequence[Spell] = (), tickets: Mapping[str, Incident] | None = None, **more: Any) -> Group:
    fields: dict[str, Any] = {"subject": GATEWAY, "name": "Hue", "threshold": 5, "window_ms": WINDOW, **more}
    return Group(tickets=tickets or {}, spells=spells, **fields)


def of_device(around: Group, cause: Cause = Cause.FIRING, **more: Any) -> Outcome | Wait:
    return decide(verdict(cause, **more), replace(facts(), group=around))


def about_many(around: Group, cause: Cause, **known: Any) -> Outcome | Wait:
    return decide(many(cause), replace(facts(others={MANY: RESOLVED}), group=around, **known))


def many(cause: Cause) -> Verdict:
    return verdict(cause, MANY, subject=GATEWAY)


@pytest.mark.rule("HM-140", "HM-237")
@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (spell("device/d4", T0 - WINDOW), False),
        (spell("device/d4", T0 - WINDOW + 1), True),
        (spell("device/d4", T0), True),
        (spell("device/d4", T0 + 1), False),
        (spell("device/d4", until=T0), False),
        (spell("device/d4", until=T0 + 1), True),
        (spell("device/d4", T0 - 2 * WINDOW, down_from=T0 - WINDOW), False),
        (spell("device/d4", T0 - 2 * WINDOW, down_from=T0 - WINDOW + 1), True),
    ],
)
def test_who_turned_unhealthy_in_the_window_and_still_is_counts(one: Spell, counts: bool) -> None:
    outcome = of_device(group([*others(3), one, spell("device/t17")]))
    assert isinstance(outcome, OpenedTogether if counts else Opened)


@pytest.mark.rule("HM-140")
@pytest.mark.parametrize("own", [[], [spell("device/t17")]], ids=["turned long ago", "turned in the window"])
@pytest.mark.parametrize(("besides", "shared"), [(3, False), (4, True), (5, True)])
def test_the_threshold_is_many_with_the_one_that_fires(own: list[Spell], besides: int, shared: bool) -> None:
    """Also where it turned before the window: a silence has ended, or its debounce is longer."""
    outcome = of_device(group([*others(besides), *own]))
    assert isinstance(outcome, OpenedTogether if shared else Opened)
    if isinstance(outcome, OpenedTogether):
        assert outcome.failing == besides + 1
        assert outcome.reason == f"{besides + 1} devices behind {GATEWAY} fail together"


@pytest.mark.rule("HM-141")
def test_tickets_of_those_who_fail_are_merged_and_no_others() -> None:
    singles = [Single(member("device/d1"), T0 - 1_000), Single(member("device/d9"), T0 - 1_000)]
    outcome = of_device(group(others(5), singles=singles))
    assert isinstance(outcome, OpenedTogether)
    assert outcome.merges == (member("device/d1"),)
    assert [one.subject for one in outcome.members] == ["device/t17", "device/d1"]
    assert outcome.parent == Parent(GATEWAY, MANY)


@pytest.mark.rule("HM-141", "HM-142")
@pytest.mark.parametrize("incident", [OPEN, OPENING])
def test_a_ticket_that_will_be_open_is_joined(incident: Incident) -> None:
    number = None if incident.ticket is None else incident.ticket.number
    outcome = of_device(group(tickets={UNREACHABLE: incident}))
    assert isinstance(outcome, Joined)
    assert outcome.parent == Parent(GATEWAY, UNREACHABLE, number)


@pytest.mark.rule("HM-142")
@pytest.mark.parametrize("incident", [RESOLVED, RESOLVING])
def test_one_that_will_not_be_is_not(incident: Incident) -> None:
    assert isinstance(of_device(group(tickets={UNREACHABLE: incident})), Opened)


@pytest.mark.rule("HM-143")
def test_the_integrations_own_ticket_goes_before_the_one_about_many() -> None:
    credentials = "integration_credentials_invalid"
    for own in (UNREACHABLE, credentials):
        outcome = of_device(group(tickets={MANY: OPEN, own: OPEN}))
        assert isinstance(outcome, Joined)
        assert outcome.parent.condition == own


@pytest.mark.rule("HM-146")
def test_who_would_join_waits_while_an_early_resolve_is_young() -> None:
    assert of_device(group(others(5), {UNREACHABLE: RESOLVED}, undecided=True)) == Wait("resolved_early")


@pytest.mark.rule("HM-144")
def test_who_is_judged_afresh_waits() -> None:
    judged_afresh = replace(facts(), group=group(others(5)), afresh=True)
    assert decide(verdict(), judged_afresh) == Wait("judged_afresh")


@pytest.mark.rule("HM-142")
@pytest.mark.parametrize(
    ("asked_at", "merged"), [(T0 - WINDOW, False), (T0 - WINDOW + 1, True), (T0, True), (T0 + 1, False)]
)
def test_an_integrations_ticket_takes_the_singles_of_the_window(asked_at: int, merged: bool) -> None:
    around = group(singles=[Single(member("device/d1"), asked_at)])
    fired = verdict(Cause.FIRING, UNREACHABLE, subject=GATEWAY)
    outcome = decide(fired, replace(facts(), group=around))
    assert isinstance(outcome, Opened)
    assert outcome.merges == ((member("device/d1"),) if merged else ())


@pytest.mark.rule("HM-142")
def test_what_is_asked_for_once_more_takes_in_nothing_more() -> None:
    """By a policy with a longer window: as little as one that is surely open."""
    around = group(singles=[Single(member("device/d1"), T0 - 1_000)])
    again = verdict(Cause.PUBLISHING_BEGAN, UNREACHABLE, subject=GATEWAY)
    for incident, taken in ((RESOLVED, 1), (OPENING, 0), (OPEN, 0)):
        outcome = decide(again, replace(facts(others={UNREACHABLE: incident}), group=around))
        assert not isinstance(outcome, Wait)
        assert len(merges_of(again, outcome)) == taken


@pytest.mark.rule("HM-143")
@pytest.mark.parametrize(("incident", "takes_over"), [(OPEN, True), (OPENING, True), (RESOLVED, False)])
def test_an_integrations_ticket_takes_over_the_one_about_many(incident: Incident, takes_over: bool) -> None:
    """Which is merged into it, and so not superseded by it."""
    tickets = {MANY: incident}
    fired = verdict(Cause.FIRING, UNREACHABLE, subject=GATEWAY)
    outcome = decide(fired, replace(facts(others=tickets), group=group(tickets=tickets)))
    assert isinstance(outcome, Opened)
    assert (outcome.takes_over, outcome.supersedes) == (takes_over, ())


@pytest.mark.rule("HM-143", "HM-319")
@pytest.mark.parametrize(("other", "supersedes"), [(OPEN, (CREDENTIALS,)), (RESOLVED, ())])
@pytest.mark.parametrize(("many", "takes_over"), [(OPEN, True), (RESOLVED, False)])
def test_so_does_one_that_somebody_has_reopened_and_its_condition_comes_back_to(
    other: Incident, supersedes: tuple[str, ...], many: Incident, takes_over: bool
) -> None:
    tickets = {UNREACHABLE: OPEN, CREDENTIALS: other, MANY: many}
    fired = verdict(Cause.FIRING, UNREACHABLE, subject=GATEWAY)
    outcome = decide(fired, replace(facts(others=tickets), group=group(tickets=tickets)))
    assert outcome == AlreadyOpen(42, supersedes, takes_over)
    assert [(one.condition, into.parent) for one, into in merges_of(fired, outcome)] == [
        (MANY, Parent(GATEWAY, UNREACHABLE))
    ] * takes_over


@pytest.mark.rule("HM-143")
@pytest.mark.parametrize("cause", [Cause.RECOVERED, Cause.FORGOTTEN])
def test_being_well_itself_ends_nothing_that_is_about_its_devices(cause: Cause) -> None:
    healthy = verdict(cause, "", subject=GATEWAY)
    assert decide(healthy, facts(others={MANY: OPEN})) == NothingToResolve()


@pytest.mark.rule("HM-145")
@pytest.mark.parametrize(("down", "ends"), [(4, True), (5, False)])
def test_a_ticket_about_many_ends_when_fewer_than_many_are_down(down: int, ends: bool) -> None:
    outcome = decide(many(Cause.FEW_LEFT), replace(facts(others={MANY: OPENING}), group=group(down=down)))
    assert outcome == Resolved(Resolution.RECOVERED, (MANY,)) if ends else isinstance(outcome, CalledOff)


@pytest.mark.rule("HM-145")
def test_one_that_has_ended_does_not_end_again() -> None:
    for incident in (RESOLVED, Incident(None, Asked("resolve", UUID(int=7)))):
        known = replace(facts(others={MANY: incident}), group=group(down=1))
        assert decide(many(Cause.FEW_LEFT), known) == NothingToResolve()


@pytest.mark.rule("HM-146")
@pytest.mark.parametrize(("down", "comes_back"), [(4, False), (5, True)])
def test_a_ticket_about_many_comes_back_if_they_are_still_many(down: int, comes_back: bool) -> None:
    outcome = about_many(group(down=down), Cause.STILL_UNHEALTHY)
    assert isinstance(outcome, Reopened if comes_back else CalledOff)


@pytest.mark.rule("HM-136")
def test_a_silence_of_the_integration_is_not_one_of_its_devices() -> None:
    silenced = Silenced(UUID(int=5), "ann@acme.test", T0 + 60_000)
    assert isinstance(about_many(group(down=5), Cause.STILL_UNHEALTHY, silenced=silenced), Reopened)


@pytest.mark.rule("HM-141")
def test_one_about_many_that_is_open_is_not_asked_for_again() -> None:
    known = replace(facts(others={MANY: OPEN}), group=group(down=5))
    assert decide(many(Cause.STILL_UNHEALTHY), known) == AlreadyOpen(42)


@pytest.mark.rule("HM-145", "HM-146")
@pytest.mark.parametrize(
    ("left_over_from", "tickets", "expected"),
    [
        (MANY, {}, Opened),
        (MANY, {UNREACHABLE: OPEN}, Joined),
        (UNREACHABLE, {}, OpenedTogether),
        (UNREACHABLE, {UNREACHABLE: OPEN}, Joined),
    ],
)
def test_who_is_left_over_from_a_ticket_about_many_shares_no_other_of_that_kind(
    left_over_from: str, tickets: dict[str, Incident], expected: type
) -> None:
    """Nor does it leave its integration's own ticket aside."""
    outcome = of_device(group(others(5), tickets), Cause.LEFT_OVER, evidence={"left_over_from": left_over_from})
    assert isinstance(outcome, expected)
    if isinstance(outcome, Opened):
        assert outcome.after == Parent(GATEWAY, MANY)


@pytest.mark.rule("HM-305")
@pytest.mark.parametrize(("left_over_from", "count"), [(MANY, 5), (MANY, 3), (UNREACHABLE, 3)])
def test_who_is_left_over_and_has_moved_names_what_it_was_left_over_from_and_may_share_where_it_is(
    left_over_from: str, count: int
) -> None:
    evidence = {"left_over_from": left_over_from, "left_over_behind": "integration/hue-2"}
    outcome = of_device(group(others(count)), Cause.LEFT_OVER, evidence=evidence)
    if count == 5:
        assert isinstance(outcome, OpenedTogether)
    else:
        assert isinstance(outcome, Opened)
        assert outcome.after == Parent("integration/hue-2", left_over_from)
