"""Runs the steps inside of a step, and gives what they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from executors.context import Frame, StepRun
from executors.drive import Drive
from executors.failures import StepFailure
from executors.scheduler import Scheduler
from unified_api.types import Json, Sensitivity
from workflows.blocks import Inner, implied_result
from workflows.expressions import ExpressionError, render_value
from workflows.graph import Graph
from workflows.model import Step
from workflows.templates import strings

__all__ = ["TYPICAL_SECONDS", "BlockEnd", "drive_of", "run_block"]

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
class BlockEnd:
    """What a block gave, and the block itself as it was then."""

    value: Json
    label: Sensitivity
    """Of the value."""
    frame: Frame


def drive_of(steps: tuple[Step, ...], graph: Graph, frame: Frame) -> Drive:
    """A pass through steps that has not begun."""
    scheduler = Scheduler(graph, weights={step.id: TYPICAL_SECONDS[step.kind] for step in steps})
    return Drive({step.id: step for step in steps}, scheduler, frame=frame)


async def run_block(
    inner: Inner,
    run: StepRun,
    *,
    at: str = "",
    variables: Mapping[str, Any] | None = None,
    label: Sensitivity | None = None,
) -> BlockEnd:
    """Runs the block once; `at` tells several runs of one block apart, such as `[3]`.

    `variables` are seen inside. `label` is that of what decided that the block runs, and of the variables; None is
    the step's own.

    Raises:
        StepFailure: a step inside failed, or the result cannot be rendered.
    """
    own = run.label if label is None else label
    frame = replace(
        run.frame,
        path=f"{run.path}{at}/",
        scope=run.frame.scope.inside(variables or {}),
        labels=run.frame.labels.inside(own, dict.fromkeys(variables or {}, own)),
        deadline=run.deadline,
        budget=run.budget,
    )
    if inner.steps:
        await run_steps(inner.steps, frame, run)
    template = implied_result(inner)
    value = inside(frame, template)
    return BlockEnd(value, frame.labels.of(source for _, source in strings(template, ())), frame)


async def run_steps(steps: tuple[Step, ...], frame: Frame, run: StepRun) -> None:
    """Runs steps in a frame inside of a step, which pays for them. Raises StepFailure when one of them failed."""
    drive = drive_of(steps, frame.context.graph(steps), frame)
    try:
        await drive.until_done()
    finally:
        drive.cancel_rest()
        run.receipt.absorb(drive.receipt)
    if drive.error is not None:
        raise StepFailure.of(drive.error)


def inside(frame: Frame, value: Any) -> Any:
    """Templates rendered among the steps of a frame. Raises StepFailure."""
    try:
        return render_value(value, frame.scope)
    except ExpressionError as error:
        raise StepFailure(error.code, f"`result`: {error.message}") from error
