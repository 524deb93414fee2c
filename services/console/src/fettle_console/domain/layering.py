"""Where the nodes of a graph without circles are drawn: in layers from the top down, few lines crossing each other.

After Sugiyama, Tagawa and Toda (1981): each node one layer under the lowest that it follows, the order inside a layer
by the mean place of neighbours, places inside a layer as near to those of the neighbours as there is room.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from statistics import fmean

_SWEEPS = 8
TANGLED = 1_000
"""Steps of lines from layer to layer beyond which nothing is laid out; up to there it takes a tenth of a second."""

Spot = tuple[str, ...]
"""A node by its name alone, or where a line that is longer than one layer passes by: source, target, way and layer."""


@dataclass(frozen=True, slots=True)
class Link:
    """From `source` to `target`, by the way `way` out of the source."""

    source: str
    target: str
    way: str


@dataclass(frozen=True, slots=True)
class Layered:
    """`layers` from the top down, each from left to right; `x` are middles of spots, the leftmost edge is at 0;
    `passing` are the spots that a link goes by from its source to its target, both included."""

    layers: Sequence[Sequence[Spot]]
    x: Mapping[Spot, float]
    passing: Mapping[Link, Sequence[Spot]]
    width: float


def layered(names: Sequence[str], links: Sequence[Link], *, node: float, gap: float) -> Layered | None:
    """Places for nodes that are `node` wide, at least `gap` apart; lines passing by need `gap` on each side. None where
    so many lines pass by that nobody could follow them. Raises `graphlib.CycleError` for links around in a circle."""
    depth = _depths(names, links)
    if sum(depth[link.target] - depth[link.source] for link in links) > TANGLED:
        return None
    layers: list[list[Spot]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in names:
        layers[depth[name]].append((name,))
    passing = {}
    for link in links:
        between = range(depth[link.source] + 1, depth[link.target])
        spots = [(link.source, link.target, link.way, str(layer)) for layer in between]
        for layer, spot in zip(between, spots, strict=True):
            layers[layer].append(spot)
        passing[link] = ((link.source,), *spots, (link.target,))
    ordered = _ordered(layers, passing.values())
    x = _placed(ordered, passing.values(), node, gap)
    left = min((x[spot] - _half(spot, node) for layer in ordered for spot in layer), default=0.0)
    right = max((x[spot] + _half(spot, node) for layer in ordered for spot in layer), default=0.0)
    return Layered(ordered, {spot: at - left for spot, at in x.items()}, passing, right - left)


def crossings(layers: Sequence[Sequence[Spot]], passing: Iterable[Sequence[Spot]]) -> int:
    """How many pairs of lines cross each other between layers."""
    place = _places(layers)
    depth = {spot: index for index, layer in enumerate(layers) for spot in layer}
    steps: list[list[tuple[int, int]]] = [[] for _ in layers]
    for spots in passing:
        for upper, lower in pairwise(spots):
            steps[depth[upper]].append((place[upper], place[lower]))
    return sum(map(_inversions, steps))


def _inversions(steps: list[tuple[int, int]]) -> int:
    ends: list[int] = []
    found = 0
    for _, end in sorted(steps):
        found += len(ends) - bisect_right(ends, end)
        insort(ends, end)
    return found


def _depths(names: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    follows: dict[str, list[str]] = {name: [] for name in names}
    for link in links:
        follows[link.target].append(link.source)
    depth: dict[str, int] = {}
    for name in TopologicalSorter(follows).static_order():
        depth[name] = max((depth[source] + 1 for source in follows[name]), default=0)
    return depth


def _ordered(layers: Sequence[Sequence[Spot]], passing: Iterable[Sequence[Spot]]) -> list[list[Spot]]:
    """The order with the fewest crossings that sweeping down and up comes by; where all are alike the first."""
    lines = list(passing)
    above, below = _neighbours(lines)
    order = [list(layer) for layer in layers]
    best, fewest = [list(layer) for layer in order], crossings(order, lines)
    place = _places(order)
    for sweep in range(_SWEEPS):
        near, turn = (above, order) if sweep % 2 == 0 else (below, order[::-1])
        for layer in turn:
            layer.sort(key=lambda spot: fmean([place[one] for one in near.get(spot, ())] or [place[spot]]))
            place.update(_places([layer]))
        found = crossings(order, lines)
        if found < fewest:
            best, fewest = [list(layer) for layer in order], found
    return best


def _placed(
    layers: Sequence[Sequence[Spot]], passing: Iterable[Sequence[Spot]], node: float, gap: float
) -> dict[Spot, float]:
    above, below = _neighbours(passing)
    x: dict[Spot, float] = {}
    for layer in layers:
        x.update(_apart(layer, dict.fromkeys(layer, 0.0), node, gap))
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            near = {spot: [*above.get(spot, ()), *below.get(spot, ())] for spot in layer}
            x.update(_apart(layer, _wanted(layer, near, x), node, gap))
    for layer in layers:  # at last below what is followed: chains are straight, forks even
        x.update(_apart(layer, _wanted(layer, above, x), node, gap))
    return x


def _wanted(
    layer: Sequence[Spot], near: Mapping[Spot, Sequence[Spot]], x: Mapping[Spot, float]
) -> Mapping[Spot, float]:
    return {spot: fmean([x[one] for one in near.get(spot, ())] or [x[spot]]) for spot in layer}


def _apart(layer: Sequence[Spot], wanted: Mapping[Spot, float], node: float, gap: float) -> dict[Spot, float]:
    """Places as near to what is wanted (by squares) as the order and the room between neighbours let them be: where
    some are in each other's way they stand together around their mean (isotonic regression)."""
    offset, offsets = 0.0, []
    for index, spot in enumerate(layer):
        if index:
            offset += _half(layer[index - 1], node) + gap + _half(spot, node)
        offsets.append(offset)
    blocks: list[list[float]] = []  # of each its mean and how many it holds
    for spot, before in zip(layer, offsets, strict=True):
        blocks.append([wanted[spot] - before, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            held = blocks[-1]
            held[0] = (held[0] * held[1] + mean * count) / (held[1] + count)
            held[1] += count
    means = [mean for mean, count in blocks for _ in range(int(count))]
    return {spot: mean + before for spot, mean, before in zip(layer, means, offsets, strict=True)}


def _neighbours(passing: Iterable[Sequence[Spot]]) -> tuple[dict[Spot, list[Spot]], dict[Spot, list[Spot]]]:
    above: dict[Spot, list[Spot]] = {}
    below: dict[Spot, list[Spot]] = {}
    for spots in passing:
        for upper, lower in pairwise(spots):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    return above, below


def _places(layers: Iterable[Sequence[Spot]]) -> dict[Spot, int]:
    return {spot: index for layer in layers for index, spot in enumerate(layer)}


def _half(spot: Spot, node: float) -> float:
    return node / 2 if len(spot) == 1 else 0.0
