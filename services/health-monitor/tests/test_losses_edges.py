"""Where the rules about lost heartbeats turn, a millisecond or a subject apart. Pure: the fold of one org."""

from collections.abc import Sequence

import pytest
from correlator_facts import change
from loss_facts import evidence, fires, heard, says_offline, silent

from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.losses import Census, Loss, Past, Standing, hushes
from fettle_health_monitor.domain.correlator.silences import Occurrence
from fettle_health_monitor.domain.correlator.unseen import Seeing
from fettle_health_monitor.domain.correlator.unseen_subjects import Event, Rules
from fettle_health_monitor.domain.correlator.verdicts import Cause, Named, called_for
from fettle_health_monitor.domain.judgements import Change

WINDOW = 10_000
TIMEOUT = 3_000
B = 1_790_000_000_000
"""When the first of them fires."""


def names(count: int) -> list[str]:
    return [f"device/d{number:03}" for number in range(count)]


class Org:
    """Healthy devices behind two integrations in turn, as far as nothing else is said."""

    def __init__(self, count: int, integrations: int = 2) -> None:
        self.everybody = names(count)
        self.standings = {
            name: Standing("healthy", False, "healthy", True, f"hue-{number % integrations}")
            for number, name in enumerate(self.everybody)
        }
        self.past: list[Past] = []
        self.silenced: list[tuple[str, Occurrence]] = []
        self.events: list[Event] = []
        self.timeout = TIMEOUT

    def turns(self, at: int, subject: str, before: str, after: str) -> None:
        """It has moved in the window, or just before."""
        self.standings[subject].at_beginning = before
        self.standings[subject].state = after
        self.past.append(Past(at, subject, after))

    def fall_silent(self, subjects: Sequence[str], *, one_by_one: int = 0) -> None:
        """A second before they fire, the first of them at `B`."""
        for number, subject in enumerate(subjects):
            self.events += [silent(subject, B - 2_000 + one_by_one * number), fires(subject, B + one_by_one * number)]

    def live(self, *more: Event, until: int = B + 60_000, window: int = WINDOW) -> Seeing:
        self.events += more
        stood = {each: silent(each, B - 2_000) for each in self.everybody}
        past = sorted(self.past, key=lambda each: each.at)
        seeing = Seeing(
            before=until,
            loss=None,
            unseen={},
            census=Census(self.standings, past, window, hushes(self.silenced)),
            rules_of=lambda subject: Rules(self.timeout, 2_000, self.standings[subject].integration, 1),
            known=lambda subject: stood[subject],
            clock_at=lambda shard, at: ShardClock(shard, 1, at, at),
        )
        rest = seeing.take(self.events)
        while rest:
            seeing._events.clear()
            seeing.census = Census(self.standings, past, window, (), loss_of(seeing).resumed_at)
            rest = seeing.take(rest)
        return seeing


def loss_of(seeing: Seeing) -> Loss:
    assert seeing.loss is not None
    return seeing.loss


def story(seeing: Seeing, subject: str) -> list[tuple[int, str | None, str | None]]:
    return [(each.at - B, each.from_state, each.to_state) for each in seeing.shown if each.subject == subject]


@pytest.mark.rule("HM-150")
@pytest.mark.parametrize(
    ("count", "down", "integrations", "lost"),
    [
        (100, 79, 2, False),
        (100, 80, 2, True),
        (12, 10, 2, True),
        (13, 10, 2, False),
        (15, 12, 2, True),
        (9, 9, 2, False),
        (10, 10, 2, True),
        (10, 10, 1, False),
    ],
)
def test_four_fifths_ten_and_two_integrations(count: int, down: int, integrations: int, lost: bool) -> None:
    org = Org(count, integrations)
    org.fall_silent(org.everybody[:down])
    assert (org.live().loss is not None) is lost


@pytest.mark.rule("HM-151")
@pytest.mark.parametrize(("before", "lost"), [(WINDOW, False), (WINDOW - 1, True)])
def test_who_fell_silent_a_window_ago_was_not_healthy_when_it_began(before: int, lost: bool) -> None:
    org = Org(10)
    org.fall_silent(org.everybody[1:])
    org.turns(B - before, org.everybody[0], "healthy", "pending_open")
    org.standings[org.everybody[0]].silent = True
    assert (org.live().loss is not None) is lost


