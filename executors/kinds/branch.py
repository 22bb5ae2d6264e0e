"""Steps of kind `branch`: run the first case whose condition holds."""

from __future__ import annotations

from executors.block import run_block
from executors.conditions import holds
from executors.context import StepRun
from executors.failures import NothingToDo
from executors.kinds.set import fitting
from unified_api.types import Json
from workflows.blocks import inner_blocks
from workflows.model import BranchStep

__all__ = ["run"]


async def run(step: BranchStep, run: StepRun) -> Json:
    """The result of the case.

    Raises:
        NothingToDo: no condition holds, and there is no `else`.
        StepFailure: an expression's code, `invalid_output`, or that of a step inside.
    """
    blocks = list(inner_blocks(step))
    scope = run.frame.scope
    holding = (n for n, case in enumerate(step.cases) if holds(case.when, scope, key=f"cases/{n}/when"))
    place = next(holding, len(step.cases))
    if place == len(blocks):
        raise NothingToDo
    end = await run_block(blocks[place], run)
    run.raise_label(end.label)
    return fitting(end.value, step.output, what="the result")
