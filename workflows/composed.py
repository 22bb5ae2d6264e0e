"""Shapes made of other shapes: one of several, a list of such values, an object with such fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from workflows.shapes import ANY, CLOSED, Shape, of_value, overlap

__all__ = ["any_item", "compatible", "known", "list_of", "movable", "object_of", "union"]

_MOST_ALTERNATIVES = 50
"""A value that may have more shapes than these is one that nothing is known of."""


def known(value: Any) -> Shape:
    """The shape of a value that is known."""
    schema = of_value(value)
    return Shape(schema, schema, free=True)


def movable(shape: Shape) -> bool:
    """Whether the schema means the same in another document: nothing in it refers to its own one."""
    if shape.free:
        return True
    seen: set[int] = set()
    waiting = [shape.schema]
    for part in waiting:  # grows while it is read
        if isinstance(part, dict | list) and id(part) not in seen:
            seen.add(id(part))
            if "$ref" in part:
                return False
            waiting.extend(part.values() if isinstance(part, dict) else part)
    return True


def _combined(shapes: Iterable[Shape], make: Callable[[list[Any]], Any]) -> Shape:
    """A shape made of others. Of those that refer to their own documents only one document can be kept."""
    found = list(shapes)
    tied = next((one for one in found if not movable(one)), None)
    root = None if tied is None else tied.root
    schema = make([one.schema if one.root is root or movable(one) else True for one in found])
    return Shape(schema, schema, free=True) if tied is None else Shape(schema, root)


def union(shapes: Sequence[Shape]) -> Shape:
    """The shape of a value that has one of these."""
    flat = (part for one in shapes for part in one.alternatives())
    distinct = list({id(one.schema): one for one in flat}.values())
    if not 0 < len(distinct) <= _MOST_ALTERNATIVES or any(not isinstance(one.schema, dict) for one in distinct):
        return ANY
    return distinct[0] if len(distinct) == 1 else _combined(distinct, lambda schemas: {"anyOf": schemas})


def list_of(item: Shape) -> Shape:
    """The shape of a list of such values."""
    return _combined([item], lambda schemas: {"type": "array", "items": schemas[0]})


def object_of(fields: Mapping[str, Shape]) -> Shape:
    """The shape of an object with these fields, each of which is there."""
    return _combined(
        fields.values(),
        lambda schemas: {
            **CLOSED,
            "properties": dict(zip(fields, schemas, strict=True)),
            "required": list(fields),
        },
    )


def any_item(shape: Shape) -> Shape:
    """The shape of an item, whichever it is, where the value is a list."""
    lists = [one for one in shape.alternatives() if (types := one.types()) is None or "array" in types]
    return union([_item(one) for one in lists]) if lists else ANY


def _item(shape: Shape) -> Shape:
    schema = shape.schema
    if not isinstance(schema, dict) or "allOf" in schema:
        return ANY
    first = schema.get("prefixItems")
    rest = schema.get("items")
    if isinstance(first, list):
        possible = first if rest is False else [*first, rest]
        return union([Shape(one, shape.root, shape.free) for one in possible])
    return Shape(rest, shape.root, shape.free) if isinstance(rest, dict) else ANY


def compatible(one: Shape, other: Shape, *, depth: int = 8) -> bool:
    """Whether values of both shapes can be used alike: they are of one type, and so are the fields that both have.

    Null stands for no value and goes with everything.
    """
    have, want = one.types(), other.types()
    if have is None or want is None or not depth:
        return True
    have, want = have - {"null"}, want - {"null"}
    if not have or not want:
        return True
    if not overlap(have, want):
        return False
    if have == want == {"array"}:
        return compatible(any_item(one), any_item(other), depth=depth - 1)
    shared = _properties(one) & _properties(other) if have == want == {"object"} else frozenset()
    for name in sorted(shared):
        mine, yours = one.child(name), other.child(name)
        if isinstance(mine, Shape) and isinstance(yours, Shape) and not compatible(mine, yours, depth=depth - 1):
            return False
    return True


def _properties(shape: Shape) -> frozenset[str]:
    """The fields that some alternative of a shape names."""
    named = (one.schema.get("properties") for one in shape.alternatives() if isinstance(one.schema, dict))
    return frozenset(name for properties in named if isinstance(properties, dict) for name in properties)
