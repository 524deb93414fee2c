"""Rollups by example: who is on a checklist, what the timeline says of it and when, parents and merges."""

from datetime import timedelta
from typing import Any

import pytest
from ticket_desk import ANN, MONITOR, OFFLINE, STORM, Desk, device, devices, happened, refusal

from fettle_contracts.ticket import Resolution, TicketState
from fettle_ticket_service.domain.checklist import NAMED_LIMIT, Change, Member
from fettle_ticket_service.domain.commands import Comment, Resolve
from fettle_ticket_service.domain.decisions import Applied, Because, Unchanged
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import TicketRef

PARENT = TicketRef(key=STORM)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def now(desk: Desk, ticket: Ticket) -> Ticket:
    """The ticket as it stands in the book."""
    found = desk.book.find(TicketRef(id=ticket.id))
    assert found is not None
    return found


def counts(ticket: Ticket) -> tuple[int, int]:
    return ticket.checklist.total, ticket.checklist.recovered


@pytest.mark.rule("TS-50")
def test_members_join_in_order_and_recover(desk: Desk) -> None:
    ticket = desk.rollup()
    done = desk.update(ticket, devices(3, 1, 2))
    assert isinstance(done.decision, Applied)
    assert (done.entries, done.ticket and done.ticket.version) == ((), ticket.version)
    at = desk.later(seconds=10)
    desk.update(ticket, recovered=devices(1))
    after = now(desk, ticket)
    assert counts(after) == (3, 1)
    assert after.checklist.first == (
        Member(1, device(3), ticket.opened_at, changes=1),
        Member(2, device(1), ticket.opened_at, at, changes=2),
        Member(3, device(2), ticket.opened_at, changes=1),
    )
    assert after.checklist.changes == 4


@pytest.mark.rule("TS-50")
def test_a_member_recovers_and_joins_when_the_command_says_so(desk: Desk) -> None:
    began = desk.now
    desk.later(minutes=5)
    ticket = desk.rollup(at=began)
    desk.update(ticket, devices(1, 2), devices(2), at=began)
    assert now(desk, ticket).checklist.first == (
        Member(1, device(1), began, changes=1),
        Member(2, device(2), began, began, changes=2),
    )


@pytest.mark.rule("TS-50")
def test_adding_who_is_there_changes_nothing_and_who_had_recovered_is_down_again(desk: Desk) -> None:
    ticket = desk.rollup()
    desk.update(ticket, devices(1, 2), devices(2))
    again = desk.update(ticket, (device(1, "Another name"),))
    assert again.decision == Unchanged(Because.ALREADY_SO)
    desk.update(ticket, devices(2, 2))
    assert counts(now(desk, ticket)) == (2, 0)
    assert [member.subject for member in now(desk, ticket).checklist.first] == [*devices(1, 2)]
    twice = desk.update(ticket, recovered=devices(1, 1))
    assert isinstance(twice.decision, Applied)
    assert [change for change, _ in twice.decision.members] == [Change.RECOVERED]
    assert desk.update(ticket, recovered=devices(1)).decision == Unchanged(Because.ALREADY_SO)


@pytest.mark.rule("TS-50")
def test_a_recovery_of_somebody_who_is_not_on_the_list_is_passed_over_with_a_reason(desk: Desk) -> None:
    ticket = desk.rollup()
    assert desk.update(ticket, recovered=devices(9)).decision == Unchanged(Because.NOT_MEMBERS)
    done = desk.update(ticket, devices(1), devices(1, 9))
    assert isinstance(done.decision, Applied)
    assert done.decision.because is Because.MEMBERS_ONLY
    assert counts(now(desk, ticket)) == (1, 1)


@pytest.mark.rule("TS-50")
def test_only_tickets_of_the_monitor_have_a_checklist(desk: Desk) -> None:
    assert refusal(desk.update(desk.opened(), devices(1))) == "wrong_state"


@pytest.mark.rule("TS-50")
def test_members_also_recover_after_the_ticket_was_resolved(desk: Desk) -> None:
    ticket = desk.rollup()
    desk.update(ticket, devices(1))
    desk.resolve(ticket)
    desk.update(ticket, recovered=devices(1))
    assert counts(now(desk, ticket)) == (1, 1)


@pytest.mark.rule("TS-51")
def test_an_event_shows_the_first_hundred(desk: Desk) -> None:
    ticket = desk.rollup()
    desk.update(ticket, devices(*range(99)))
    desk.update(ticket, devices(*range(99, 300)), devices(99, 250))
    after = now(desk, ticket)
    assert counts(after) == (300, 2)
    assert [member.subject for member in after.checklist.first] == [*devices(*range(100))]
    assert [member.place for member in after.checklist.first if member.recovered_at] == [100]


