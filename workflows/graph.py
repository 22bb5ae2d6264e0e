"""The steps as a directed graph: who waits for whom, in which order, and how long the longest ways are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workflows.model import StepBase, Workflow
from workflows.references import parents

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Graph", "implied_outputs"]


@dataclass(frozen=True)
class Graph:
    """Plain dictionaries, because they are read at every start of a step; `to_networkx` gives the rest of the world."""

    ids: tuple[str, ...]
    """In the order of the file; of two steps with one id only the first counts."""
    before: Mapping[str, tuple[str, ...]]
    after: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, workflow: Workflow) -> Graph:
        """The graph of a workflow. References to steps that do not exist give no edge."""
        return cls.among(workflow.steps)

    @classmethod
    def among(cls, steps: Iterable[StepBase]) -> Graph:
        """The graph of the steps of one block: references to steps outside of it give no edge."""
        named: dict[str, tuple[str, ...]] = {}
        for step in steps:
            if step.id not in named:
                named[step.id] = parents(step)
        return cls.from_parents(named)

    @classmethod
    def from_parents(cls, named: Mapping[str, tuple[str, ...]]) -> Graph:
        """The graph in which each id waits for the ids it names."""
        ids = tuple(named)
        before = {one: tuple(parent for parent in named[one] if parent in named) for one in ids}
        children: dict[str, list[str]] = {one: [] for one in ids}
        for one, waits in before.items():
            for parent in waits:
                children[parent].append(one)
        return cls(ids, before, {one: tuple(following) for one, following in children.items()})

    def parents(self, step_id: str) -> tuple[str, ...]:
        return self.before[step_id]

    def children(self, step_id: str) -> tuple[str, ...]:
        return self.after[step_id]

    @cached_property
    def _sorted(self) -> tuple[str, ...]:
        waiting = {one: len(parents) for one, parents in self.before.items()}
        done = [one for one in self.ids if not waiting[one]]
        for one in done:  # grows while it is read
            for child in self.after[one]:
                waiting[child] -= 1
                if not waiting[child]:
                    done.append(child)
        return tuple(done)

    def order(self) -> tuple[str, ...]:
        """The ids so that each stands after its parents. Raises `ValueError` for a graph with a cycle."""
        if len(self._sorted) < len(self.ids):
            raise ValueError(f"the steps form a cycle: {' -> '.join(self.cycle() or [])}")
        return self._sorted

    def sorted_part(self) -> tuple[str, ...]:
        """As `order`, without the steps that wait for a cycle."""
        return self._sorted

    def cycle(self) -> list[str] | None:
        """A shortest cycle of some tangle of steps, its first id repeated at the end, or None."""
        return next(self.cycles(), None)

    def cycles(self) -> Iterator[list[str]]:
        """One shortest cycle for each tangle of steps that wait for each other, from its first step in the file."""
        if len(self._sorted) == len(self.ids):
            return
        import networkx as nx  # only wanted once something is wrong

        sorted_ids = set(self._sorted)
        tangled = self.to_networkx().subgraph([one for one in self.ids if one not in sorted_ids])
        number = {one: place for place, one in enumerate(self.ids)}
        tangles = [tangle for tangle in nx.strongly_connected_components(tangled) if self._circular(tangle)]
        for tangle in sorted(tangles, key=lambda tangle: min(number[one] for one in tangle)):
            first = min(tangle, key=number.__getitem__)
            yield self._shortest(first, tangle)

    def _circular(self, tangle: set[str]) -> bool:
        return len(tangle) > 1 or any(one in self.before[one] for one in tangle)

    def _shortest(self, first: str, tangle: set[str]) -> list[str]:
        """The shortest way from a step back to it; every step of a tangle has one."""
        came: dict[str, str] = {}
        queue = [first]
        for one in queue:  # grows while it is read
            for child in self.after[one]:
                if child == one:
                    continue  # a step that waits for itself must not hide the others that it is tangled with
                if child == first:
                    way = [first, one]
                    while way[-1] != first:
                        way.append(came[way[-1]])
                    return list(reversed(way))
                if child in tangle and child not in came:
                    came[child] = one
                    queue.append(child)
        return [first, first]

    def sinks(self) -> tuple[str, ...]:
        """The steps that no other step waits for, in the order of the file."""
        return tuple(one for one in self.ids if not self.after[one])

    def longest_paths(self, weights: Mapping[str, float]) -> dict[str, float]:
        """For each step the weight of the heaviest way from it to the end, its own included.

        A step without a weight counts 1. Raises `ValueError` for a graph with a cycle.
        """
        longest: dict[str, float] = {}
        for one in reversed(self.order()):
            longest[one] = weights.get(one, 1.0) + max((longest[child] for child in self.after[one]), default=0.0)
        return longest

    def to_networkx(self) -> nx.DiGraph[str]:
        """The graph for networkx: one node per step, one edge from each step to each that waits for it."""
        import networkx as nx  # 60 ms of import that a run never needs

        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self.ids)
        graph.add_edges_from((parent, one) for one, parents in self.before.items() for parent in parents)
        return graph


def implied_outputs(workflow: Workflow, graph: Graph | None = None) -> dict[str, Any]:
    """The workflow's output templates: as written, or, where none are, the outputs of its last steps by their ids.

    An implied output of a step that was skipped is null.
    """
    if workflow.outputs:
        return workflow.outputs
    graph = graph or Graph.of(workflow)
    return {one: f"{{{{ steps.{one}.output | default(none) }}}}" for one in graph.sinks()}
