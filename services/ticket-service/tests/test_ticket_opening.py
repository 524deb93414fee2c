"""One incident, one ticket: keys, the reopen window, links back, and who may open what."""

from datetime import timedelta
from typing import Any

import pytest
from ticket_desk import ANN, BOB, MONITOR, OFFLINE, ORDER, WORKFLOW, Desk, happened, refusal

from fettle_contracts.ticket import MONITOR_KINDS, Resolution, TicketState
from fettle_ticket_service.domain.commands import Reopen, Resolve
from fettle_ticket_service.domain.decisions import Because, Unchanged
from fettle_ticket_service.domain.values import Actor, Link

WINDOW = timedelta(hours=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.rule("TS-11")
def test_a_new_ticket_is_open_with_the_next_number_and_version_one(desk: Desk) -> None:
    first, second = desk.opened(), desk.opened()
    assert (first.number, second.number) == (1, 2)
    assert (first.state, first.version, first.description_version) == (TicketState.OPEN, 1, 1)
    assert (first.opened_by, first.opened_at, first.updated_at) == (ANN, desk.now, desk.now)
    assert desk.book.counts[TicketState.OPEN] == 2


@pytest.mark.rule("TS-12")
def test_opening_with_a_held_key_changes_nothing_and_names_the_holder(desk: Desk) -> None:
    holder = desk.monitored()
    desk.start(holder)
    done = desk.open(actor=MONITOR, dedup_key=OFFLINE, title="Again")
    assert done.decision == Unchanged(Because.KEY_HELD)
    assert done.ticket is not None
    assert (done.ticket.id, done.ticket.title) == (holder.id, holder.title)


@pytest.mark.rule("TS-12")
def test_without_a_key_every_open_is_a_ticket(desk: Desk) -> None:
    assert desk.opened().id != desk.opened().id


@pytest.mark.rule("TS-13")
@pytest.mark.parametrize("actor", [MONITOR, WORKFLOW, ANN])
def test_inside_the_reopen_window_the_latest_ticket_comes_back(desk: Desk, actor: Actor) -> None:
    key = OFFLINE if actor is MONITOR else "lift-3"
    ticket = desk.resolved(desk.opened(actor=actor, dedup_key=key))
    desk.later(minutes=59, seconds=59)
    done = desk.open(actor=actor, dedup_key=key, flap_count=3)
    assert happened(done) == ["reopened"]
    again = desk.must(done)
    assert (again.id, again.number, again.state) == (ticket.id, ticket.number, TicketState.OPEN)
    assert (again.version, again.flap_count) == (ticket.version + 1, 3)


@pytest.mark.rule("TS-13")
def test_when_the_window_has_passed_a_new_ticket_links_back(desk: Desk) -> None:
    ticket = desk.resolved(desk.monitored())
    desk.later(hours=1)
    again = desk.monitored()
    assert (again.number, again.previous) == (2, ticket.link)


@pytest.mark.rule("TS-13")
def test_the_window_is_the_orgs_own(desk: Desk) -> None:
    desk.under(reopen_window=timedelta(0))
    desk.resolved(desk.monitored())
    assert desk.monitored().number == 2


@pytest.mark.rule("TS-13")
def test_the_latest_ticket_of_a_key_is_the_one_with_the_highest_number(desk: Desk) -> None:
    """Also where a person has reopened an earlier one since and resolved it again."""
    first = desk.resolved(desk.opened(dedup_key="lift-3"))
    desk.later(hours=2)
    second = desk.resolved(desk.opened(dedup_key="lift-3"))
    desk.later(hours=2)
    desk.ask(Reopen(actor=ANN), first)
    desk.ask(Resolve(actor=ANN), first)
    third = desk.opened(dedup_key="lift-3")
    assert (third.number, third.previous) == (3, second.link)


@pytest.mark.rule("TS-14")
def test_the_window_is_measured_by_the_time_that_a_signed_command_names(desk: Desk) -> None:
    resolved_at = desk.now
    ticket = desk.resolved(desk.monitored())
    desk.later(hours=5)
    inside = desk.open(actor=MONITOR, dedup_key=OFFLINE, at=resolved_at + timedelta(minutes=59))
    assert happened(inside) == ["reopened"]
    desk.must(desk.resolve(desk.must(inside), MONITOR, at=resolved_at + timedelta(minutes=60)))
    outside = desk.monitored(at=resolved_at + timedelta(minutes=120))
    assert (outside.number, outside.previous) == (2, ticket.link)


@pytest.mark.rule("TS-15")
@pytest.mark.parametrize("resolution", [Resolution.MERGED, Resolution.SUPERSEDED, Resolution.REMOVED])
def test_a_ticket_that_ended_otherwise_is_not_reopened_by_its_key(desk: Desk, resolution: Resolution) -> None:
    ticket = desk.resolved(desk.monitored(), MONITOR, resolution)
    again = desk.monitored()
    assert (again.number, again.previous) == (2, ticket.link)


@pytest.mark.rule("TS-16")
@pytest.mark.parametrize("resolution", [None, Resolution.MERGED])
def test_a_person_reopens_at_any_time(desk: Desk, resolution: Resolution | None) -> None:
    ticket = desk.resolved(desk.monitored(flap_count=4), MONITOR, resolution)
    desk.later(days=100)
    again = desk.must(desk.reopen(ticket, BOB))
    assert (again.state, again.flap_count) == (TicketState.OPEN, 4)


@pytest.mark.rule("TS-16")
def test_a_person_cannot_reopen_past_the_ticket_that_holds_the_key_now(desk: Desk) -> None:
    first = desk.resolved(desk.monitored())
    desk.later(hours=2)
    second = desk.monitored()
    done = desk.reopen(first)
    assert refusal(done) == "wrong_state"
    assert f"#{second.number}" in str(done.decision)
    desk.resolved(second)
    assert happened(desk.reopen(first)) == ["reopened"]
    assert desk.open(actor=MONITOR, dedup_key=OFFLINE).decision == Unchanged(Because.KEY_HELD)


@pytest.mark.rule("TS-16")
def test_the_monitor_reopens_inside_the_window_only_and_a_workflow_never(desk: Desk) -> None:
    ticket = desk.resolved(desk.monitored())
    assert refusal(desk.reopen(ticket, WORKFLOW)) == "wrong_state"
    assert happened(desk.reopen(ticket, MONITOR, flap_count=2)) == ["reopened"]
    desk.resolve(ticket)
    desk.later(hours=1)
    assert refusal(desk.reopen(ticket, MONITOR)) == "wrong_state"


@pytest.mark.rule("TS-16")
def test_the_monitor_reopens_nothing_that_ended_otherwise_or_was_never_its_own(desk: Desk) -> None:
    merged = desk.resolved(desk.monitored(), MONITOR, Resolution.MERGED)
    assert refusal(desk.reopen(merged, MONITOR)) == "wrong_state"
    assert refusal(desk.reopen(desk.resolved(desk.opened()), MONITOR)) == "wrong_state"


@pytest.mark.rule("TS-17")
@pytest.mark.parametrize(
    "key", ["device/t17:device_offline", "integration/hue-1:anything", "device/", "other/heartbeats:heartbeats_lost"]
)
@pytest.mark.parametrize("actor", [ANN, WORKFLOW])
def test_keys_of_devices_and_integrations_are_the_monitors(desk: Desk, key: str, actor: Actor) -> None:
    assert refusal(desk.open(actor=actor, dedup_key=key)) == "key_reserved"


@pytest.mark.rule("TS-17")
def test_other_keys_are_anyones(desk: Desk) -> None:
    assert desk.opened(dedup_key="devices/t17").dedup_key == "devices/t17"


@pytest.mark.rule("TS-111")
@pytest.mark.parametrize("kind", MONITOR_KINDS)
def test_people_do_not_report_what_the_monitor_finds(desk: Desk, kind: str) -> None:
    for said in (kind, f" {kind} "):
        assert refusal(desk.open(kind=said)) == "kind_reserved"
    assert desk.opened(actor=WORKFLOW, kind=kind).kind == kind
    assert desk.monitored(kind=kind).kind == kind
    assert desk.opened(kind="lift_noise").kind == "lift_noise"


@pytest.mark.rule("TS-18")
def test_people_cannot_report_where_the_org_has_switched_it_off(desk: Desk) -> None:
    desk.under(report_issue_enabled=False)
    assert refusal(desk.open()) == "report_issue_disabled"
    assert desk.opened(actor=WORKFLOW).number == 1
    assert desk.monitored().number == 2


TOO_MANY = tuple(Link(f"WO-{number}", "https://orders.test") for number in range(11))
LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"title": ""}, "title_empty"),
    ({"title": " \t"}, "title_empty"),
    ({"title": "x" * 201}, "title_too_long"),
    ({"title": "two\nlines"}, "title_too_long"),
    ({"title": "half\x00"}, "title_too_long"),
    ({"kind": ""}, "kind_invalid"),
    ({"kind": " "}, "kind_invalid"),
    ({"kind": "k" * 121}, "kind_invalid"),
    ({"description": "x" * 65_537}, "text_too_long"),
    ({"description": "ø" * 32_769}, "text_too_long"),
    ({"dedup_key": ""}, "key_invalid"),
    ({"dedup_key": "k" * 401}, "key_invalid"),
    ({"dedup_key": "nul\x00"}, "key_invalid"),
    ({"links": TOO_MANY}, "too_many_links"),
    ({"links": (Link("", "https://orders.test"),)}, "link_invalid"),
    ({"links": (Link("WO-7", "javascript:alert(1)"),)}, "link_invalid"),
    ({"links": (Link("WO-7", "https://orders.test/a b"),)}, "link_invalid"),
    ({"links": (Link("WO-7", "https://"),)}, "link_invalid"),
    ({"links": (Link("x" * 121, "https://orders.test"),)}, "link_invalid"),
    ({"links": (Link("WO-7", "https://orders.test/" + "x" * 2_000),)}, "link_invalid"),
]