@pytest.mark.rule("TS-52")
def test_what_comes_with_the_opening_is_said_when_its_minute_is_over(desk: Desk) -> None:
    ticket = desk.rollup()
    desk.update(ticket, devices(1, 2))
    desk.later(seconds=59.999)
    assert happened(desk.update(ticket, devices(3), devices(1))) == []
    assert desk.note(ticket) is None
    desk.later(seconds=0.001)
    note = desk.note(ticket)
    assert note is not None
    assert (note.event.type, note.event.at, note.event.actor, note.ticket.version) == (
        *("checklist-changed", desk.now, MONITOR),
        ticket.version + 1,
    )
    assert note.event.evidence == {
        "added": {"count": 3, "members": [said(1), said(2), said(3)]},
        "recovered": {"count": 1, "members": [said(1)]},
        "checklist": {"total": 3, "recovered": 1},
    }
    assert desk.note(ticket) is None


@pytest.mark.rule("TS-52")
def test_the_first_change_after_a_quiet_minute_is_said_at_once(desk: Desk) -> None:
    ticket = desk.rollup()
    desk.later(minutes=10)
    assert happened(desk.update(ticket, devices(1))) == ["checklist-changed"]
    desk.later(seconds=1)
    assert happened(desk.update(ticket, devices(2))) == []
    desk.later(seconds=59)
    third = desk.update(ticket, devices(3), devices(1))
    assert happened(third) == ["checklist-changed"]
    assert third.entries[0].event.evidence == {
        "added": {"count": 2, "members": [said(2), said(3)]},
        "recovered": {"count": 1, "members": [said(1)]},
        "checklist": {"total": 3, "recovered": 1},
    }


@pytest.mark.rule("TS-52")
@pytest.mark.parametrize("command", [Comment(actor=ANN, text="Hm."), Resolve(actor=ANN, comment="Done.")])
def test_what_is_due_comes_before_whatever_happens_to_the_ticket_next(desk: Desk, command: Any) -> None:
    ticket = desk.rollup()
    desk.update(ticket, devices(1))
    desk.later(seconds=30)
    assert "checklist-changed" not in happened(desk.ask(Comment(actor=ANN, text="Soon."), ticket))
    desk.later(seconds=30)
    done = desk.ask(command, ticket)
    assert happened(done)[0] == "checklist-changed"
    assert [entry.ticket.version for entry in done.entries] == list(range(3, 3 + len(done.entries)))
    assert done.entries[0].event.at == done.entries[1].event.at


@pytest.mark.rule("TS-52")
def test_a_note_never_comes_after_what_it_stands_before(desk: Desk) -> None:
    """A command that was long under way names a time from before; its entry must not step back behind the note."""
    ticket = desk.rollup()
    desk.update(ticket, devices(1))
    began = desk.later(minutes=2)
    desk.later(minutes=5)
    note, resolved = desk.resolve(ticket, MONITOR, at=began).entries
    assert (note.event.at, resolved.event.at) == (began, began)


@pytest.mark.rule("TS-52")
def test_a_note_of_the_last_ticket_of_a_key_does_not_come_with_the_next_ones_opening(desk: Desk) -> None:
    ticket = desk.rollup()
    desk.update(ticket, devices(1))
    desk.resolve(ticket, MONITOR, resolution=Resolution.SUPERSEDED)
    desk.later(minutes=2)
    assert happened(desk.open(actor=MONITOR, dedup_key=STORM)) == ["opened"]
    assert desk.note(ticket) is not None


@pytest.mark.rule("TS-52")
def test_a_note_names_a_few_and_counts_all(desk: Desk) -> None:
    ticket = desk.rollup()
    for start in range(0, 1500, 500):
        desk.update(ticket, devices(*range(start, start + 500)))
    desk.update(ticket, recovered=devices(7))
    desk.update(ticket, devices(7))
    desk.later(minutes=1)
    note = desk.note(ticket)
    assert note is not None
    assert note.event.evidence is not None
    added = note.event.evidence["added"]
    assert (added["count"], added["members"]) == (1500, [said(number) for number in range(NAMED_LIMIT)])
    assert note.event.evidence["down_again"] == {"count": 1, "members": [said(7)]}


def said(number: int) -> dict[str, str]:
    return {"type": "device", "id": f"t{number}", "name": f"Thermostat {number}"}


@pytest.mark.rule("TS-55")
@pytest.mark.parametrize("name", ["id", "number", "key"])
def test_a_merged_ticket_names_its_parent_first_thing(desk: Desk, name: str) -> None:
    child, parent = desk.monitored(), desk.rollup()
    ref = {"id": TicketRef(id=parent.id), "number": TicketRef(number=parent.number), "key": PARENT}[name]
    done = desk.resolve(child, MONITOR, resolution=Resolution.MERGED, parent=ref)
    assert happened(done) == ["resolved", "comment-added"]
    assert done.entries[1].event.body == "Merged into #2"
    after = desk.must(done)
    assert (after.state, after.resolution, after.parent) == (TicketState.RESOLVED, Resolution.MERGED, parent.link)
    assert desk.resolve(child, MONITOR, resolution=Resolution.MERGED, parent=ref).decision == Unchanged(
        Because.ALREADY_SO
    )


