"""Whether the conditions of steps hold while a run goes on."""

from __future__ import annotations

from executors.failures import StepFailure
from workflows import conditions
from workflows.expressions import ExpressionError, Scope

__all__ = ["holds", "single"]


def holds(condition: str, scope: Scope, *, key: str) -> bool:
    """Whether a condition is true among these values; `key` is where it is written. Raises StepFailure."""
    try:
        return conditions.holds(condition, scope, key=key)
    except ExpressionError as error:
        raise StepFailure(error.code, error.message) from error


def single(condition: str, *, key: str) -> None:
    """Raises StepFailure for a condition that is not exactly one expression."""
    try:
        conditions.single(condition, key=key)
    except ExpressionError as error:
        raise StepFailure(error.code, error.message) from error