@pytest.mark.rule("HM-151")
@pytest.mark.parametrize(("before", "counted"), [(WINDOW + 1, 11), (WINDOW, 11), (WINDOW - 1, 10)])
def test_who_was_well_just_when_the_window_began_counts(before: int, counted: int) -> None:
    org = Org(11)
    org.fall_silent(org.everybody[1:])
    org.turns(B - before, org.everybody[0], "pending_open", "healthy")
    assert loss_of(org.live()).counted == counted


@pytest.mark.rule("HM-151")
@pytest.mark.parametrize(
    ("start", "end", "counted"),
    [
        (B, B + 1, 10),
        (B + 1, B + 9, 11),
        (B - 9, B, 11),
        (B - 9, B + 1, 10),
    ],
)
def test_who_is_silenced_at_the_very_instant_is_not_counted(start: int, end: int, counted: int) -> None:
    org = Org(11)
    org.silenced = [(org.everybody[10], Occurrence(start, end)), (org.everybody[10], Occurrence(B - 90, B - 50))]
    org.fall_silent(org.everybody[:10])
    assert loss_of(org.live()).counted == counted


@pytest.mark.rule("HM-151")
def test_silences_are_looked_at_when_each_of_them_would_fire() -> None:
    """The first fires while too few count; by the third a silence has ended."""
    org = Org(12)
    org.silenced = [(org.everybody[number], Occurrence(B - 9_000, B + 2)) for number in range(3)]
    org.fall_silent(org.everybody, one_by_one=1)
    seeing = org.live()
    assert loss_of(seeing).begun_at == B + 2
    assert story(seeing, org.everybody[1])[-1] == (1, "pending_open", "firing")
    assert story(seeing, org.everybody[2])[-1] == (2, "pending_open", "unknown")


@pytest.mark.rule("HM-154")
@pytest.mark.parametrize(
    ("lost", "heard_ones", "resumed"), [(20, 2, True), (21, 2, False), (21, 3, True), (10, 1, True)]
)
def test_a_tenth_of_the_lost_is_enough(lost: int, heard_ones: int, resumed: bool) -> None:
    org = Org(lost)
    org.fall_silent(org.everybody)
    behind_one = org.everybody[::2]
    seeing = org.live(*(heard(each, B + 100 + number) for number, each in enumerate(behind_one[:heard_ones])))
    assert loss_of(seeing).resumed_at == (B + 99 + heard_ones if resumed else None)


@pytest.mark.rule("HM-154")
def test_who_is_lost_twice_counts_once() -> None:
    org = Org(20)
    org.fall_silent(org.everybody)
    twice, another = org.everybody[0], org.everybody[2]
    relapse = [
        heard(twice, B + 100),
        heard(twice, B + 2_100, "pending_resolve"),
        silent(twice, B + 3_100),
        heard(another, B + 4_000),
    ]
    seeing = org.live(*relapse)
    assert story(seeing, twice)[2:] == [
        (100, "unknown", "healthy"),
        (3_100, "healthy", "unknown"),
        (7_000, "unknown", "pending_open"),
    ]
    assert (loss_of(seeing).lost, loss_of(seeing).resumed_at) == (20, B + 4_000)


@pytest.mark.rule("HM-157")
@pytest.mark.parametrize(("still", "few"), [(3, False), (2, False), (1, True), (0, True)])
def test_exactly_a_fifth_is_not_few(still: int, few: bool) -> None:
    org = Org(10)
    org.fall_silent(org.everybody)
    back = [heard(each, B + 100) for each in org.everybody[still:]]
    seeing = org.live(*back, until=B + 200)
    assert (loss_of(seeing).unknown, loss_of(seeing).few_since) == (still, B + 100 if few else None)


@pytest.mark.rule("HM-155")
@pytest.mark.parametrize(
    ("after", "steps"),
    [
        (-1, [(TIMEOUT + 99, "unknown", "healthy")]),
        (0, [(TIMEOUT + 100, "unknown", "pending_open"), (TIMEOUT + 100, "pending_open", "healthy")]),
        (1, [(TIMEOUT + 100, "unknown", "pending_open"), (TIMEOUT + 101, "pending_open", "healthy")]),
        (1_999, [(TIMEOUT + 100, "unknown", "pending_open"), (TIMEOUT + 2_099, "pending_open", "healthy")]),
        (
            2_000,
            [
                (TIMEOUT + 100, "unknown", "pending_open"),
                (TIMEOUT + 2_100, "pending_open", "firing"),
                (TIMEOUT + 2_100, "firing", "pending_resolve"),
            ],
        ),
    ],
)
def test_heard_just_before_at_and_after_the_fresh_timeout(after: int, steps: list[tuple[int, str, str]]) -> None:
    org = Org(10)
    org.fall_silent(org.everybody)
    late = org.everybody[9]
    seeing = org.live(heard(org.everybody[0], B + 100), heard(late, B + 100 + TIMEOUT + after))
    assert loss_of(seeing).resumed_at == B + 100
    assert story(seeing, late)[2:] == steps


