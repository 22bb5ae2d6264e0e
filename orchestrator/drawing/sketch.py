"""What a picture of a workflow holds: boxes, the boxes inside of them, and who waits for whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.words import model_choice, one_line, plural
from workflows.blocks import Inner, inner_blocks, nested_steps
from workflows.graph import Graph
from workflows.model import BranchStep, LoopStep, MapStep
from workflows.references import parents

if TYPE_CHECKING:
    from workflows.model import Step, Workflow

__all__ = ["MOST_STEPS", "Box", "Group", "TooManyToDrawError", "sketch"]

MOST_STEPS: Final = 1_000
"""Steps of a picture, wherever they stand: nobody reads a larger one, and browsers take minutes for it."""
MOST_LINES: Final = 5_000
"""Lines between steps: with more nothing can be told from a picture."""
LONGEST: Final = 60
"""Characters of a label."""
_INVISIBLE: Final = dict.fromkeys(
    (0x7F, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF, 0xFFFE, 0xFFFF)
)
"""What turns the direction of writing, or has no place in XML."""


class TooManyToDrawError(ValueError):
    """A workflow with more steps, or lines between them, than a picture can show."""


@dataclass(frozen=True, slots=True)
class Box:
    """A step, or what a block without steps gives."""

    key: str
    """Unique in the picture; a letter and a number, whatever the step is called."""
    title: str
    kind: str
    note: str = ""
    """Which model is asked, which tool is called."""
    condition: str = ""
    """When the step is executed at all."""
    about: str = ""
    """The beginning of what is asked."""
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Boxes that stand together: the whole workflow, the inside of a map or loop, a case of a branch."""

    key: str
    label: str
    boxes: tuple[Box, ...]
    edges: tuple[tuple[str, str], ...]
    """Keys of two of its boxes, of which the second waits for the first."""


def sketch(workflow: Workflow) -> Group:
    """The picture of a workflow.

    Raises:
        TooManyToDrawError: it has more than `MOST_STEPS` steps, or than `MOST_LINES` lines between them.

    """
    steps = sum(1 + sum(1 for _ in nested_steps(step)) for step in workflow.steps)
    if steps > MOST_STEPS:
        raise TooManyToDrawError(
            f"{workflow.name!r} has {plural(steps, 'step')}; a picture shows {MOST_STEPS:,} at most. "
            "`orchestrate workflow show` lists them; parts of it can be workflows of their own and be drawn apart"
        )
    keys = (f"n{number}" for number in count(1))
    whole = _group(workflow.name, workflow.steps, keys)
    lines = _lines(whole)
    if lines > MOST_LINES:
        raise TooManyToDrawError(
            f"{workflow.name!r} has {plural(lines, 'line')} between its steps; a picture shows {MOST_LINES:,} at most. "
            "`orchestrate workflow show` lists who waits for whom"
        )
    return whole


def _lines(group: Group) -> int:
    return len(group.edges) + sum(_lines(inner) for box in group.boxes for inner in box.groups)


def _group(label: str, steps: tuple[Step, ...], keys: Iterator[str]) -> Group:
    key = next(keys)
    boxes: dict[str, Box] = {}
    for step in steps:
        if step.id not in boxes:  # of two steps with one id the first counts, as everywhere
            boxes[step.id] = _box(step, keys)
    graph = Graph.from_parents({step.id: parents(step) for step in reversed(steps)})
    edges = tuple((boxes[before].key, boxes[one].key) for one in boxes for before in graph.parents(one))
    return Group(key, _label(label), tuple(boxes.values()), edges)


def _box(step: Step, keys: Iterator[str]) -> Box:
    return Box(
        next(keys),
        step.id,
        step.kind,
        note=_label(_note(step)),
        condition=_label(f"if {_expression(step.when)}") if step.when is not None else "",
        about=_about(step),
        groups=tuple(_inside(step, inner, keys) for inner in inner_blocks(step)),
    )


def _note(step: Step) -> str:
    """What the step asks, where neither its kind nor what stands inside of it says so already."""
    if step.kind in {"set", "map", "loop"}:
        return ""
    return step.tool if step.kind == "tool" else model_choice(step)


def _inside(step: Step, inner: Inner, keys: Iterator[str]) -> Group:
    group = _group(_block_label(step, inner), inner.steps, keys)
    if group.boxes:
        return group
    gives = "nothing" if inner.result is None else _written(inner.result)
    return Group(group.key, group.label, (Box(next(keys), _label(f"gives {gives}"), "result"),), ())


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _block_label(step: Step, inner: Inner) -> str:
    if isinstance(step, MapStep):
        over = _expression(step.over) if isinstance(step.over, str) else plural(len(step.over), "item")
        return f"for each {step.as_} of {over}"
    if isinstance(step, LoopStep):
        return f"until {_expression(step.until)}, at most {plural(step.max_rounds, 'round')}"
    if isinstance(step, BranchStep) and inner.path[:1] == ("cases",):
        return f"when {_expression(step.cases[int(inner.path[1])].when)}"
    return "else"


def _expression(template: str) -> str:
    """A condition without its braces, where it is one expression."""
    return template.strip().removeprefix("{{").removesuffix("}}").strip()


def _about(step: Step) -> str:
    told = getattr(step, "prompt", "") or getattr(step, "message", "") or getattr(step, "url", "")
    return _label(str(told), width=400)


def _label(text: str, *, width: int = LONGEST) -> str:
    """A text for a label: one line without anything invisible."""
    return one_line(text.translate(_INVISIBLE), width=width)
