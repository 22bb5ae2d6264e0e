"""What every check is given: the workflow, its graph, its references, and what is known around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from workflows.findings import Path, pointer
from workflows.graph import Graph
from workflows.model import Step, Workflow
from workflows.models import ModelCatalog
from workflows.nearest import Suggestions
from workflows.outputs import Shapes
from workflows.references import Reference, Usage, usage
from workflows.templates import output_templates, templates
from workflows.tools import ToolSpec

__all__ = ["Place", "Subject"]


@dataclass(frozen=True, slots=True)
class Place:
    """One template and where it stands."""

    step: Step | None
    """None for a template of the workflow's outputs."""
    number: int
    """Of the step, from 0; the number of steps for the outputs, which see every step."""
    path: Path
    """Inside the step, or inside the workflow for the outputs."""
    source: str
    usage: Usage
    """What the template uses: kept here, as every check asks for it."""
    variables: frozenset[str] = frozenset()
    """The names it sees beside `inputs` and `steps`."""

    @property
    def pointer(self) -> str:
        return pointer(*self.path) if self.step is None else pointer("steps", self.number, *self.path)


@dataclass(frozen=True)
class Subject:
    """A workflow under check. Everything costly is worked out once, when it is first asked for."""

    workflow: Workflow
    tools: Mapping[str, ToolSpec] | None = None
    models: ModelCatalog | None = None
    ordered: bool = False
    suggestions: Suggestions = field(default_factory=Suggestions)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of the first step with each id."""
        numbers: dict[str, int] = {}
        for number, step in enumerate(self.workflow.steps):
            numbers.setdefault(step.id, number)
        return numbers

    @cached_property
    def graph(self) -> Graph:
        return Graph.of(self.workflow)

    @cached_property
    def shapes(self) -> Shapes:
        return Shapes(self.workflow, self.graph, self.tools)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every template of the workflow."""
        return tuple(self._places())

    def _places(self) -> Iterator[Place]:
        for number, step in enumerate(self.workflow.steps):
            for path, source in templates(step):
                yield Place(step, number, path, source, usage(source))
        for path, source in output_templates(self.workflow):
            yield Place(None, len(self.workflow.steps), path, source, usage(source))

    def references(self) -> Iterator[tuple[Place, Reference]]:
        """Every reference of the workflow with the template that holds it."""
        for place in self.places:
            for reference in place.usage.references:
                yield place, reference

    def step(self, step_id: str) -> Step | None:
        number = self.numbers.get(step_id)
        return None if number is None else self.workflow.steps[number]
