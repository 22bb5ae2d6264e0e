"""Every template of a step or of a workflow, with the path where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflows.blocks import inner_blocks
from workflows.findings import Path
from workflows.model import (
    ApprovalStep,
    BranchStep,
    EmbedStep,
    HttpStep,
    ImageStep,
    LlmStep,
    LoopStep,
    MapStep,
    SetStep,
    StepBase,
    ToolStep,
    Workflow,
    WorkflowStep,
)

__all__ = ["block_templates", "output_templates", "strings", "templates"]


def templates(step: StepBase) -> Iterator[tuple[Path, str]]:
    """Every template that is rendered where the step stands, with its path inside the step.

    Not those of the steps inside of it, nor those that see what these give: see `block_templates`.
    """
    if step.when is not None:
        yield ("when",), step.when
    fields = _FIELDS.get(type(step))
    if fields is not None:
        for field in fields:
            yield from strings(getattr(step, field), (field,))
    elif isinstance(step, LlmStep):
        yield ("prompt",), step.prompt
        if step.system is not None:
            yield ("system",), step.system
        yield from ((("images", place), image) for place, image in enumerate(step.images))
    elif isinstance(step, ImageStep):
        yield ("prompt",), step.prompt
    elif isinstance(step, BranchStep):
        yield from ((("cases", place, "when"), case.when) for place, case in enumerate(step.cases))


_FIELDS: dict[type[StepBase], tuple[str, ...]] = {
    EmbedStep: ("input",),
    SetStep: ("value",),
    ToolStep: ("arguments",),
    HttpStep: ("url", "query", "headers", "body"),
    ApprovalStep: ("message", "show"),
    MapStep: ("over",),
    LoopStep: ("initial",),
    WorkflowStep: ("inputs",),
}
"""The fields of JSON whose strings are templates."""


def block_templates(step: StepBase) -> Iterator[tuple[Path, str]]:
    """The templates of a step that are rendered among the steps inside of it: results, and what ends a loop."""
    for inner in inner_blocks(step):
        yield from strings(inner.result, (*inner.path, "result"))
    if isinstance(step, LoopStep):
        yield ("until",), step.until


def strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every string in a JSON value with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from strings(one, (*path, key))
    elif isinstance(value, list | tuple):
        for place, one in enumerate(value):
            yield from strings(one, (*path, place))


def output_templates(workflow: Workflow) -> Iterator[tuple[Path, str]]:
    """Every template of the workflow's outputs with its path inside the workflow."""
    yield from strings(workflow.outputs, ("outputs",))