@pytest.mark.rule("TS-55")
def test_a_comment_that_comes_with_a_merge_stands_below(desk: Desk) -> None:
    child, _ = desk.monitored(), desk.rollup()
    done = desk.resolve(child, MONITOR, resolution=Resolution.MERGED, parent=PARENT, comment="5 devices at once.")
    assert [entry.event.body for entry in done.entries] == [None, "Merged into #2\n\n5 devices at once."]


@pytest.mark.rule("TS-55")
def test_other_endings_link_to_their_parent_without_a_comment(desk: Desk) -> None:
    child, parent = desk.monitored(), desk.rollup()
    done = desk.resolve(child, MONITOR, resolution=Resolution.SUPERSEDED, parent=PARENT)
    assert happened(done) == ["resolved"]
    assert desk.must(done).parent == parent.link


@pytest.mark.rule("TS-55")
def test_a_key_names_its_unresolved_ticket_as_the_parent(desk: Desk) -> None:
    first = desk.rollup()
    desk.resolve(first, MONITOR, resolution=Resolution.SUPERSEDED)
    desk.later(hours=2)
    second = desk.rollup()
    assert desk.monitored(parent=PARENT).parent == second.link
    desk.resolve(second)
    assert desk.monitored(parent=PARENT, dedup_key=None).parent == second.link


@pytest.mark.rule("TS-55")
def test_a_ticket_is_merged_only_into_another_that_is_there(desk: Desk) -> None:
    child = desk.monitored()
    for parent in (PARENT, TicketRef(number=9), TicketRef(key=OFFLINE)):
        done = desk.resolve(child, MONITOR, resolution=Resolution.MERGED, parent=parent)
        assert refusal(done) == "parent_invalid"


@pytest.mark.rule("TS-56")
def test_an_opened_or_reopened_ticket_links_to_its_parent(desk: Desk) -> None:
    parent = desk.rollup()
    child = desk.monitored(parent=PARENT)
    assert child.parent == parent.link
    desk.resolve(child)
    assert desk.must(desk.reopen(child)).parent == parent.link
    other = desk.resolved(desk.monitored(dedup_key="device/t18:device_offline"))
    assert other.parent is None
    assert desk.monitored(dedup_key="device/t18:device_offline", parent=PARENT).parent == parent.link


@pytest.mark.rule("TS-56")
def test_a_ticket_that_comes_back_is_not_its_own_parent(desk: Desk) -> None:
    ticket = desk.resolved(desk.monitored(), MONITOR)
    back = desk.monitored(parent=TicketRef(key=OFFLINE))
    assert (back.id, back.state, back.parent) == (ticket.id, TicketState.OPEN, None)


@pytest.mark.rule("TS-56")
def test_a_parent_that_is_not_there_holds_up_no_incident(desk: Desk) -> None:
    assert desk.monitored(parent=TicketRef(number=9)).parent is None


@pytest.mark.rule("TS-15", "TS-55")
def test_a_merged_ticket_stays_merged_and_the_next_one_links_back(desk: Desk) -> None:
    child, _ = desk.monitored(), desk.rollup()
    merged = desk.must(desk.resolve(child, MONITOR, resolution=Resolution.MERGED, parent=PARENT))
    again = desk.monitored()
    assert (again.previous, again.parent) == (merged.link, None)


@pytest.mark.rule("TS-55")
def test_a_merged_ticket_that_a_person_reopens_is_no_part_of_the_other(desk: Desk) -> None:
    child, rollup = desk.monitored(), desk.rollup()
    desk.resolve(child, MONITOR, resolution=Resolution.MERGED, parent=PARENT)
    assert desk.must(desk.reopen(child)).parent is None
    superseded = desk.monitored(dedup_key="device/t18:device_offline", parent=PARENT)
    desk.resolve(superseded, MONITOR, resolution=Resolution.SUPERSEDED)
    assert desk.must(desk.reopen(superseded)).parent == rollup.link


@pytest.mark.rule("TS-58")
def test_the_flap_count_is_that_of_the_last_opening(desk: Desk) -> None:
    ticket = desk.resolved(desk.monitored(flap_count=5))
    assert ticket.flap_count == 5
    desk.later(seconds=timedelta(minutes=1).total_seconds())
    again = desk.must(desk.open(actor=MONITOR, dedup_key=OFFLINE, flap_count=7))
    assert (again.id, again.flap_count) == (ticket.id, 7)
    assert desk.must(desk.reopen(desk.resolved(again), MONITOR, flap_count=2)).flap_count == 2
