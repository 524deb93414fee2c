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


BEFORE = Incident(ticket("resolved", version=2, number=43, id=43))
BACK = ticket("open", version=3)
later = [
    (BACK, True),
    (ticket("in_progress", version=4), False),
    (ticket("resolved", version=5), False),
    (ticket("open", version=6), True),
    (ticket("resolved", number=43, id=43, version=2), False),
]


@pytest.mark.rule("HM-64", "HM-298")
@given(st.permutations(later[:3] + later[4:] + later), st.booleans())
def test_an_earlier_one_that_somebody_reopens_is_told_from_late_news(
    news: list[tuple[KnownTicket, bool]], ends: bool
) -> None:
    """In any order and twice, as soon as it is said that it is back; also when it comes to be resolved."""
    incident = BEFORE
    for known, brought_back in [later[0], *news, (ticket("resolved", version=7), False)][: None if ends else -1]:
        incident = incident.seen(known, None, brought_back=brought_back)
    first, second = (BEFORE.ticket, ticket("resolved", version=7)) if ends else (later[3][0], BEFORE.ticket)
    assert first is not None
    assert second is not None
    assert incident == Incident(first, others=(second,))


@pytest.mark.rule("HM-298")
def test_an_earlier_one_is_back_where_the_answer_to_an_open_says_so() -> None:
    """To the last one: any other may be older than the ticket that is known."""
    asked = BEFORE.asking("open", OPEN, T0)
    assert BEFORE.ticket is not None
    assert asked.seen(BACK, UUID(int=9)) == asked
    assert asked.seen(BACK, OPEN) == Incident(BACK, None, T0, (BEFORE.ticket,))
    assert asked.seen(ticket("resolved", version=2), OPEN) == Incident(BEFORE.ticket, None, T0)
    resolving = BEFORE.asking("resolve", RESOLVE, T0)
    assert resolving.seen(BACK, RESOLVE) == BEFORE


@pytest.mark.rule("HM-298")
def test_when_a_later_one_is_opened_all_earlier_ones_are_resolved() -> None:
    incident = BEFORE.seen(BACK, None, brought_back=True).seen(ticket(number=44, id=44), None)
    assert incident == Incident(ticket(number=44, id=44))
