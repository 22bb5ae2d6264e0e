"""Decides which step may start next: in-degree counters and a heap on the longest remaining path."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush

from workflows.graph import Graph

__all__ = ["Scheduler"]


class Scheduler:
    """A pure state machine: `take` says which step may start, `finish` is told which one ended.

    A step is ready the moment the last step it waits for has ended. Of several ready steps the one with the
    heaviest remaining path goes first, equals in the order of the file. `weights` are expected durations by step
    id in any one unit; a step without one counts 1.

    Raises:
        ValueError: the graph has a cycle, so that some steps could never start.
    """

    __slots__ = ("_by_rank", "_children", "_missing", "_rank", "_ready", "_remaining", "_running")

    def __init__(self, graph: Graph, *, weights: Mapping[str, float] | None = None) -> None:
        lengths = graph.longest_paths(weights or {})
        # The heap holds plain ranks, not tuples; the sort is stable, so the file's order breaks ties.
        self._by_rank = sorted(graph.ids, key=lambda step: -lengths[step])
        self._rank = {step: rank for rank, step in enumerate(self._by_rank)}
        self._children = graph.after
        self._missing = {step: len(graph.before[step]) for step in graph.ids}
        self._ready = [self._rank[step] for step in graph.ids if not self._missing[step]]
        heapify(self._ready)
        self._running: set[str] = set()
        self._remaining = len(graph.ids)

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
