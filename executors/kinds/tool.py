"""Steps of kind `tool`: call a registered Python function, or a tool of a server."""

from __future__ import annotations

from typing import Any

from executors.context import StepRun
from executors.failures import StepFailure
from executors.kinds.set import fitting
from executors.recording import repeatable
from executors.tools import ToolError
from unified_api.types import Json
from unified_api.types.sensitivity import cleared
from workflows.model import ToolStep

__all__ = ["run"]

_TRANSIENT = frozenset({"tool_failed", "server_unreachable"})
"""Failures that another call might not meet; wrong names, arguments and results stay wrong."""
_UNCERTAIN = frozenset({"timed_out", "unknown_outcome"})
"""Those after which nobody knows whether it was done."""


async def run(step: ToolStep, run: StepRun) -> Json:
    """The tool's result.

    Raises:
        StepFailure: a `ToolError`'s code, `insufficient_clearance`, or `invalid_output` when the result does not
            satisfy the step's schema.
    """
    arguments = {name: _owned(run.render(value)) for name, value in step.arguments.items()}
    await _check_clearance(step.tool, run)
    try:
        result = await run.context.tools.call(step.tool, arguments)
    except ToolError as error:
        raise StepFailure(error.code, error.message, retryable=_is_retryable(error.code, step, run)) from error
    return fitting(result, step.output, what=f"the result of tool {step.tool!r}")


def _is_retryable(code: str, step: ToolStep, run: StepRun) -> bool:
    if code not in _UNCERTAIN:
        return code in _TRANSIENT
    spec = run.context.tools.spec(step.tool)
    return repeatable(run) or (spec is not None and spec.repeatable)


async def _check_clearance(name: str, run: StepRun) -> None:
    tools = run.context.tools
    if tools.spec(name) is None:
        await tools.load([name])
    spec = tools.spec(name)
    if spec is not None and spec.clearance is not None and not cleared(spec.clearance, run.label):
        server = name.partition(".")[0]
        raise StepFailure(
            "insufficient_clearance",
            f"the arguments hold {run.label} data and tool {name!r} is cleared for {spec.clearance}; it was not called."
            f' Set clearance = "{run.label}" in [mcp.servers.{server}] if it may have them, or `declassify` them',
        )


def _owned(value: Any) -> Any:
    """A copy, since a function may change what it is given and the value belongs to other steps too."""
    if isinstance(value, dict):
        return {key: _owned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_owned(item) for item in value]
    return value
