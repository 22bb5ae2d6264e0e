"""What every check is given: the workflow, its graph, its references, and what is known around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from workflows.checks.labels import Flow
from workflows.checks.pace import Pace
from workflows.checks.serving import Serving
from workflows.checks.spending import Spending
from workflows.checks.units import Unit
from workflows.findings import Finding, Path, pointer
from workflows.frames import Frame, Located, Variable, by_id, frames
from workflows.graph import Graph
from workflows.linking import Links, called
from workflows.model import Step, Workflow, WorkflowStep
from workflows.models import ModelCatalog
from workflows.nearest import Suggestions
from workflows.outputs import Shapes
from workflows.recipients import Recipients
from workflows.references import Reference, Usage, usage
from workflows.shapes import ANY, Shape
from workflows.templates import block_templates, output_templates, templates
from workflows.tools import ToolSpec

__all__ = ["Frame", "Located", "Place", "Subject"]


@dataclass(frozen=True, slots=True)
class Place:
    """One template and where it stands."""

    step: Step | None
    """The innermost step that holds it; None for a template of the workflow's outputs."""
    path: Path
    """Inside the step, or inside the workflow for the outputs: `("prompt",)`, `("cases", 0, "result", "title")`."""
    source: str
    usage: Usage
    """What the template uses: kept here, as every check asks for it."""
    frame: Frame
    """The block whose steps it sees, with those of the blocks around it."""
    waits: Located | None
    """The step of that block which starts only when the template can be rendered; None for what is rendered when the
    whole block has ended: outputs, results, and what ends a loop."""
    root: Path = ()
    """Of the step in the document."""

    @property
    def pointer(self) -> str:
        return pointer(*self.root, *self.path)

    @property
    def variables(self) -> Mapping[str, Variable]:
        """The names it sees beside `inputs` and `steps`."""
        return self.frame.variables

    def waiting(self, other: Located) -> Located | None:
        """The step of another's own block that has to wait for it because of this template."""
        return self.waits if other.frame is self.frame else self.frame.waiting(other)


@dataclass(frozen=True)
class Subject:
    """A workflow under check. Everything costly is worked out once, when it is first asked for."""

    workflow: Workflow
    tools: Mapping[str, ToolSpec] | None = None
    models: ModelCatalog | None = None
    ordered: bool = False
    suggestions: Suggestions = field(default_factory=Suggestions)
    workflows: Mapping[str, Workflow] | None = None
    """Those that its steps run, by `name@version`."""
    recipients: Recipients | None = None
    thorough: bool = False
    """Whether to name what is no fault too."""
    links: Links | None = None
    """What came of looking for other workflows; None where nobody looked."""
    others: Mapping[str, Subject] = field(default_factory=dict)
    """Those other workflows under check, by `name@version`."""
    faults: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    """The errors of each of them."""

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The workflow itself, and those that its steps run."""
        return self.flow.units

    @cached_property
    def flow(self) -> Flow:
        """Which labels everything carries."""
        return Flow(self.workflow, self.workflows)

    @cached_property
    def serving(self) -> Serving:
        """Who may serve each step."""
        return Serving(self.flow, self.models)

    @cached_property
    def spending(self) -> Spending:
        """What everything costs at least."""
        return Spending(self.units, self.serving)

    @cached_property
    def pace(self) -> Pace:
        """How long everything takes at least."""
        return Pace(self.units, self.serving)

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """Every block of steps: the workflow's own first, each behind those around it."""
        return frames(self.workflow)

    @cached_property
    def steps(self) -> tuple[Located, ...]:
        """Every step, however deep, in the order of the file; a step that holds others stands before them."""
        found = [located for frame in self.frames for located in frame.located]
        return tuple(found if len(self.frames) == 1 else sorted(found, key=lambda located: located.path))

    @cached_property
    def by_id(self) -> Mapping[str, Located]:
        """Every step, however deep, by its id; of two with one id the first."""
        return by_id(self.steps)

    @cached_property
    def owners(self) -> Mapping[str, Located]:
        """The maps and loops by the names of their variables; of two with one name the later."""
        return {name: variable.owner for frame in self.frames for name, variable in frame.variables.items()}

    @property
    def frame(self) -> Frame:
        """The workflow's own steps."""
        return self.frames[0]

    @property
    def graph(self) -> Graph:
        """Of the workflow's own steps; that of a block is the frame's."""
        return self.frame.graph

    @cached_property
    def shapes(self) -> Shapes:
        return Shapes(self.workflow, self.frames, tools=self.tools, called=self._given_by)

    @cached_property
    def given(self) -> Shape:
        """The shape of what the workflow gives."""
        return self.shapes.of_outputs(self.workflow.outputs, self.frame)

    def _given_by(self, step: WorkflowStep) -> Shape:
        other = self.others.get(called(step))
        return ANY if other is None else other.given

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every template of the workflow, those of its outputs last."""
        return tuple(self._places())

    def _places(self) -> Iterator[Place]:
        for located in self.steps:
            for path, source in templates(located.step):
                yield Place(located.step, path, source, usage(source), located.frame, located, located.path)
        for frame in self.frames:
            yield from _of_block(frame)
        for path, source in output_templates(self.workflow):
            yield Place(None, path, source, usage(source), self.frame, None)

    def references(self) -> Iterator[tuple[Place, Reference]]:
        """Every reference of the workflow with the template that holds it."""
        for place in self.places:
            for reference in place.usage.references:
                yield place, reference

    def step(self, step_id: str) -> Step | None:
        """The first step of this id, wherever it stands."""
        located = self.by_id.get(step_id)
        return None if located is None else located.step


def _of_block(frame: Frame) -> Iterator[Place]:
    """The templates that are rendered among the steps of a block once these have ended."""
    if frame.owner is None:
        return
    owner = frame.owner
    inside = frame.path[len(owner.path) :]
    for path, source in block_templates(owner.step):
        if path[: len(inside)] == inside:
            yield Place(owner.step, path, source, usage(source), frame, None, owner.path)