@pytest.mark.rule("TS-19")
@pytest.mark.parametrize(("changes", "code"), LIMITS)
def test_what_does_not_fit_is_refused_by_the_rule_it_breaks(desk: Desk, changes: dict[str, Any], code: str) -> None:
    assert refusal(desk.open(**changes)) == code
    assert desk.book.next_number == 1


@pytest.mark.rule("TS-19")
def test_what_just_fits_is_taken(desk: Desk) -> None:
    ticket = desk.opened(
        title=" " + "x" * 200 + " ",
        kind="k" * 120,
        description="ø" * 32_768,
        dedup_key="k" * 400,
        links=TOO_MANY[:10],
    )
    assert ticket.title == "x" * 200
    assert len(ticket.links) == 10
    assert desk.opened(links=(ORDER,)).links == (ORDER,)


@pytest.mark.rule("TS-20")
def test_texts_are_kept_showable(desk: Desk) -> None:
    ticket = desk.opened(description="a\r\nb\rc\td\x00e\x1b[1m\ud800")
    assert ticket.description == "a\nb\nc\td�e�[1m�"


@pytest.mark.rule("TS-10")
def test_a_ticket_that_comes_back_by_its_key_does_so_after_its_latest_entry(desk: Desk) -> None:
    """The monitor's command waited while somebody resolved."""
    fired = desk.now
    ticket = desk.monitored()
    ended = desk.later(minutes=10)
    desk.resolved(ticket)
    back = desk.must(desk.open(actor=MONITOR, dedup_key=OFFLINE, at=fired))
    assert (back.id, back.updated_at) == (ticket.id, ended)
