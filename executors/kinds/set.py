"""Steps of kind `set`: compute a value from others."""

from __future__ import annotations

from typing import Any

from executors.context import StepRun
from executors.failures import StepFailure
from executors.schemas import InvalidSchemaError, complaints
from unified_api.types import Json
from workflows.model import SetStep

__all__ = ["fitting", "run"]


async def run(step: SetStep, run: StepRun) -> Json:
    """The value with every template in it rendered.

    Raises:
        StepFailure: an expression's code, or `invalid_output` when the value does not satisfy the step's schema.
    """
    return fitting(run.render(step.value), step.output, what="the value")


def fitting(value: Any, schema: dict[str, Any] | None, *, what: str) -> Json:
    """The value, if it satisfies the schema.

    Raises:
        StepFailure: `invalid_output`, or `invalid_schema`.
    """
    if schema is not None:
        try:
            problems = complaints(value, schema)
        except InvalidSchemaError as error:
            raise StepFailure("invalid_schema", str(error)) from None
        if problems:
            raise StepFailure("invalid_output", f"{what} does not satisfy `output`: {'; '.join(problems)}")
    result: Json = value
    return result
