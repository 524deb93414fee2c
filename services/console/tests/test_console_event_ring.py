"""The ring of recent events: resume exactly where a stream broke off, or be told that this cannot be."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fettle_console.domain.event_ring import EventRing, LiveEvent, Reset, Versions

ORGS = ("acme", "demo", "zoo")


def event(org: str, text: str) -> LiveEvent:
    return LiveEvent(org, "fettle.ticket.opened.v1", text)


class Rings(RuleBasedStateMachine):
    """A ring of small limits beside a list of everything that was ever put in."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = EventRing("o", events=3, size=40)
        self.all: dict[str, list[str]] = {org: [] for org in ORGS}

    @rule(org=st.sampled_from(ORGS), size=st.integers(1, 50))
    def something_happens(self, org: str, size: int) -> None:
        text = f"{len(self.all[org])}".ljust(size, ".")
        self.all[org].append(text)
        self.ring.append(event(org, text))

    @rule(org=st.sampled_from(ORGS), back=st.integers(0, 6))
    def somebody_resumes(self, org: str, back: int) -> None:
        """Either everything since, in order, or a reset: never a gap."""
        place = max(0, len(self.all[org]) - back)
        resumed = self.ring.resume(org, self.ring.id_of(place))
        if isinstance(resumed, Reset):
            assert resumed.place == len(self.all[org])
            return
        found = self.ring.after(org, resumed)
        assert not isinstance(found, Reset)
        assert [shown.data for _, shown in found] == self.all[org][place:]
        assert [place for place, _ in found] == list(range(place + 1, len(self.all[org]) + 1))

    @invariant()
    def it_stays_small(self) -> None:
        kept = {org: self.kept(org) for org in ORGS}
        assert all(len(events) <= 3 for events in kept.values())
        assert sum(len(text) for events in kept.values() for text in events) <= 40

    @invariant()
    def a_fresh_reader_starts_at_the_end(self) -> None:
        for org in ORGS:
            assert self.ring.resume(org, None) == len(self.all[org])

    def kept(self, org: str) -> list[str]:
        for place in range(len(self.all[org]) + 1):
            found = self.ring.after(org, place)
            if not isinstance(found, Reset):
                return [shown.data for _, shown in found]
        raise AssertionError("even the end is gone")


TestRings = pytest.mark.rule("AC-15")(Rings.TestCase)


@pytest.mark.rule("AC-15")
@example("o-00")
@example("o-01")
@example("o-" + "9" * 5_000)
@given(st.text() | st.from_regex(r"o--?[0-9]{1,30}", fullmatch=True) | st.just("other-1"))
def test_a_foreign_or_impossible_id_resets(text: str) -> None:
    ring = EventRing("o")
    ring.append(event("acme", "x"))
    expected = int(text[2:]) if text in ("o-0", "o-1") else Reset(1)
    assert ring.resume("acme", text) == expected


@pytest.mark.rule("AC-2")
def test_ids_tell_nothing_of_other_orgs() -> None:
    ring = EventRing("o")
    for _ in range(100):
        ring.append(event("acme", "x"))
    ring.append(event("demo", "y"))
    assert ring.after("demo", 0) == [(1, event("demo", "y"))]


@pytest.mark.rule("AC-16")
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5))))
def test_of_each_ticket_versions_only_grow(arrivals: list[tuple[str, int]]) -> None:
    versions, highest = Versions(), {"a": 0, "b": 0}
    for ticket, version in arrivals:
        assert versions.is_news(ticket, version) == (version > highest[ticket])
        highest[ticket] = max(highest[ticket], version)


@pytest.mark.rule("AC-16")
def test_versions_are_remembered_of_those_tickets_that_changed_last() -> None:
    versions = Versions(limit=2)
    for ticket, version in (("a", 1), ("b", 1), ("a", 2), ("c", 1)):
        assert versions.is_news(ticket, version)
    assert not versions.is_news("a", 2)
    assert versions.is_news("b", 1), "more is remembered than may be"


@pytest.mark.rule("AC-15")
def test_the_org_that_was_quiet_for_longest_gives_way_first() -> None:
    ring = EventRing("o", size=30)
    for org in ("acme", "demo", "acme", "zoo"):
        ring.append(event(org, "." * 10))
    assert ring.after("demo", 0) == Reset(1)
    assert ring.after("acme", 0) == [(place, event("acme", "." * 10)) for place in (1, 2)]
