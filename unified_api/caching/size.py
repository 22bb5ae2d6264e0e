"""How much memory an answer takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from sys import getsizeof

__all__ = ["names_of", "size_of"]

_FLOAT = getsizeof(0.5)


def size_of(value: object) -> int:
    """Bytes of `value` and all that it holds; what it holds twice counts twice, small constants as nothing."""
    kind: type = type(value)
    if value is None or kind is bool:
        return 0
    if kind is str or kind is bytes or kind is int or kind is float:
        return getsizeof(value)
    if isinstance(value, tuple | list | set | frozenset):
        return getsizeof(value) + _items(value)
    if isinstance(value, Mapping):
        return getsizeof(value) + _items(value.keys()) + _items(value.values())
    held = [getattr(value, name) for name in names_of(kind)]
    return getsizeof(value) + sum(size_of(one) for one in held if one is not None)


def _items(items: Iterable[object]) -> int:
    listed = list(items)
    if listed and type(listed[0]) is float and type(listed[-1]) is float:
        return _FLOAT * len(listed)  # a vector has a thousand of them
    return sum(size_of(item) for item in listed if item is not None)


@cache
def names_of(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass; of anything else none."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
