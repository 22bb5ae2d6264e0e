"""Where the boxes of a directed graph stand: layers by the longest path, ordered so that few lines cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from workflows.graph import Graph

__all__ = ["Layout", "Line", "Place", "layered"]

GAP_X: Final = 28.0
GAP_Y: Final = 44.0
SWEEPS: Final = 6
"""Passes down and up that bring each box near to the middle of its neighbours."""
MOST_BENDS: Final = 20_000
"""Places kept free for lines that pass a layer; where there were more, lines run straight."""

Size: TypeAlias = tuple[float, float]
Edge: TypeAlias = tuple[str, str]
Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """A box's upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """The points that a line goes through, from the lower edge of one box to the upper edge of another."""

    edge: Edge
    points: tuple[Point, ...]
    against: bool = False
    """Whether it leads upwards, as one line of each circle must."""


@dataclass(frozen=True, slots=True)
class Layout:
    """All places, the origin at the upper left."""

    places: Mapping[str, Place]
    lines: tuple[Line, ...]
    width: float
    height: float


def layered(sizes: Mapping[str, Size], edges: Sequence[Edge]) -> Layout:
    """Where boxes of these sizes stand. Edges name boxes among them; circles are drawn with one line upwards."""
    rank = _ranks(sizes, edges)
    down = [edge for edge in edges if rank[edge[0]] < rank[edge[1]]]
    layer, order = _layers(list(sizes), down, rank)
    chains = _chains(down, layer)
    rows = _rows(order, layer, chains)
    _untangle(rows, _neighbours(chains))
    return _placed(rows, sizes, edges, chains)


def _ranks(sizes: Mapping[str, Size], edges: Sequence[Edge]) -> dict[str, int]:
    """The boxes so that each stands after what it waits for, and those of a circle as they come."""
    before: dict[str, list[str]] = {one: [] for one in sizes}
    for source, target in edges:
        before[target].append(source)
    graph = Graph.from_parents({one: tuple(dict.fromkeys(found)) for one, found in before.items()})
    done = graph.sorted_part()
    rest = [one for one in sizes if one not in set(done)]
    return {one: place for place, one in enumerate([*done, *rest])}


def _layers(ids: list[str], down: list[Edge], rank: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    order = sorted(ids, key=rank.__getitem__)
    layer = dict.fromkeys(order, 0)
    following: dict[str, list[str]] = {one: [] for one in order}
    for source, target in down:
        following[source].append(target)
    for one in order:
        for target in following[one]:
            layer[target] = max(layer[target], layer[one] + 1)
    return layer, order


def _chains(down: list[Edge], layer: Mapping[str, int]) -> dict[Edge, list[str]]:
    """For each edge the boxes and the bends it goes through; a bend is a place kept free in a layer between."""
    bends = sum(layer[target] - layer[source] - 1 for source, target in down)
    chains: dict[Edge, list[str]] = {}
    for number, (source, target) in enumerate(down):
        between = range(layer[source] + 1, layer[target]) if bends <= MOST_BENDS else ()
        chains[source, target] = [source, *(f"\0{number}:{place}" for place in between), target]
    return chains


def _rows(order: list[str], layer: Mapping[str, int], chains: Mapping[Edge, list[str]]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(1 + max(layer.values(), default=-1))]
    for one in order:
        rows[layer[one]].append(one)
    for (source, _), chain in chains.items():
        for distance, bend in enumerate(chain[1:-1], start=1):
            rows[layer[source] + distance].append(bend)
    return rows


def _neighbours(chains: Mapping[Edge, list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains.values():
        for upper, lower in pairwise(chain):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    return above, below


def _untangle(rows: list[list[str]], neighbours: tuple[dict[str, list[str]], dict[str, list[str]]]) -> None:
    """Sorts each row by the middle of its neighbours in the row before, down and up again."""
    place = {one: number / max(1, len(row)) for row in rows for number, one in enumerate(row)}
    for sweep in range(SWEEPS):
        near = neighbours[sweep % 2]
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wish = {one: _mean([place[other] for other in near.get(one, ())], place[one]) for one in row}
            row.sort(key=wish.__getitem__)  # stable: what has no wish stays beside its neighbour
            place.update((one, (number + 0.5) / len(row)) for number, one in enumerate(row))


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _placed(
    rows: list[list[str]], sizes: Mapping[str, Size], edges: Sequence[Edge], chains: Mapping[Edge, list[str]]
) -> Layout:
    widths = [sum(sizes.get(one, (0, 0))[0] for one in row) + GAP_X * (len(row) - 1) for row in rows]
    whole = max(widths, default=0.0)
    places: dict[str, Place] = {}
    top = 0.0
    for row, width in zip(rows, widths, strict=True):
        height = max(sizes.get(one, (0, 0))[1] for one in row)
        left = (whole - width) / 2
        for one in row:
            wide, high = sizes.get(one, (0.0, height))
            places[one] = Place(left, top + (height - high) / 2, wide, high)
            left += wide + GAP_X
        top += height + GAP_Y
    lines = tuple(_line(edge, chains.get(edge), places) for edge in edges)
    kept = {one: place for one, place in places.items() if one in sizes}
    return Layout(kept, lines, whole, max(0.0, top - GAP_Y))


def _line(edge: Edge, chain: list[str] | None, places: Mapping[str, Place]) -> Line:
    source, target = places[edge[0]], places[edge[1]]
    start = (source.x + source.width / 2, source.y + source.height)
    end = (target.x + target.width / 2, target.y)
    if chain is None:
        return Line(edge, (start, end), against=True)
    between: list[Point] = []
    for bend in chain[1:-1]:
        at = places[bend]
        between += [(at.x, at.y), (at.x, at.y + at.height)]
    return Line(edge, (start, *between, end))
