"""What is written on tickets: comments, the description and its versions, links, and how differences read."""

from difflib import unified_diff

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ticket_desk import ANN, BOB, ORDER, Desk, happened, refusal

from fettle_ticket_service.domain.commands import Comment, EditDescription, SetLinks
from fettle_ticket_service.domain.decisions import Because, Unchanged
from fettle_ticket_service.domain.difference import COMPARISONS_LIMIT, CONTEXT_LINES, links_difference, text_difference
from fettle_ticket_service.domain.values import Link

OTHER = Link("Manual", "http://manuals.test/lift")


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.rule("TS-6")
@pytest.mark.parametrize(
    ("text", "code"), [("", "comment_empty"), (" \n", "comment_empty"), ("x" * 65_537, "text_too_long")]
)
def test_a_comment_has_text_but_not_too_much(desk: Desk, text: str, code: str) -> None:
    assert refusal(desk.ask(Comment(actor=ANN, text=text), desk.opened())) == code


@pytest.mark.rule("TS-6")
def test_the_limit_holds_for_a_comment_with_a_move_too(desk: Desk) -> None:
    assert refusal(desk.start(desk.opened(), comment="x" * 65_537)) == "text_too_long"


@pytest.mark.rule("TS-21")
def test_an_edit_keeps_who_when_and_the_difference(desk: Desk) -> None:
    ticket = desk.opened(description="It rattles.\nCall Otis.")
    desk.later(minutes=5)
    done = desk.ask(EditDescription(actor=BOB, description="It rattles.\nOtis called."), ticket)
    assert happened(done) == ["description-edited"]
    [entry] = done.entries
    assert (entry.event.actor, entry.event.at) == (BOB, desk.now)
    assert entry.event.body == "@@ -1,2 +1,2 @@\n It rattles.\n-Call Otis.\n+Otis called."
    assert (entry.ticket.description, entry.ticket.description_version) == ("It rattles.\nOtis called.", 2)


@pytest.mark.rule("TS-22")
def test_an_edit_of_an_outdated_version_is_refused(desk: Desk) -> None:
    ticket = desk.opened(description="one")
    desk.must(desk.ask(EditDescription(actor=ANN, description="two", description_version=1), ticket))
    late = EditDescription(actor=BOB, description="zwei", description_version=1)
    assert refusal(desk.ask(late, ticket)) == "description_changed"
    assert (
        refusal(desk.ask(SetLinks(actor=BOB, links=(ORDER,), description_version=1), ticket)) == "description_changed"
    )
    agreed = EditDescription(actor=BOB, description="two", description_version=1)
    assert desk.ask(agreed, ticket).decision == Unchanged(Because.SAME_TEXT)
    blunt = EditDescription(actor=BOB, description="drei")
    assert desk.must(desk.ask(blunt, ticket)).description_version == 3


@pytest.mark.rule("TS-22", "TS-23")
def test_an_edit_of_the_links_outdates_what_was_seen_before_it(desk: Desk) -> None:
    ticket = desk.opened(description="one")
    first = desk.must(desk.ask(SetLinks(actor=ANN, links=(ORDER,), description_version=1), ticket))
    assert first.description_version == 2
    for late in (
        SetLinks(actor=BOB, links=(OTHER,), description_version=1),
        EditDescription(actor=BOB, description="two", description_version=1),
    ):
        assert refusal(desk.ask(late, ticket)) == "description_changed"
    agreed = SetLinks(actor=BOB, links=(ORDER,), description_version=1)
    assert desk.ask(agreed, ticket).decision == Unchanged(Because.SAME_LINKS)
    again = SetLinks(actor=BOB, links=(ORDER, OTHER), description_version=2)
    assert desk.must(desk.ask(again, ticket)).links == (ORDER, OTHER)


@pytest.mark.rule("TS-22")
def test_other_events_do_not_outdate_an_edit(desk: Desk) -> None:
    ticket = desk.opened(description="one")
    desk.start(ticket, comment="On it.")
    edit = EditDescription(actor=BOB, description="two", description_version=1)
    assert happened(desk.ask(edit, ticket)) == ["description-edited"]