@pytest.mark.rule("HM-155")
@pytest.mark.parametrize(("last_heard", "shown"), [(-1, "unknown"), (0, "pending_open"), (1, "pending_open")])
def test_a_silence_that_began_just_before_reporting_resumed_is_not_its_own(last_heard: int, shown: str) -> None:
    org = Org(12)
    org.fall_silent(org.everybody[:11])
    late, resumed = org.everybody[11], B + 100
    comes_to_light = resumed + last_heard + TIMEOUT
    seeing = org.live(
        heard(org.everybody[0], resumed - 50), heard(org.everybody[1], resumed), silent(late, comes_to_light)
    )
    assert story(seeing, late)[0] == (comes_to_light - B, "healthy", shown)
    if shown == "unknown":
        assert story(seeing, late)[1] == (resumed + TIMEOUT - B, "unknown", "pending_open")


@pytest.mark.rule("HM-151")
def test_who_was_never_heard_again_is_not_lost_once_more() -> None:
    """Ten of twelve stay silent when reporting resumes, and fire; one that was heard falls silent, and fires too."""
    org = Org(12)
    org.fall_silent(org.everybody)
    one, another = org.everybody[:2]
    back = [heard(one, B + 1), heard(another, B + 2), heard(one, B + 500, "pending_resolve")]
    seeing = org.live(*back, silent(one, B + 5_000), fires(one, B + 7_000))
    assert loss_of(seeing).begun_at == B
    assert story(seeing, org.everybody[5])[-1] == (5_002, "pending_open", "firing")
    assert story(seeing, one)[-1] == (7_000, "pending_open", "firing")


def lifted(subject: str, at: int, from_: str, reason: str = "policy_changed") -> Change:
    """A new policy allows it more silence; the last heartbeat was the one before it fell silent."""
    return heard(subject, at, from_, reason=reason, evidence=evidence(at, deadline=None, heard=B - 5_000))


@pytest.mark.rule("HM-153", "HM-154")
def test_a_policy_that_allows_more_silence_is_no_heartbeat() -> None:
    org = Org(12)
    org.fall_silent(org.everybody)
    one, another = org.everybody[:2]
    more = [lifted(each, B + 100, "firing") for each in (one, another)]
    more += [lifted(each, B + 2_100, "pending_resolve", "debounce_passed") for each in (one, another)]
    seeing = org.live(*more)
    assert loss_of(seeing).resumed_at is None
    assert story(seeing, one)[-1] == (0, "pending_open", "unknown")


@pytest.mark.rule("HM-155")
def test_who_may_be_silent_for_longer_by_a_new_policy_is_found_dead_all_the_same() -> None:
    """Its fresh timeout by the old one ends while its shard allows the silence; the new one counts from then on."""
    org = Org(12)
    org.fall_silent(org.everybody)
    late = org.everybody[5]
    back = [heard(each, B + 100 + number) for number, each in enumerate(org.everybody[:2])]
    more = [lifted(late, B + 200, "firing"), lifted(late, B + 2_200, "pending_resolve", "debounce_passed")]
    seeing = org.live(*back, *more)
    assert story(seeing, late)[-1] == (0, "pending_open", "unknown")
    org.timeout = 8_150
    silence = {"evidence": evidence(B, deadline=B + 3_150, heard=B - 5_000, timeout_s=8.15)}
    seeing.take([silent(late, B + 3_150, **silence), fires(late, B + 5_150, **silence)])
    assert story(seeing, late)[-2:] == [(8_251, "unknown", "pending_open"), (10_251, "pending_open", "firing")]


@pytest.mark.rule("HM-153")
def test_who_says_that_it_is_offline_fires_though_heartbeats_are_lost_again() -> None:
    org = Org(13)
    slow, others = org.everybody[12], org.everybody[:12]
    org.fall_silent(org.everybody)
    silence = {"evidence": evidence(B, deadline=B + 1_500, heard=B + 500, timeout_s=1.0)}
    again = [heard(each, B + 100) for each in others]
    again += [silent(each, B + 1_500, **silence) for each in others]
    again += [fires(each, B + 3_500, **silence) for each in others]
    seeing = org.live(*again, says_offline(slow, B + 2_000), window=3_000)
    assert loss_of(seeing).begun_at == B + 3_500
    assert story(seeing, slow)[-1] == (4_000, "pending_open", "firing")


