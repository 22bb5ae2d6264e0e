"""Why a value of one shape can never stand where another is wanted: types, fields that lack, and items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from workflows.findings import Path
from workflows.shapes import Shape, describe, overlap

__all__ = ["Misfit", "misfit"]

_DEEPEST: Final = 16
_MOST_PAIRS: Final = 400
"""Alternatives of one shape against those of another; beyond it nothing is said."""

_READ_AS: Final = frozenset({"integer", "number", "boolean"})
_READ: Final = frozenset({"string", "number", "boolean"})
"""What may be read as one of these."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """What keeps a value from standing somewhere, at a path inside of it."""

    why: str
    path: Path = ()
    of_type: bool = False
    """Whether it is of another type."""


def misfit(actual: Shape, wanted: Shape, *, depth: int = _DEEPEST, read: bool = False) -> Misfit | None:
    """The reason why no value of one shape satisfies another, None where one may. Depth 0 looks at the top only.

    What is `read` may be a text, a number or a truth value where another of them is needed that it can be read as.
    """
    return _Pairs(read=read).look(actual, wanted, depth)


class _Pairs:
    """Remembers which schemas were held against which: a schema may stand at many places, or in itself."""

    def __init__(self, *, read: bool) -> None:
        self._read = read
        self._known: dict[tuple[int, int], Misfit | None] = {}

    def look(self, actual: Shape, wanted: Shape, depth: int) -> Misfit | None:
        have, want = actual.types(), wanted.types()
        if have is None or want is None:
            return None
        if not self._meet(have, want):
            return Misfit(f"is {describe(actual)}, and {describe(wanted)} is needed", of_type=True)
        ours, theirs = actual.alternatives(), wanted.alternatives()
        if len(ours) * len(theirs) > _MOST_PAIRS:
            return None
        nearest: Misfit | None = None
        for one in ours:
            for other in theirs:
                if self._meet(one.types() or frozenset(), other.types() or frozenset()):
                    found = self._pair(one, other, depth)
                    if found is None:
                        return None
                    nearest = nearest or found
        return nearest

    def _meet(self, have: frozenset[str], want: frozenset[str]) -> bool:
        return overlap(have, want | _READ if self._read and want & _READ_AS else want)

    def _pair(self, actual: Shape, wanted: Shape, depth: int) -> Misfit | None:
        if not isinstance(actual.schema, dict) or not isinstance(wanted.schema, dict):
            return None
        key = id(actual.schema), id(wanted.schema)
        if key not in self._known:
            self._known[key] = None  # for schemas that lead back to themselves
            self._known[key] = _own(actual, wanted) or (self._inside(actual, wanted, depth) if depth else None)
        return self._known[key]

    def _inside(self, actual: Shape, wanted: Shape, depth: int) -> Misfit | None:
        for part in _certain(actual):
            mine, theirs = actual.child(part), wanted.child(part)
            if isinstance(mine, Shape) and isinstance(theirs, Shape):
                found = self.look(mine, theirs, depth - 1)
                if found is not None:
                    return replace(found, path=(part, *found.path))
        return None


def _own(actual: Shape, wanted: Shape) -> Misfit | None:
    """What keeps an object or a list from it by itself, whatever its fields or items are."""
    have, want = actual.types(), wanted.types()
    if have == frozenset({"object"}) and want is not None:
        return _fields(actual.schema, wanted.schema)
    return _length(actual.schema, wanted.schema) if have == frozenset({"array"}) and want is not None else None


def _fields(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> Misfit | None:
    own, theirs = actual.get("properties", {}), wanted.get("properties", {})
    if actual.get("additionalProperties") is False and "patternProperties" not in actual:
        lacking = [name for name in wanted.get("required", ()) if name not in own]
        if lacking:
            has = f"it has {', '.join(map(repr, own))}" if own else "it has none"
            return Misfit(f"lacks the field {lacking[0]!r}, which is required; {has}")
    if wanted.get("additionalProperties") is False and "patternProperties" not in wanted:
        extra = next((name for name in actual.get("required", ()) if name not in theirs), None)
        if extra is not None:
            return Misfit(f"has the field {extra!r}, which is not allowed here")
    return None


def _length(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> Misfit | None:
    least, most = actual.get("minItems", 0), _most(actual)
    if most is not None and most < wanted.get("minItems", 0):
        return Misfit(f"has {most:,} items at most, and {wanted['minItems']:,} are needed")
    ceiling = _most(wanted)
    if ceiling is not None and least > ceiling:
        return Misfit(f"has {least:,} items at least, and {ceiling:,} are allowed")
    return None


def _most(schema: Mapping[str, Any]) -> float | None:
    first = schema.get("prefixItems")
    if schema.get("items") is False and isinstance(first, list):
        return len(first)
    bound = schema.get("maxItems")
    return bound if isinstance(bound, int | float) else None


def _certain(shape: Shape) -> Iterator[str | int]:
    """The fields and the items that a value of the shape surely has."""
    types = shape.types()
    if types == frozenset({"object"}):
        yield from (name for name in shape.schema.get("required", ()) if name in shape.schema.get("properties", {}))
    elif types == frozenset({"array"}):
        first = shape.schema.get("prefixItems")
        named = len(first) if isinstance(first, list) else 1
        yield from range(min(int(shape.schema.get("minItems", 0)), named))
