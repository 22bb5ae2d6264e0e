"""Answers that nobody else can change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from unified_api.caching.size import names_of

__all__ = ["own"]

_PLAIN = frozenset({str, bytes, int, float, bool, Decimal})
Value = TypeVar("Value")


def own(value: Value) -> Value:
    """The same, with copies of the dictionaries and lists in it; where there are none, it is `value` itself."""
    return _own(value)  # type: ignore[no-any-return]  # what is copied is of the type it was


def _own(value: Any) -> Any:
    kind: type = type(value)
    if value is None or kind in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {name: _own(one) for name, one in value.items()}
    if kind is list:
        return [_own(one) for one in value]
    if kind is tuple:
        return value if value and type(value[0]) is float else _tuple(value)
    changed = {}
    for name in names_of(kind):
        held = getattr(value, name)
        copied = _own(held)
        if copied is not held:
            changed[name] = copied
    return replace(value, **changed) if changed else value


def _tuple(value: tuple[Any, ...]) -> tuple[Any, ...]:
    copied = tuple(map(_own, value))
    return copied if any(one is not other for one, other in zip(copied, value, strict=True)) else value
