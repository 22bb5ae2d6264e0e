"""What counts as true in a `when` or an `until`: one rule, for the check before the run and for the run itself.

A text, a list or an object is neither true nor false: what Python or Jinja takes for true, such as the text "no" or
the answer of somebody who refused, would start what was not to start.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

from workflows.expressions import ExpressionError, Scope, template

__all__ = ["holds", "may_hold", "single"]

_TELLING: Final = frozenset({"boolean", "number", "integer"})
"""JSON types that say yes or no: null and 0 are no, other numbers yes."""
_NOUNS: Final[dict[type, str]] = {str: "a text", dict: "an object", list: "a list", tuple: "a list"}


def single(condition: str, *, key: str) -> None:
    """Raises `ExpressionError` for a condition that is not exactly one expression: a text is always there."""
    if not template(condition).whole:
        told = f"`{key}` must be one expression in {{{{ }}}}, not {condition!r}"
        raise ExpressionError("invalid_expression", told)


def holds(condition: str, scope: Scope, *, key: str) -> bool:
    """Whether a condition is true now; `key` is where it is written. Raises `ExpressionError`."""
    single(condition, key=key)
    value = template(condition).render(scope)
    if value is None or isinstance(value, bool | int | float):
        return bool(value)
    noun = _NOUNS.get(type(value), f"a {type(value).__name__}")
    told = f"`{key}` must give true or false, and `{' '.join(condition.split())}` gives {noun}"
    fixes = {"a text": "compare it, as in `== 'yes'`", "a list": "ask for its `| length > 0`"}
    raise ExpressionError("invalid_condition", f"{told}; {fixes.get(noun, 'ask for one of its fields')}")


def may_hold(types: AbstractSet[str] | None) -> bool:
    """Whether a value of these JSON types can be a condition; None are types that are not known."""
    return types is None or types <= {"null"} or not _TELLING.isdisjoint(types)
