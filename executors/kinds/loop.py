"""Steps of kind `loop`: run steps round after round until a condition holds."""

from __future__ import annotations

from executors.block import BlockEnd, run_block
from executors.conditions import holds, single
from executors.context import StepRun
from executors.failures import StepFailure
from unified_api.types import Json
from workflows.blocks import inner_blocks
from workflows.model import LoopStep

__all__ = ["run"]


async def run(step: LoopStep, run: StepRun) -> Json:
    """The result of the last round.

    Raises:
        StepFailure: an expression's code, `too_many_rounds`, or that of a step inside.
    """
    single(step.until, key="until")  # before a round is paid for
    inner = next(inner_blocks(step))
    previous: Json = run.render(step.initial)
    for number in range(1, step.max_rounds + 1):
        variables = {step.as_: {"number": number, "previous": previous}}
        end = await run_block(inner, run, at=f"[{number}]", variables=variables)
        previous = end.value
        # What a round gave decides whether there is another, and is seen there.
        run.raise_label(end.label)
        if _is_done(step, run, end):
            return previous
    if step.on_limit == "fail":
        raise StepFailure("too_many_rounds", f"`until` did not hold in {step.max_rounds} rounds")
    return previous


def _is_done(step: LoopStep, run: StepRun, end: BlockEnd) -> bool:
    run.raise_label(end.frame.labels.of((step.until,)))
    return holds(step.until, end.frame.scope, key="until")
