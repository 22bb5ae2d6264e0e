"""The steps inside of steps: which blocks a step holds, what they give, and what they see besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workflows.findings import Path
from workflows.model import Block, BranchStep, LoopStep, MapStep, Step, StepBase

__all__ = ["Inner", "implied_result", "inner_blocks", "is_container", "may_be_skipped", "nested_steps"]


@dataclass(frozen=True, slots=True)
class Inner:
    """A block of steps inside of a step."""

    path: Path
    """Of what holds `steps` and `result`, inside the step: `()` for a map, `("cases", 0)` for a branch's first case."""
    steps: tuple[Step, ...]
    result: Any
    """The template of what the block gives; None is the output of the last of its steps."""
    variables: frozenset[str] = frozenset()
    """Names that templates inside see beside `inputs`, `steps` and what the blocks around it see."""


def is_container(step: Step) -> bool:
    """Whether the step only runs others, or waits for a person, so that it takes no place among running steps."""
    return step.kind in {"map", "branch", "loop", "workflow", "approval"}


def may_be_skipped(step: StepBase) -> bool:
    """Whether the step may end without an output though the run goes on."""
    return step.when is not None or step.on_error == "skip" or (isinstance(step, BranchStep) and step.else_ is None)


def inner_blocks(step: StepBase) -> Iterator[Inner]:
    """The blocks that a step holds itself, in the order of the file; not those of the steps inside of them."""
    if isinstance(step, MapStep):
        yield Inner((), step.steps, step.result, frozenset({step.as_, f"{step.as_}_index"}))
    elif isinstance(step, LoopStep):
        yield Inner((), step.steps, step.result, frozenset({step.as_}))
    elif isinstance(step, BranchStep):
        for place, case in enumerate(step.cases):
            yield Inner(("cases", place), case.steps, case.result)
        if step.else_ is not None:
            yield Inner(("else",), step.else_.steps, step.else_.result)


def nested_steps(step: StepBase) -> Iterator[tuple[Path, Step]]:
    """Every step inside of a step, however deep, with its path inside of it."""
    for inner in inner_blocks(step):
        for place, one in enumerate(inner.steps):
            path: Path = (*inner.path, "steps", place)
            yield path, one
            yield from (((*path, *rest), deep) for rest, deep in nested_steps(one))


def implied_result(block: Inner | Block) -> Any:
    """The template of what a block gives: as written, or the output of its last step; null without steps."""
    if block.result is not None or not block.steps:
        return block.result
    return f"{{{{ steps.{block.steps[-1].id}.output | default(none) }}}}"
