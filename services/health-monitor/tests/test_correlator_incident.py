"""What is known of a ticket, whatever order the news comes in."""

from uuid import UUID

import pytest
from correlator_facts import T0, ticket
from hypothesis import given
from hypothesis import strategies as st

from fettle_health_monitor.domain.correlator.incident import Incident, KnownTicket

OPEN, RESOLVE = UUID(int=1), UUID(int=2)


@pytest.mark.rule("HM-68")
def test_an_answer_to_an_older_command_leaves_the_newer_one_open() -> None:
    incident = Incident().asking("open", OPEN, T0).asking("resolve", RESOLVE, T0 + 1)
    incident = incident.seen(ticket("open", version=1), OPEN)
    assert not incident.surely_open
    assert incident.asked is not None
    incident = incident.seen(ticket("resolved", version=2), RESOLVE)
    assert incident == Incident(ticket("resolved", version=2), opened_at=T0)


@pytest.mark.rule("HM-142")
def test_a_ticket_is_as_old_as_what_first_asked_for_it() -> None:
    asked = Incident().asking("open", OPEN, T0).asking("open", UUID(int=3), T0 + 5)
    assert asked.opened_at == T0
    assert asked.seen(ticket("open", version=1), UUID(int=3)).asking("open", UUID(int=4), T0 + 9).opened_at == T0
    assert asked.asking("resolve", RESOLVE, T0 + 6).asking("open", UUID(int=5), T0 + 7).opened_at == T0 + 7


@pytest.mark.rule("HM-68")
def test_a_refused_open_leaves_no_ticket_behind() -> None:
    incident = Incident().asking("open", OPEN, T0).seen(None, OPEN)
    assert not incident.maybe_open


story = [
    ticket("open", version=1),
    ticket("resolved", version=2),
    ticket("open", version=3),
    ticket("open", number=43, id=43),
]


@pytest.mark.rule("HM-64")
@given(st.permutations(story + story))
def test_news_in_any_order_and_twice_ends_at_the_newest(news: list[KnownTicket]) -> None:
    incident = Incident()
    for known in news:
        incident = incident.seen(known, None)
    assert incident == Incident(story[-1])
