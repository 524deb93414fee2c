"""Where the nodes of a graph are drawn, and what the picture of a workflow says."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from console_graphs import ALERT, node
from hypothesis import given, settings
from hypothesis import strategies as st

from fettle_console.domain.layering import Layered, Link, crossings, layered
from fettle_console.views.graph import TALL, WIDE, Graph, Reached

NODE, GAP = 200, 20


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[Link]]:
    """Up to 15 nodes, in any order, each after some of others."""
    count = draw(st.integers(0, 15))
    names = [f"n{number}" for number in range(count)]
    links = [
        Link(names[source], names[target], way)
        for target in range(1, count)
        for source in draw(st.sets(st.integers(0, target - 1), max_size=4))
        for way in draw(st.sets(st.sampled_from(["done", "error"]), min_size=1))
    ]
    return draw(st.permutations(names)), links


def places(names: list[str], links: list[Link]) -> Layered:
    found = layered(names, links, node=NODE, gap=GAP)
    assert found is not None
    return found


@pytest.mark.rule("AC-140")
@settings(max_examples=50)
@given(graphs())
def test_what_follows_stands_below_and_nothing_lies_on_anything_else(graph: tuple[list[str], list[Link]]) -> None:
    names, links = graph
    found = places(names, links)
    depth = {spot: index for index, layer in enumerate(found.layers) for spot in layer}
    assert sorted(name for name, *more in depth if not more) == sorted(names)
    for spots in found.passing.values():
        assert [depth[lower] - depth[upper] for upper, lower in pairwise(spots)] == [1] * (len(spots) - 1)
    for layer in found.layers:
        for left, right in pairwise(layer):
            apart = GAP + sum(NODE / 2 for spot in (left, right) if len(spot) == 1)
            assert found.x[right] - found.x[left] >= apart - 0.01
    for (*_, last), at in [(spot, at) for spot, at in found.x.items() if len(spot) == 1]:
        assert last in names
        assert NODE / 2 - 0.01 <= at <= found.width - NODE / 2 + 0.01


@pytest.mark.rule("AC-140")
def test_a_chain_is_a_straight_line_and_a_fork_stands_around_it() -> None:
    chain = [Link("a", "b", "done"), Link("b", "c", "done")]
    found = places(["a", "b", "c"], chain)
    assert len({found.x[name,] for name in "abc"}) == 1
    forked = places(["a", "b", "c"], [Link("a", "b", "true"), Link("a", "c", "false")])
    trailing = places([*"abcde"], [Link(one, other, "done") for one, other in ("ab", "ac", "bd", "de")])
    assert max(trailing.x[name,] for name in "bde") - min(trailing.x[name,] for name in "bde") < 2
    assert forked.x["a",] == pytest.approx((forked.x["b",] + forked.x["c",]) / 2)


@pytest.mark.rule("AC-140")
def test_lines_that_need_not_cross_do_not() -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    links = [Link(source, target, "done") for source, target in ("af", "be", "cd")]
    found = places(names, links)
    assert crossings(found.layers, found.passing.values()) == 0
    assert crossings([[("a",), ("b",)], [("f",), ("e",)]], [(("a",), ("e",)), (("b",), ("f",))]) == 1


@pytest.mark.rule("AC-140")
def test_what_nobody_could_follow_is_not_drawn_and_holds_nobody_up() -> None:
    nodes = [node(f"n{at}", "action", "wait", *(f"n{before}" for before in range(at))) for at in range(100)]
    assert Graph.of(nodes) is None
    assert Graph.of(nodes[:18]) is not None


def drawn(nodes: Sequence[dict[str, Any]], reached: Mapping[str, Reached] | None = None) -> Graph:
    graph = Graph.of(nodes, reached)
    assert graph is not None
    return graph


def boxes(graph: Graph) -> dict[str, Any]:
    return {one.whole: one for one in graph.boxes}


@pytest.mark.rule("AC-140")
def test_the_picture_says_what_each_node_does_and_by_which_way_it_follows() -> None:
    graph = drawn(ALERT)
    shown = boxes(graph)
    assert [one.words for one in graph.boxes] == [
        "a ticket opens", "decide", "tell a channel", "comment on a ticket", "comment on a ticket",
    ]  # fmt: skip
    assert shown["failed"].label == "failed: comment on a ticket, after tell (error)"
    assert (shown["tell"].line, shown["noted"].y == shown["failed"].y) == (6, True)
    assert sorted(sign.way for sign in graph.signs) == ["error", "true"]
    assert {one.stand for one in graph.boxes} == {None}
    assert all(one.taken for one in graph.arrows)
    assert all(one.x >= 0 and one.x + WIDE <= graph.width and one.y + TALL <= graph.height for one in graph.boxes)


@pytest.mark.rule("AC-141")
def test_the_picture_of_a_run_says_how_far_it_came_and_by_which_ways() -> None:
    reached = {
        "opened": Reached.of({"state": "done"}),
        "daytime": Reached.of({"state": "done", "output": {"holds": True}}),
        "tell": Reached.of({"state": "failed", "output": None}, "Failed after 3 attempts"),
        "noted": Reached.of({"state": "skipped"}),
    }
    graph = drawn(ALERT, reached)
    shown = boxes(graph)
    assert [one.words for one in graph.boxes] == ["Done", "Done", "Failed after 3 attempts", "Skipped", "Not reached"]
    assert shown["tell"].label == "tell: tell a channel, after daytime (true). Failed after 3 attempts"
    assert (shown["failed"].stand, shown["noted"].stand.word) == (None, "Skipped")
    assert [one.taken for one in graph.arrows] == [True, True, False, True]


@pytest.mark.rule("AC-140")
def test_long_names_are_cut_in_the_picture_and_whole_for_those_who_hear_it() -> None:
    long = "n" * 50
    [box] = drawn([node(long, "action", "of.later", line=3)]).boxes
    assert (box.name, box.whole, box.words) == ("n" * 20 + "…", long, "of.later")
    assert drawn([]).boxes == []