@pytest.mark.rule("TS-19")
def test_an_edit_keeps_the_limits(desk: Desk) -> None:
    ticket = desk.opened()
    assert refusal(desk.ask(EditDescription(actor=ANN, description="x" * 65_537), ticket)) == "text_too_long"
    links = tuple(Link(str(number), "https://orders.test") for number in range(11))
    assert refusal(desk.ask(SetLinks(actor=ANN, links=links), ticket)) == "too_many_links"


@pytest.mark.rule("TS-23")
def test_links_are_replaced_as_a_whole(desk: Desk) -> None:
    ticket = desk.opened(links=(ORDER,))
    done = desk.ask(SetLinks(actor=BOB, links=(OTHER,)), ticket)
    assert happened(done) == ["links-edited"]
    assert desk.must(done).links == (OTHER,)
    assert done.entries[0].event.body == "-WO-7 https://orders.test/7\n+Manual http://manuals.test/lift"
    assert desk.ask(SetLinks(actor=BOB, links=(OTHER,)), ticket).decision == Unchanged(Because.SAME_LINKS)
    assert desk.must(desk.ask(SetLinks(actor=BOB, links=()), ticket)).links == ()


@pytest.mark.rule("TS-23")
def test_a_new_order_of_links_shows_them_all() -> None:
    assert links_difference((ORDER, OTHER), (OTHER, ORDER)).splitlines() == [
        "-WO-7 https://orders.test/7",
        "-Manual http://manuals.test/lift",
        "+Manual http://manuals.test/lift",
        "+WO-7 https://orders.test/7",
    ]


def applied(before: str, difference: str) -> str:
    """The text after a difference, as a reader of the timeline would make it by hand."""
    old = before.split("\n") if before else []
    new: list[str] = []
    place = 0
    for line in difference.split("\n") if difference else []:
        if line.startswith("@@"):
            start, _, count = line.split(" ")[1][1:].partition(",")
            begin = int(start) if count == "0" else int(start) - 1
            new += old[place:begin]
            place = begin
        elif line.startswith("+"):
            new.append(line[1:])
        else:
            assert old[place] == line[1:]
            place += 1
            if line.startswith(" "):
                new.append(line[1:])
    return "\n".join(new + old[place:])


@pytest.mark.rule("TS-21")
@given(st.lists(st.sampled_from("abc "), max_size=12), st.lists(st.sampled_from("abc "), max_size=12))
def test_a_difference_makes_the_new_text_of_the_old(before: list[str], after: list[str]) -> None:
    assert applied("\n".join(before), text_difference("\n".join(before), "\n".join(after))) == "\n".join(after)


@pytest.mark.rule("TS-21")
def test_a_small_difference_reads_as_everywhere() -> None:
    before, after = [str(number) for number in range(40)], [str(number) for number in range(40)]
    after[20:22] = ["twenty"]
    ours = text_difference("\n".join(before), "\n".join(after))
    assert ours.splitlines() == list(unified_diff(before, after, n=CONTEXT_LINES, lineterm=""))[2:]


@pytest.mark.rule("TS-21")
def test_texts_that_have_nothing_in_common_are_compared_in_bounded_time() -> None:
    lines = int(COMPARISONS_LIMIT**0.5) + 1
    before, after = (["a"] * lines, [str(number) for number in range(lines)])
    difference = text_difference("\n".join(["same", *before]), "\n".join(["same", *after]))
    assert difference.splitlines() == [
        f"@@ -2,{lines} +2,{lines} @@",
        *(f"-{line}" for line in before),
        *(f"+{line}" for line in after),
    ]


@pytest.mark.rule("TS-20")
def test_a_comment_is_kept_so_that_it_can_be_shown(desk: Desk) -> None:
    ticket = desk.opened()
    for done in (
        desk.ask(Comment(actor=ANN, text="one\r\ntwo\x1b\ud800"), ticket),
        desk.start(ticket, comment="one\rtwo\x00�"),
    ):
        assert done.entries[-1].event.body == "one\ntwo��"
