"""What is known of a block of steps before it runs, worked out once however often it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from executors.edges import sound_graph
from executors.scheduler import Ranking
from workflows.blocks import Inner, implied_result, is_container
from workflows.findings import Path
from workflows.graph import Graph
from workflows.model import Step, StepBase, Workflow
from workflows.references import parents
from workflows.templates import strings

__all__ = ["TYPICAL_SECONDS", "Layout", "Layouts"]

TYPICAL_SECONDS: Mapping[str, float] = {
    "llm": 4.0,
    "image": 8.0,
    "embed": 0.5,
    "tool": 1.0,
    "http": 1.0,
    "set": 0.0,
    "approval": 60.0,
    "map": 16.0,
    "branch": 4.0,
    "loop": 16.0,
    "workflow": 16.0,
}
"""How long a step of each kind tends to take. It only decides which of several ready steps goes first."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The steps of one block, who waits for whom, and what the block sees and gives."""

    steps: Mapping[str, Step]
    graph: Graph
    ranking: Ranking
    containers: frozenset[str]
    """The steps that take no place among those that run."""
    is_chain: bool
    """Whether never two of the steps can run at one time."""
    around: tuple[str, ...] = ()
    """The steps outside that something in the block refers to."""
    result: Any = None
    """The template of what the block gives."""
    sources: tuple[str, ...] = ()
    """The templates in the result."""

    @classmethod
    def of(cls, steps: Sequence[Step], graph: Graph) -> Layout:
        """Of the steps of a workflow."""
        ranking = Ranking.of(graph, weights={step.id: TYPICAL_SECONDS[step.kind] for step in steps})
        containers = frozenset(step.id for step in steps if is_container(step))
        return cls({step.id: step for step in steps}, graph, ranking, containers, ranking.is_chain)

    @classmethod
    def inside(cls, step: StepBase, inner: Inner) -> Layout:
        """Of a block inside of a step. Raises WorkflowError."""
        plain = cls.of(inner.steps, sound_graph(inner.steps, nested=True))
        result = implied_result(inner)
        return cls(
            plain.steps,
            plain.graph,
            plain.ranking,
            plain.containers,
            plain.is_chain,
            around=parents(step),
            result=result,
            sources=tuple(source for _, source in strings(result, ())),
        )


class Layouts:
    """The layouts of the blocks of a run, each worked out when it is first asked for."""

    def __init__(self) -> None:
        # The owner is kept beside its layout, so that nothing else can come by its id.
        self._known: dict[tuple[int, Path], tuple[StepBase | Workflow, Layout]] = {}

    def of_workflow(self, workflow: Workflow) -> Layout:
        """Raises WorkflowError."""
        known = self._known.get((id(workflow), ()))
        if known is None:
            layout = Layout.of(workflow.steps, sound_graph(workflow.steps))
            known = self._known[id(workflow), ()] = (workflow, layout)
        return known[1]

    def of_block(self, step: StepBase, inner: Inner) -> Layout:
        """Raises WorkflowError."""
        known = self._known.get((id(step), inner.path))
        if known is None:
            known = self._known[id(step), inner.path] = (step, Layout.inside(step, inner))
        return known[1]
