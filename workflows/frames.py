"""Where every step of a workflow stands, however deep, and what templates see there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from workflows.blocks import Inner, inner_blocks
from workflows.findings import Path, pointer
from workflows.graph import Graph
from workflows.model import MapStep, Step, Workflow

__all__ = ["Frame", "Located", "Variable", "by_id", "frames"]


@dataclass(frozen=True, eq=False, slots=True)
class Variable:
    """A name that a map or a loop gives to the steps inside of it."""

    name: str
    kind: Literal["item", "index", "round"]
    owner: Located
    """The map or loop."""


@dataclass(frozen=True, eq=False, slots=True)
class Located:
    """A step and where it stands."""

    step: Step
    path: Path
    """Of the step in the document: `("steps", 2, "cases", 0, "steps", 1)`."""
    frame: Frame
    """The block it stands in."""

    @property
    def pointer(self) -> str:
        return pointer(*self.path)

    @property
    def number(self) -> int:
        """Its place in its block, from 0."""
        return int(self.path[-1])

    @property
    def variables(self) -> Mapping[str, Variable]:
        """The names that its templates see beside `inputs` and `steps`."""
        return self.frame.variables

    def at(self, *path: str | int) -> str:
        """The pointer of something inside the step."""
        return pointer(*self.path, *path)

    def around(self) -> Iterator[Located]:
        """The steps it stands inside of, the innermost first."""
        owner = self.frame.owner
        while owner is not None:
            yield owner
            owner = owner.frame.owner


@dataclass(frozen=True, eq=False)
class Frame:
    """The steps of the workflow itself, or a block of steps inside of a step, and what templates see in it."""

    path: Path
    """Of what holds `steps` and `result` in the document: `()`, or `("steps", 2, "cases", 0)`."""
    steps: tuple[Step, ...]
    result: Any = None
    """As written; None for the workflow itself, which has outputs."""
    owner: Located | None = None
    """The step that holds the block; None for the workflow's own steps."""
    variables: Mapping[str, Variable] = field(default_factory=dict)
    """By name, those of the blocks around it included; of two with one name the inner."""

    @cached_property
    def located(self) -> tuple[Located, ...]:
        """Its own steps, not those inside of them."""
        return tuple(Located(step, (*self.path, "steps", place), self) for place, step in enumerate(self.steps))

    @cached_property
    def own(self) -> Mapping[str, Located]:
        """Its own steps by id; of two with one id the first."""
        return by_id(self.located)

    @cached_property
    def graph(self) -> Graph:
        """Who waits for whom among its own steps; what is needed inside of a step is needed by the step."""
        return Graph.among(self.steps)

    @property
    def around(self) -> Frame | None:
        """The block that the step which holds this one stands in."""
        return None if self.owner is None else self.owner.frame

    def outwards(self) -> Iterator[Frame]:
        """Itself and the blocks around it, the workflow's own steps last."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.around

    def sees(self, step_id: str) -> Located | None:
        """The step of this id whose output templates in the block see: one of its own, or of a block around it."""
        return next((frame.own[step_id] for frame in self.outwards() if step_id in frame.own), None)

    def waiting(self, other: Located) -> Located | None:
        """Of the steps around this block the one that stands in the same block as another step, if there is one.

        It is what has to wait when something in here needs the other.
        """
        for frame in self.outwards():
            if frame.around is other.frame:
                return frame.owner
        return None

    def inside(self, located: Located) -> Iterator[Frame]:
        """The blocks that one of its own steps holds."""
        for inner in inner_blocks(located.step):
            path = (*located.path, *inner.path)
            yield Frame(path, inner.steps, inner.result, located, {**self.variables, **_named(located, inner)})


def by_id(steps: Iterable[Located]) -> dict[str, Located]:
    """Steps by their ids in the order given; of two with one id the first."""
    found: dict[str, Located] = {}
    for one in steps:
        found.setdefault(one.step.id, one)
    return found


def _named(located: Located, inner: Inner) -> dict[str, Variable]:
    """The variables that a map or loop adds for its block."""
    called = getattr(located.step, "as_", None)
    kind: Literal["item", "round"] = "item" if isinstance(located.step, MapStep) else "round"
    return {name: Variable(name, kind if name == called else "index", located) for name in sorted(inner.variables)}


def frames(workflow: Workflow) -> tuple[Frame, ...]:
    """Every block of a workflow in the order of the file, its own steps first, each behind those around it."""
    found = [Frame((), workflow.steps)]
    for frame in found:  # grows while it is read
        for located in frame.located:
            found.extend(frame.inside(located))
    # Paths of one document that begin alike go on alike, with numbers or with words.
    return tuple(sorted(found, key=lambda frame: frame.path))
