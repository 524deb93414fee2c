"""Who counts when heartbeats of a whole org are lost, and what is shown of a subject then, one rule a test. Pure."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from correlator_facts import change
from loss_facts import evidence, fires, heard, says_offline, silent
from test_losses_edges import TIMEOUT, WINDOW, B, Org, loss_of, story

from fettle_health_monitor.domain.correlator.clocks import Hole, ShardClock
from fettle_health_monitor.domain.correlator.fresh_times import Until
from fettle_health_monitor.domain.correlator.losses import (
    Census,
    Loss,
    Past,
    Standing,
    is_old,
    may_lose,
    would_fire_by_silence,
)
from fettle_health_monitor.domain.correlator.unseen import Seeing
from fettle_health_monitor.domain.correlator.unseen_subjects import Due, Event, Rules, Unseen
from fettle_health_monitor.domain.judgements import Change, HeardAgain


def census(down: int, well: int = 0, integrations: tuple[str | None, ...] = ("hue-1", "hue-2"), **more: Any) -> Census:
    """So many have fallen silent, and so many have not."""
    standings = {
        f"device/{state}-{number}": Standing(
            state, state == "pending_open", "healthy", True, integrations[number % len(integrations)]
        )
        for state, count in (("pending_open", down), ("healthy", well))
        for number in range(count)
    }
    return Census(standings, [], WINDOW, **more)


def counted_again(of: Census) -> Census:
    return Census(of.standings, of.past, of.window_ms)


@pytest.mark.rule("HM-150")
def test_who_is_behind_no_integration_is_behind_none_of_two() -> None:
    assert not census(12, integrations=("hue-1", None)).loses()
    assert census(12, integrations=("hue-1", "hue-2", None)).loses()


@pytest.mark.rule("HM-150", "HM-153")
def test_an_integration_behind_which_nobody_is_silent_any_more_does_not_count() -> None:
    found = census(11, integrations=("hue-1",))
    found.standings["device/pending_open-0"].integration = "hue-2"
    found = counted_again(found)
    assert found.loses()
    found.hear("device/pending_open-0")
    assert not found.loses()


@pytest.mark.rule("HM-151")
def test_who_may_be_silent_for_longer_than_the_window_neither_counts_nor_is_lost() -> None:
    found = census(12, 12)
    for number in range(12):
        found.standings[f"device/healthy-{number}"].counts = False
    assert counted_again(found).loses()
    found.standings["device/pending_open-0"].counts = False
    assert counted_again(found).counted == 11


@pytest.mark.rule("HM-282")
def test_who_has_been_removed_counts_no_more() -> None:
    found = census(12, 12)
    assert not found.loses()
    for number in range(12):
        found.take(change(f"device/healthy-{number}", "healthy", None, at=B - 1, condition=None))
    assert (found.counted, found.loses()) == (12, True)


@pytest.mark.rule("HM-150")
def test_who_says_itself_that_it_is_down_has_not_fallen_silent() -> None:
    found = census(12)
    for number in range(3):
        found.hear(f"device/pending_open-{number}")
    assert (found.counted, found.loses()) == (12, False)


@pytest.mark.rule("HM-151")
def test_who_was_old_and_is_heard_counts_again() -> None:
    found = census(12)
    found.standings["device/pending_open-0"].old = True
    found = counted_again(found)
    assert found.counted == 11
    found.hear("device/pending_open-0")
    assert found.counted == 12


@pytest.mark.rule("HM-151")
@pytest.mark.parametrize(("heard_at", "old"), [(B - 1, True), (B, False)])
def test_a_silence_is_old_that_began_before_reporting_resumed(heard_at: int, old: bool) -> None:
    assert is_old(silent("device/d1", B + TIMEOUT, evidence=evidence(B, deadline=B, heard=heard_at)), B) is old
    assert not is_old(heard("device/d1", B), B + 1)


@pytest.mark.rule("HM-151", "HM-237")
def test_who_was_pending_in_a_hole_was_well_until_its_silence_was_too_long_again() -> None:
    """All fell silent long before the window; the hole's end made their silence begin anew."""
    began, counts = B - 10 * WINDOW, B - 1_000
    found = census(12)
    for standing in found.standings.values():
        standing.at_beginning = "pending_open"
    found = counted_again(found)
    found.restart(dict.fromkeys(found.standings, (began, counts)), begins=B - WINDOW)
    found.move_to(B)
    assert found.loses()
    found.move_to(counts + WINDOW)
    assert found.counted == 0


