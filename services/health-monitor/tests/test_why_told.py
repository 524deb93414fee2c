"""What a subject's changes come to by themselves, its silences beside them, and how the record is read."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from correlator_facts import T0, change
from correlator_facts import verdict as called
from judge_log import Log
from why_logs import ON, extracted

from fettle_health_monitor.domain.correlator.outcomes import Silenced
from fettle_health_monitor.domain.correlator.silences import Schedule, Silence
from fettle_health_monitor.domain.correlator.verdicts import Cause, Named
from fettle_health_monitor.domain.judgements import Change
from fettle_health_monitor.domain.why.record import Recorded, called_otherwise, present_trouble
from fettle_health_monitor.domain.why.tickets import Circumstances, Told, tell

END = T0 + 60_000


def silence(id: int = 1, length_s: int = 60) -> Silence:
    schedule = Schedule(T0, length_s)
    return Silence(id=UUID(int=id), org="acme", subject="device/t17", schedule=schedule, by="ann@acme.test")


def fires(at: int) -> list[Change]:
    return [change(from_state="healthy", to_state="pending_open", at=at - 2_000), change(at=at)]


def told(changes: list[Change], at: int, *silences: Silence, **more: Any) -> Told:
    known = Circumstances(
        from_at=T0 - 10_000, switches={3: ON}, in_force=((0, 3),), named=Named(), silences=silences, **more
    )
    return tell(changes, known, at)


def causes(of: Told) -> list[str]:
    return [verdict.cause.value for verdict, _ in of.decided]


@pytest.mark.rule("HM-127", "HM-180")
@pytest.mark.parametrize(("at", "ticket"), [(END - 1, False), (END, True)])
def test_a_silence_has_ended_at_its_end(at: int, ticket: bool) -> None:
    found = told(fires(T0 + 5_000), at, silence())
    assert (found.ticket, causes(found)) == (ticket, ["firing", "silence_ended"] if ticket else ["firing"])


@pytest.mark.rule("HM-126", "HM-180")
@pytest.mark.parametrize(("fires_at", "asked"), [(END - 1, ["firing", "silence_ended"]), (END, ["firing"])])
def test_who_fires_just_when_it_ends_calls_for_a_ticket_itself(fires_at: int, asked: list[str]) -> None:
    found = told(fires(fires_at), END + 1_000, silence())
    assert (found.ticket, causes(found)) == (True, asked)


@pytest.mark.rule("HM-259")
@pytest.mark.parametrize(("publishes", "ticket"), [(True, True), (False, False)])
def test_its_end_is_decided_by_the_policy_in_force_then(publishes: bool, ticket: bool) -> None:
    """It changes nothing of the subject, so that no change tells of it."""
    switches = {3: ON, 4: replace(ON, version=4, publish_tickets=publishes)}
    in_force = ((0, 3), (T0 + 30_000, 4))
    known = Circumstances(
        from_at=T0 - 10_000, switches=switches, named=Named(), silences=(silence(),), in_force=in_force
    )
    assert tell(fires(T0 + 5_000), known, END).ticket == ticket


@pytest.mark.rule("HM-318")
@pytest.mark.parametrize(("well", "ticket"), [(False, False), (True, True)])
def test_nor_does_its_end_open_what_was_not_published_before(well: bool, ticket: bool) -> None:
    switches, in_force = {3: replace(ON, publish_tickets=False), 4: ON}, ((0, 3), (T0 + 10_000, 4))
    known = Circumstances(
        from_at=T0 - 10_000, switches=switches, named=Named(), silences=(silence(),), in_force=in_force
    )
    changes = fires(T0 + 5_000)
    if well:
        changes += [change(from_state="pending_resolve", to_state="healthy", at=T0 + 20_000, policy_version=4)]
        changes += [change(at=T0 + 30_000, policy_version=4)]
    assert tell(changes, known, END).ticket == ticket


@pytest.mark.rule("HM-276", "HM-180")
@pytest.mark.parametrize(("made", "held"), [(4_999, True), (5_000, True), (5_001, False)])
@pytest.mark.parametrize("on_record", [True, False])
def test_a_silence_held_nothing_of_before_it_was_made_but_what_is_on_record_as_silenced(
    made: int, held: bool, on_record: bool
) -> None:
    changes, late = fires(T0 + 5_000), replace(silence(), made_at=T0 + made)
    silenced = frozenset({UUID(changes[-1].id)} if on_record else ())
    assert told(changes, T0 + 6_000, late, silenced=silenced).ticket == (not (held or on_record))


@pytest.mark.rule("HM-127", "HM-180")
@pytest.mark.parametrize(("made", "asked"), [(59_999, ["silence_ended"]), (60_000, [])])
def test_nor_has_one_ended_that_was_made_behind_its_end(made: int, asked: list[str]) -> None:
    found = told(fires(T0 + 5_000), END, replace(silence(), made_at=T0 + made))
    assert causes(found) == ["firing", *asked]


@pytest.mark.rule("HM-127", "HM-180")
def test_two_silences_that_end_at_once_call_once() -> None:
    assert causes(told(fires(T0 + 5_000), END, silence(), silence(2))) == ["firing", "silence_ended"]


@pytest.mark.rule("HM-120", "HM-180")
def test_of_two_silences_the_one_that_lasts_longer_is_named() -> None:
    for order in ((silence(), silence(2, 90)), (silence(2, 90), silence())):
        _, outcome = told(fires(T0 + 5_000), T0 + 6_000, *order).decided[0]
        assert isinstance(outcome, Silenced)
        assert (outcome.silence, outcome.until) == (UUID(int=2), T0 + 90_000)


@pytest.mark.rule("HM-67", "HM-180")
def test_what_else_was_called_for_counts_while_it_fails() -> None:
    began = called(Cause.PUBLISHING_BEGAN, at=T0 + 9_000)
    assert told(fires(T0 + 5_000), T0 + 9_000, called=(began,)).ticket
    assert causes(told([], T0 + 9_000, called=(began,))) == []


@pytest.mark.rule("HM-180")
def test_a_policy_of_another_org_is_none_of_its_own() -> None:
    log = Log().policy().beat().policy("beta", version=9).pulsed(5)
    assert extracted(log, 1, log.ms).versions == {1}


def recorded(cause: Cause, at: int) -> Recorded:
    fields: dict[str, Any] = {"condition": "device_offline", "reason": "", "policy_version": 1, "evidence": {}}
    return Recorded(verdict=UUID(int=at), cause=cause, at=at, outcome="opened", **fields)


@pytest.mark.rule("HM-185")
def test_the_present_trouble_is_what_came_behind_the_last_end() -> None:
    story = [Cause.FIRING, Cause.RECOVERED, Cause.FIRING, Cause.FORGOTTEN, Cause.FIRING, Cause.STILL_UNHEALTHY]
    record = [recorded(cause, T0 + number) for number, cause in enumerate(story)]
    assert present_trouble(record) == record[4:]
    assert present_trouble(record[:4]) == []


@pytest.mark.rule("HM-182")
def test_only_what_was_called_for_behind_the_logs_beginning_is_decided_again() -> None:
    record = [recorded(Cause.PUBLISHING_BEGAN, T0 + number) for number in range(3)]
    found = called_otherwise([*record, recorded(Cause.FIRING, T0 + 5)], "acme", "device/t17", after=T0 + 1)
    assert [verdict.at for verdict in found] == [T0 + 2]
