"""Changes every step of a workflow, however deep it stands."""

from __future__ import annotations

from collections.abc import Callable

from workflows.model import Block, BranchStep, LoopStep, MapStep, Step, Workflow

__all__ = ["rewritten"]

Change = Callable[[Step], Step]


def rewritten(workflow: Workflow, change: Change) -> Workflow:
    """The workflow with each step as `change` gives it; of a step that holds others, those inside are changed first."""
    return workflow.model_copy(update={"steps": _steps(workflow.steps, change)})


def _steps(steps: tuple[Step, ...], change: Change) -> tuple[Step, ...]:
    return tuple(change(_inside(step, change)) for step in steps)


def _inside(step: Step, change: Change) -> Step:
    if isinstance(step, MapStep | LoopStep):
        return step.model_copy(update={"steps": _steps(step.steps, change)})
    if isinstance(step, BranchStep):
        cases = tuple(_block(case, change) for case in step.cases)
        return step.model_copy(update={"cases": cases, "else_": step.else_ and _block(step.else_, change)})
    return step


def _block(block: Block, change: Change) -> Block:
    return block.model_copy(update={"steps": _steps(block.steps, change)})