@pytest.mark.rule("HM-151", "HM-237")
def test_what_happened_in_the_window_counts_from_the_holes_end_as_well() -> None:
    found = census(12)
    found.past = [Past(B - WINDOW + 1, subject, "pending_open") for subject in sorted(found.standings)]
    found.restart(dict.fromkeys(found.standings, (B - WINDOW + 1, B - 1_000)), begins=B - WINDOW)
    found.move_to(B + 1)
    assert found.loses()


@pytest.mark.rule("HM-150", "HM-238")
@pytest.mark.parametrize(
    ("down", "well", "may"), [(40, 10, True), (39, 10, False), (10, 0, True), (9, 0, False), (10, 3, False)]
)
def test_a_cheap_look_never_misses_what_four_fifths_are(down: int, well: int, may: bool) -> None:
    assert may_lose(down, well, 4) is may
    assert may or not census(down, well).loses()


@pytest.mark.rule("HM-150")
def test_it_is_decided_when_somebody_fires_by_silence() -> None:
    assert would_fire_by_silence(fires("device/d1", B))
    assert not would_fire_by_silence(silent("device/d1", B))
    assert not would_fire_by_silence(fires("device/d1", B, evidence=evidence(B, deadline=None)))
    assert not would_fire_by_silence(change("device/d1", "pending_resolve", "firing", at=B))


def loss(**more: Any) -> Loss:
    fields: dict[str, Any] = {"id": UUID(int=1), "org": "acme", "since": B - 5_000, "begun_at": B, "policy_version": 1}
    return Loss(**{**fields, "counted": 100, "lost": 100, "unknown": 100, **more})


@pytest.mark.rule("HM-154")
def test_two_integrations_are_enough_however_many_are_lost() -> None:
    first = loss().hearing("device/d1", "hue-1", B + 1).hearing("device/d2", "hue-1", B + 2)
    assert first.resumed_at is None
    assert first.hearing("device/d3", None, B + 3).resumed_at is None
    assert first.hearing("device/d3", "hue-2", B + 3).resumed_at == B + 3


@pytest.mark.rule("HM-157")
def test_few_are_unknown_since_they_first_were() -> None:
    few = loss().becoming(B + 1, unknown=-81)
    assert few.few_since == B + 1
    assert few.becoming(B + 2, unknown=-1).few_since == B + 1
    again = few.becoming(B + 2, unknown=10)
    assert again.few_since is None
    assert again.becoming(B + 3, unknown=-10).few_since == B + 3


@pytest.mark.rule("HM-159")
def test_heartbeats_are_lost_since_the_last_one() -> None:
    org = Org(12)
    org.fall_silent(org.everybody, one_by_one=10)
    seen = loss_of(org.live())
    assert (seen.since, seen.begun_at) == (B - 2_000 + 110 - 3_000, B)


def seeing(
    of: Loss,
    *events: Event,
    unseen: Unseen | None = None,
    clock_at: Callable[[int, int], ShardClock] = lambda shard, at: ShardClock(shard, 1, at, at),
    open_debounce: int = 2_000,
) -> Seeing:
    """One subject, which stood as `silent` says before."""
    found = Seeing(
        before=B + 60_000,
        loss=of,
        unseen={} if unseen is None else {unseen.subject: unseen},
        census=None,
        rules_of=lambda _: Rules(TIMEOUT, open_debounce, "hue-1", 1),
        known=lambda subject: silent(subject, B - 2_000),
        clock_at=clock_at,
    )
    found.take(events)
    return found


@pytest.mark.rule("HM-154")
@pytest.mark.parametrize(("shown", "resumed_at"), [("unknown", B + 1_000), ("firing", None), ("pending_resolve", None)])
def test_only_who_is_unknown_says_that_reporting_has_resumed(shown: str, resumed_at: int | None) -> None:
    """Another one, behind another integration, has been heard before."""
    of = loss(heard=frozenset({"device/d2"}), heard_behind=frozenset({"hue-2"}))
    condition = None if shown == "unknown" else "device_offline"
    one = Unseen(subject="device/d1", shown=shown, condition=condition, judged=fires("device/d1", B))
    after = seeing(of, heard("device/d1", B + 1_000), unseen=one).loss
    assert after is not None
    assert after.resumed_at == resumed_at


@pytest.mark.rule("HM-152")
@pytest.mark.parametrize(("at", "shown"), [(B - 1, "firing"), (B, "unknown")])
def test_what_happened_before_heartbeats_were_lost_is_shown(at: int, shown: str) -> None:
    assert story(seeing(loss(), fires("device/d1", at)), "device/d1")[0] == (at - B, "pending_open", shown)


