"""The graph of a workflow as a picture: nodes as boxes, what follows what as arrows from the top down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fettle_console.domain.layering import Layered, Link, Spot, layered
from fettle_console.views.outcomes import Stand, node_stand
from fettle_console.views.workflows import trigger

WIDE, TALL = 192, 52
_BESIDE, _BETWEEN = 20, 48
_EDGE = 4
"""Pixels: a box's width and height, the room between boxes and between layers, and around all."""

_NAME_CHARACTERS, _WORD_CHARACTERS = 21, 26

_DEEDS = {
    "signal": "another system signals",
    "health.transition": "a subject's health changes",
    "ticket.open": "open a ticket",
    "ticket.start": "start work on a ticket",
    "ticket.resolve": "resolve a ticket",
    "ticket.comment": "comment on a ticket",
    "notify": "tell a channel",
    "http.request": "call a web address",
    "wait": "wait",
    "fail": "end the run as failed",
}
_USUAL = "done"


@dataclass(frozen=True, slots=True)
class Reached:
    """A node that a run has reached: how it stands, in words too, and the ways out of it that were taken."""

    stand: Stand
    words: str
    ways: frozenset[str]

    @classmethod
    def of(cls, step: Mapping[str, Any], words: str = "") -> "Reached":
        """Of a step of a run or of a test run. `words` say more of it than how it stands."""
        stand = node_stand(step["state"])
        return cls(stand, words or stand.word, _ways(step["state"], step.get("output")))


def _ways(state: str, output: Any) -> frozenset[str]:
    if state == "failed":
        return frozenset({"error"})
    if state != "done":
        return frozenset()
    holds = output.get("holds") if isinstance(output, Mapping) else None
    return frozenset({_USUAL, str(holds).lower()})


@dataclass(frozen=True, slots=True)
class Box:
    """A node. `x` and `y` are its upper left corner; `name` (the `whole` of it) and `words` are cut to the room that
    there is, `label` is for those who do not see the picture. Without a `stand` no run has reached it."""

    x: int
    y: int
    whole: str
    name: str
    kind: str
    words: str
    label: str
    line: int
    stand: Stand | None


@dataclass(frozen=True, slots=True)
class Arrow:
    """That a node follows another by the way `way`."""

    path: str
    way: str
    taken: bool


@dataclass(frozen=True, slots=True)
class Sign:
    """The name of a way out of a node, where its arrows begin; the usual one has none."""

    way: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The picture, `width` by `height`. `of_run`: it shows how far a run has come."""

    width: int
    height: int
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    signs: Sequence[Sign]
    of_run: bool

    @classmethod
    def of(cls, nodes: Sequence[Mapping[str, Any]], reached: Mapping[str, Reached] | None = None) -> "Graph | None":
        """Of the nodes of a workflow's graph, with those that a run has `reached` if it is one of a run. None for one
        that is too tangled to be drawn."""
        links = list(
            dict.fromkeys(Link(one["node"], node["node"], one["way"]) for node in nodes for one in node["after"])
        )
        places = layered([node["node"] for node in nodes], links, node=WIDE, gap=_BESIDE)
        if places is None:
            return None
        tops = {spot: _top(layer) for layer, spots in enumerate(places.layers) for spot in spots}
        exits = _exits(links, places)
        return cls(
            width=round(places.width) + 2 * _EDGE,
            height=_top(len(places.layers)) - _BETWEEN + _EDGE,
            boxes=[_box(node, places.x[node["node"],], tops[node["node"],], reached) for node in nodes],
            arrows=[
                _arrow(link, exits[link], places, tops, reached is None or link.way in _taken(reached, link.source))
                for link in links
            ],
            signs=list(dict.fromkeys(_sign(link, exits[link], tops) for link in links if link.way != _USUAL)),
            of_run=reached is not None,
        )


def _top(layer: int) -> int:
    return _EDGE + layer * (TALL + _BETWEEN)


def _taken(reached: Mapping[str, Reached], node: str) -> frozenset[str]:
    return reached[node].ways if node in reached else frozenset()


def deed(node: Mapping[str, Any]) -> str:
    """What a node is for: `comment on a ticket`, `a ticket opens`, `decide`."""
    return "decide" if node["kind"] == "if" else _DEEDS.get(node["does"]) or trigger(node["does"])


def _box(node: Mapping[str, Any], middle: float, top: int, reached: Mapping[str, Reached] | None) -> Box:
    name, does = node["node"], deed(node)
    ran = (reached or {}).get(name)
    outcome = None if reached is None else ran.words if ran else "Not reached"
    after = " or ".join(
        one["node"] if one["way"] == _USUAL else f"{one['node']} ({one['way']})" for one in node["after"]
    )
    said = f"{name}: {does}{f', after {after}' if after else ''}{f'. {outcome}' if outcome else ''}"
    return Box(
        x=round(middle - WIDE / 2) + _EDGE,
        y=top,
        whole=name,
        name=_cut(name, _NAME_CHARACTERS),
        kind=node["kind"],
        words=_cut(outcome or does, _WORD_CHARACTERS),
        label=said,
        line=node["line"],
        stand=ran.stand if ran else None,
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _exits(links: Sequence[Link], places: Layered) -> dict[Link, int]:
    """Where each arrow leaves its box: one place for each way out, in the order in which they part."""
    towards: dict[str, dict[str, list[float]]] = {}
    for link in links:
        towards.setdefault(link.source, {}).setdefault(link.way, []).append(places.x[places.passing[link][1]])
    found = {}
    for link in links:
        ways = towards[link.source]
        order = sorted(ways, key=lambda way: (sum(ways[way]) / len(ways[way]), way))
        share = (order.index(link.way) + 1) / (len(order) + 1)
        found[link] = round(places.x[link.source,] + WIDE * (share - 0.5)) + _EDGE
    return found


def _arrow(link: Link, start: int, places: Layered, tops: Mapping[Spot, int], taken: bool) -> Arrow:
    spots = places.passing[link]
    path = f"M{start} {tops[spots[0]] + TALL}"
    for upper, lower in pairwise(spots):
        from_x = start if upper is spots[0] else round(places.x[upper]) + _EDGE
        to_x, from_y, to_y = round(places.x[lower]) + _EDGE, tops[upper] + TALL, tops[lower]
        half = (from_y + to_y) // 2
        path += f"C{from_x} {half} {to_x} {half} {to_x} {to_y}"
        if lower is not spots[-1]:
            path += f"V{to_y + TALL}"
    return Arrow(path, link.way, taken)


def _sign(link: Link, start: int, tops: Mapping[Spot, int]) -> Sign:
    return Sign(link.way, start, tops[link.source,] + TALL + 18)
