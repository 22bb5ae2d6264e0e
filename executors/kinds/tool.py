"""Steps of kind `tool`: call a registered Python function."""

from __future__ import annotations

from typing import Any

from executors.context import StepRun
from executors.failures import StepFailure
from executors.kinds.set import fitting
from executors.tools import ToolError
from unified_api.types import Json
from workflows.model import ToolStep

__all__ = ["run"]

_TRANSIENT = frozenset({"tool_failed"})
"""Failures that another call might not meet; wrong names, arguments and results stay wrong."""


async def run(step: ToolStep, run: StepRun) -> Json:
    """The function's result.

    Raises:
        StepFailure: a `ToolError`'s code, or `invalid_output` when the result does not satisfy the step's schema.
    """
    arguments = {name: _owned(run.render(value)) for name, value in step.arguments.items()}
    try:
        result = await run.context.tools.call(step.tool, arguments)
    except ToolError as error:
        raise StepFailure(error.code, error.message, retryable=error.code in _TRANSIENT) from error
    return fitting(result, step.output, what=f"the result of tool {step.tool!r}")


def _owned(value: Any) -> Any:
    """A copy, since a function may change what it is given and the value belongs to other steps too."""
    if isinstance(value, dict):
        return {key: _owned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_owned(item) for item in value]
    return value
