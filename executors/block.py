"""Runs the steps inside of a step, and gives what they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from executors.context import Frame, StepRun
from executors.drive import Drive
from executors.failures import StepFailure
from executors.layout import Layout
from unified_api.types import Json, Sensitivity
from workflows.blocks import Inner
from workflows.expressions import ExpressionError, Scope, render_value

__all__ = ["BlockEnd", "inside", "run_block", "run_steps"]


@dataclass(frozen=True, slots=True)
class BlockEnd:
    """What a block gave, and the block itself as it was then."""

    value: Json
    label: Sensitivity
    """Of the value."""
    frame: Frame


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
    layout = run.context.layouts.of_block(run.step, inner)
    frame = _frame(layout, run, at=at, variables=variables or {}, label=run.label if label is None else label)
    if layout.steps:
        await run_steps(layout, frame, run)
    given = frame.labels.of(layout.sources)
    try:
        return BlockEnd(inside(frame, layout.result), given, frame)
    except StepFailure as failure:
        failure.label = given
        raise


def _frame(layout: Layout, run: StepRun, *, at: str, variables: Mapping[str, Any], label: Sensitivity) -> Frame:
    outer = run.frame
    seen, known = outer.scope, outer.scope.steps
    return Frame(
        context=outer.context,
        workflow=outer.workflow,
        # Not all that is seen around: of a wide workflow that would be copied for each item of a list.
        scope=Scope(
            seen.inputs,
            {name: known[name] for name in layout.around if name in known},
            {**seen.variables, **variables},
        ),
        labels=outer.labels.inside(label, dict.fromkeys(variables, label), steps=layout.around),
        path=f"{run.path}{at}/",
        deadline=run.deadline,
        budget=run.budget,
        slots=outer.slots,
        within=outer.within,
        failed=run.failed_inside,
    )


async def run_steps(layout: Layout, frame: Frame, run: StepRun) -> None:
    """Runs steps in a frame inside of a step, which pays for them. Raises StepFailure when one of them failed."""
    drive = Drive(layout, frame=frame)
    try:
        await (drive.in_turn() if layout.is_chain else drive.until_done())
    finally:
        drive.cancel_rest()
        run.receipt.absorb(drive.receipt)
    if drive.error is not None:
        raise StepFailure.of(drive.error, label=drive.error_label)


def inside(frame: Frame, value: Any) -> Any:
    """Templates rendered among the steps of a frame. Raises StepFailure."""
    try:
        return render_value(value, frame.scope)
    except ExpressionError as error:
        raise StepFailure(error.code, f"`result`: {error.message}") from error