@pytest.mark.rule("HM-156", "HM-231")
def test_what_was_shown_as_it_was_is_no_better_by_a_policy_that_allows_more_silence() -> None:
    """Only a heartbeat, or its full timeout, changes what is shown of it."""
    org = Org(13)
    subject = org.everybody[12]
    org.fall_silent(org.everybody[:12])
    org.standings[subject].state = "pending_resolve"
    seen = evidence(B, deadline=B + 100, heard=B - 5_000)
    relapse = change(subject, "pending_resolve", "firing", at=B + 100, reason="silent", evidence=seen)
    more = [lifted(subject, B + 200, "firing"), lifted(subject, B + 2_200, "pending_resolve", "debounce_passed")]
    seeing = org.live(relapse, *more)
    assert story(seeing, subject) == []


@pytest.mark.rule("HM-308", "HM-150", "HM-151", "HM-152")
@pytest.mark.parametrize(("relapsing", "lost"), [(12, True), (9, False)])
def test_who_fires_by_the_orgs_own_timer_may_show_that_heartbeats_are_lost_again(relapsing: int, lost: bool) -> None:
    """By their shard they have been failing all along; for the org they were well, and have a debounce of their own.
    Another was not heard again: when it fires that is its own."""
    org = Org(13)
    org.fall_silent(org.everybody)
    *others, alone = org.everybody
    silence = evidence(B + 5_000, deadline=B + 5_000, heard=B + 2_000)
    again = [heard(each, B + 1_000) for each in others]
    again += [
        change(each, "pending_resolve", "firing", at=B + 5_000, reason="silent", evidence=silence)
        for each in others[:relapsing]
    ]
    seeing = org.live(*again)
    assert loss_of(seeing).begun_at == (B + 7_000 if lost else B)
    assert {story(seeing, each)[-1] for each in others[:relapsing]} == {
        (7_000, "pending_open", "unknown" if lost else "firing")
    }
    assert story(seeing, alone)[-1] == (6_000, "pending_open", "firing")
    assert {each.at for each in seeing.called} == {B}, "the shards have called for nothing since"


@pytest.mark.rule("HM-156")
def test_who_is_removed_while_heartbeats_are_lost_is_gone() -> None:
    """What its shard says of a removed subject still tells of its silence."""
    org = Org(13)
    subject = org.everybody[12]
    org.fall_silent(org.everybody[:12])
    org.standings[subject].state = "firing"
    seen = evidence(B + 100, deadline=B - 5_000)
    seeing = org.live(change(subject, "firing", None, at=B + 100, reason="forgotten", evidence=seen))
    assert story(seeing, subject) == [(100, "firing", None)]
    assert subject not in seeing.unseen


@pytest.mark.rule("HM-231")
def test_who_is_judged_to_flap_is_shown_so_when_it_is_heard_not_to_be_well() -> None:
    """A report of what is wrong after a silence is no change of state: its shard only says that it was heard."""
    org = Org(12)
    subject = org.everybody[11]
    org.fall_silent(org.everybody)
    seen = evidence(B + 1_000, deadline=B - 2_000)
    flaps = change(subject, "firing", "flapping", at=B + 1_000, reason="changed_too_often", evidence=seen)
    seeing = org.live(flaps, says_offline(subject, B + 5_000))
    assert story(seeing, subject)[-1] == (5_000, "unknown", "flapping")


@pytest.mark.rule("HM-68")
@pytest.mark.parametrize(("from_state", "calls"), [("firing", True), ("pending_open", False)])
def test_straight_from_firing_to_healthy_is_a_confirmed_recovery(from_state: str, calls: bool) -> None:
    """So goes who was shown as it had been, and has recovered meanwhile."""
    verdict = called_for(change("device/d1", from_state, "healthy", at=B), Named())
    assert (verdict is not None and verdict.cause is Cause.RECOVERED) is calls


@pytest.mark.rule("HM-228")
def test_what_no_shard_has_said_names_the_policy_that_holds_by_then() -> None:
    org = Org(12)
    org.fall_silent(org.everybody)
    back = [heard(each, B + 100 + number) for number, each in enumerate(org.everybody[:2])]
    shown = [each for each in org.live(*back).shown if each.reason == "debounce_passed"]
    assert {each.policy_version for each in shown} == {1}
