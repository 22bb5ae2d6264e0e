"""Decides which step may start next: in-degree counters and a heap on the longest remaining path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from workflows.graph import Graph

__all__ = ["Ranking", "Scheduler"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The urgency of the steps of a graph: worked out once, however often the graph is run."""

    by_rank: tuple[str, ...]
    """The ids, the most urgent first."""
    rank: Mapping[str, int]
    children: Mapping[str, tuple[str, ...]]
    missing: Mapping[str, int]
    """How many others each step waits for."""
    first: tuple[int, ...]
    """The ranks of those that wait for nobody, as a heap."""

    @classmethod
    def of(cls, graph: Graph, *, weights: Mapping[str, float] | None = None) -> Ranking:
        """The heavier the remaining path the more urgent, equals in the order of the file.

        `weights` are expected durations by step id in any one unit; a step without one counts 1. Raises ValueError
        for a graph with a cycle, of which some steps could never start.
        """
        lengths = graph.longest_paths(weights or {})
        # The heap holds plain ranks, not tuples; the sort is stable, so the file's order breaks ties.
        by_rank = tuple(sorted(graph.ids, key=lambda step: -lengths[step]))
        rank = {step: place for place, step in enumerate(by_rank)}
        missing = {step: len(graph.before[step]) for step in graph.ids}
        first = [rank[step] for step in graph.ids if not missing[step]]
        heapify(first)
        return cls(by_rank, rank, graph.after, missing, tuple(first))

    @property
    def is_chain(self) -> bool:
        """Whether never two steps are ready at one time."""
        return len(self.first) <= 1 and all(
            self.missing[step] <= 1 and len(self.children[step]) <= 1 for step in self.by_rank
        )


class Scheduler:
    """A pure state machine: `take` says which step may start, `finish` is told which one ended.

    A step is ready the moment the last step it waits for has ended.
    """

    __slots__ = ("_by_rank", "_children", "_missing", "_rank", "_ready", "_remaining", "_running")

    def __init__(self, ranking: Ranking) -> None:
        self._by_rank = ranking.by_rank
        self._rank = ranking.rank
        self._children = ranking.children
        self._missing = dict(ranking.missing)
        self._ready = list(ranking.first)
        self._running: set[str] = set()
        self._remaining = len(ranking.by_rank)

    @property
    def ready(self) -> int:
        """How many steps could start now."""
        return len(self._ready)

    @property
    def next(self) -> str | None:
        """The step that `take` would start."""
        return self._by_rank[self._ready[0]] if self._ready else None

    @property
    def running(self) -> frozenset[str]:
        return frozenset(self._running)

    @property
    def remaining(self) -> int:
        """How many steps have not ended, running ones included."""
        return self._remaining

    def take(self) -> str | None:
        """Starts the most urgent ready step; None when nothing may start now."""
        if not self._ready:
            return None
        step = self._by_rank[heappop(self._ready)]
        self._running.add(step)
        return step

    def finish(self, step: str) -> None:
        """Ends a running step, however it ended, and makes ready what waited only for it.

        Raises:
            ValueError: the step is not running.
        """
        if step not in self._running:
            raise ValueError(f"step {step!r} is not running, so it cannot end")
        self._running.remove(step)
        self._remaining -= 1
        missing = self._missing
        for child in self._children[step]:
            missing[child] -= 1
            if not missing[child]:
                heappush(self._ready, self._rank[child])