@pytest.mark.rule("HM-155")
@pytest.mark.parametrize(("passed", "shown"), [(TIMEOUT - 1, "unknown"), (TIMEOUT, "pending_open")])
def test_a_silence_that_outlasts_the_fresh_timeout_is_its_own(passed: int, shown: str) -> None:
    """It was allowed to be silent for longer when it was last heard."""
    resumed = B + 10_000
    late = silent("device/d1", resumed + passed, evidence=evidence(B, deadline=resumed + passed, heard=resumed - 1))
    found = seeing(loss(resumed_at=resumed), late)
    assert story(found, "device/d1")[0] == (resumed + passed - B, "healthy", shown)


@pytest.mark.rule("HM-84", "HM-155")
@pytest.mark.parametrize(("condition", "shown"), [("device_offline", 0), ("device_stolen", 1)])
def test_firing_on_is_news_where_it_is_for_another_condition(condition: str, shown: int) -> None:
    own: dict[str, Any] = {"condition": condition, "evidence": evidence(B, deadline=None)}
    found = seeing(loss(resumed_at=B + 1), change("device/d1", "firing", "firing", at=B + 2, **own))
    assert len(found.shown) == shown


@pytest.mark.rule("HM-152")
def test_who_was_pending_by_silence_is_unknown_while_heartbeats_are_lost() -> None:
    """Only where reporting has resumed has it been shown pending by a time of its own."""
    assert story(seeing(loss(), fires("device/d1", B + 1)), "device/d1") == [(1, "pending_open", "unknown")]
    old = evidence(B, deadline=B, heard=B - 5_000)
    resumed = seeing(loss(resumed_at=B + 1), fires("device/d1", B + 2, evidence=old))
    assert story(resumed, "device/d1") == [(2, "pending_open", "firing")]


UNREACHABLE: dict[str, Any] = {"condition": "integration_unreachable"}
WORSE = HeardAgain(
    shard=0,
    generation=1,
    place=(99, 0),
    org="acme",
    subject="integration/hue-1",
    condition="integration_credentials_invalid",
    status="credentials_invalid",
    at=B + 5,
)


def pending(judged: Change) -> Unseen:
    """Shown so by silence since `B`, with its open debounce."""
    until = Until(1, B, B + 2_000)
    return Unseen(subject=judged.subject, shown="pending_open", condition=judged.condition, judged=judged, until=until)


@pytest.mark.rule("HM-153")
def test_who_is_pending_is_so_for_what_it_says_last() -> None:
    found = seeing(loss(resumed_at=B + 1), WORSE, unseen=pending(fires("integration/hue-1", B, **UNREACHABLE)))
    assert [(each.at, each.to_state, each.condition) for each in found.shown] == [
        (B + 2_000, "firing", "integration_credentials_invalid")
    ]


@pytest.mark.rule("HM-9", "HM-153")
def test_who_says_what_it_is_pending_for_is_pending_still_where_its_shard_judges_so() -> None:
    """Its shard's debounce ends at the same instant, and its word is taken in behind it."""
    found = seeing(loss(resumed_at=B + 1), WORSE, unseen=pending(silent("integration/hue-1", B, **UNREACHABLE)))
    assert (found.shown, found.unseen) == ([], {})


WITH_A_HOLE = ShardClock(0, 1, B + 90_000, 62_000, (Hole(B + 1_000, B + 31_000),))
"""It shows nothing at `B`, and counts two seconds of the hole."""


@pytest.mark.rule("HM-230", "HM-291")
@pytest.mark.parametrize(
    ("open_debounce", "says", "fires_at"),
    [
        (5_000, None, 39_000),
        (5_000, 31_000, 33_000),
        (5_000, 32_999, 33_000),
        (5_000, 33_000, 33_000),
        (5_000, 33_001, 33_001),
        (5_000, 38_999, 38_999),
        (3_001, 31_000, 31_001),
        (3_000, 31_000, 31_000),
        (2_999, 31_000, 31_000),
    ],
)
def test_behind_a_hole_only_silence_has_its_times_again(open_debounce: int, says: int | None, fires_at: int) -> None:
    """Pending since `B`; of the time until the hole's end three seconds count, and from there on a silence has a
    timeout of three more."""
    reports = [] if says is None else [says_offline("device/d1", B + says)]
    row = replace(pending(fires("device/d1", B)), until=Until(1, 0, open_debounce))
    due = Due("device/d1", WITH_A_HOLE.instant_of(open_debounce), open_debounce)
    found = seeing(
        loss(resumed_at=B - 9),
        due,
        *reports,
        unseen=row,
        clock_at=lambda _, at: WITH_A_HOLE.back_at(at),
        open_debounce=open_debounce,
    )
    assert story(found, "device/d1") == [(fires_at, "pending_open", "firing")]
