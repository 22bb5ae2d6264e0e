"""What a JSON Schema says about a value that is not there yet: its types, its fields, its items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflows.findings import Path
from workflows.subschemas import resolve
from workflows.validation import schema_findings

__all__ = ["ANY", "CLOSED", "Absent", "Shape", "describe", "fits", "of_value", "overlap"]

CLOSED: Final = {"type": "object", "additionalProperties": False}
"""An object with no other fields than those that are added."""
_MOST_REFERENCES = 20
_BY_TYPE = {bool: "boolean", str: "string", int: "integer", float: "number", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Absent:
    """A field that a value of some shape cannot have."""

    depth: int
    """How many parts of the path exist."""
    why: str
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema with the document its `#/...` references point into. `ANY` is the shape nothing is known of."""

    schema: Any
    root: Any
    free: bool = False
    """Whether it is known to hold no reference, so that it means the same in any document."""

    @classmethod
    def of(cls, schema: Mapping[str, Any] | None) -> Shape:
        """The shape of a value that satisfies a schema; `ANY` for none, and for what is no schema."""
        return ANY if schema is None or schema_findings(schema) else cls(schema, schema)

    def alternatives(self) -> tuple[Shape, ...]:
        """The shapes of which the value has one: itself, or the branches of an `anyOf` or `oneOf`, each once."""
        found: dict[int, Shape] = {}
        waiting, seen = [self.schema], set()
        while waiting:
            schema = _resolved(waiting.pop(), self.root)
            if id(schema) in seen:
                continue
            seen.add(id(schema))
            words = ("anyOf", "oneOf") if isinstance(schema, dict) else ()
            branches = next((schema[word] for word in words if isinstance(schema.get(word), list)), None)
            if branches is None:
                found[id(schema)] = Shape(schema, self.root, self.free)
            else:
                waiting.extend(reversed(branches))
        return tuple(found.values())

    def document(self) -> dict[str, Any]:
        """The schema as one that stands alone: with the named schemas that its references point to."""
        if self.schema is self.root or not isinstance(self.root, dict):
            return dict(self.schema)
        named = {word: self.root[word] for word in ("$defs", "definitions") if word in self.root}
        return {**self.schema, **named}

    def promises(self, path: Path) -> bool:
        """Whether a value of this shape has the field at a path for certain, as far as the schema says.

        That it may be null is not counted.
        """
        shape = self
        for part in path:
            for one in shape.alternatives():
                if isinstance(one.child(part), Absent) and one.types() != frozenset({"null"}):
                    return False
                if isinstance(one.schema, dict) and isinstance(part, str):
                    named = one.schema.get("properties", {})
                    if part in named and part not in one.schema.get("required", ()) and "default" not in named[part]:
                        return False
            child = shape.child(part)
            if isinstance(child, Absent):
                return False
            shape = child
        return True

    def types(self) -> frozenset[str] | None:
        """The JSON types the value may have, None when it may have any. An integer is also a number."""
        found: set[str] = set()
        for one in self.alternatives():
            types = _own_types(one.schema)
            if types is None:
                return None
            found |= types
        return frozenset(found)

    def follow(self, path: Path) -> Shape | Absent:
        """The shape at a path inside the value, or why the path cannot exist."""
        shape = self
        for depth, part in enumerate(path):
            found = shape.child(part)
            if isinstance(found, Absent):
                return Absent(depth, found.why, found.allowed)
            shape = found
        return shape

    def child(self, part: str | int) -> Shape | Absent:
        """The shape of a field or an item. Absent only when no alternative can have it."""
        absent: list[Absent] = []
        found: list[Shape] = []
        for one in self.alternatives():
            child = _field(one, part) if isinstance(part, str) else _item(one, part)
            if isinstance(child, Absent):
                absent.append(child)
            else:
                found.append(child)
        if not found:
            named = [one for one in absent if one.allowed]
            return (named or absent or [Absent(0, "there is no such value")])[0]
        if len(found) == 1:
            return found[0]
        return Shape({"anyOf": [one.schema for one in found]}, self.root, self.free)


ANY = Shape(schema=True, root=True)


def _resolved(schema: Any, root: Any) -> Any:
    for _ in range(_MOST_REFERENCES):
        if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
            return schema
        schema = resolve(schema["$ref"], root)
    return True


def _own_types(schema: Any) -> frozenset[str] | None:
    if not isinstance(schema, dict):
        return None
    if "const" in schema:
        return frozenset({_type_of(schema["const"])})
    if isinstance(schema.get("enum"), list):
        return frozenset(_type_of(one) for one in schema["enum"])
    types = schema.get("type")
    if isinstance(types, str):
        return frozenset({types})
    if isinstance(types, list):
        return frozenset(str(one) for one in types)
    return None


def _type_of(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    return _BY_TYPE.get(type(value), "array")


def _field(shape: Shape, name: str) -> Shape | Absent:
    schema = shape.schema
    types = _own_types(schema)
    if types is not None and "object" not in types:
        return Absent(0, f"it is {_list(types)}, which has no fields")
    if not isinstance(schema, dict) or "allOf" in schema:
        return ANY
    properties = schema.get("properties")
    if isinstance(properties, dict) and name in properties:
        return Shape(properties[name], shape.root, shape.free)
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        return Shape(others, shape.root, shape.free)
    # Without a word about other fields JSON Schema allows any; but nothing promises them, so a reference to one
    # is a slip of the pen in every case seen.
    if not isinstance(properties, dict) or not properties or others is True or "patternProperties" in schema:
        return ANY
    return Absent(0, f"its fields are {', '.join(map(repr, properties))}", tuple(properties))


def _item(shape: Shape, number: int) -> Shape | Absent:
    schema = shape.schema
    types = _own_types(schema)
    if types is not None and "array" not in types:
        named = schema.get("properties") if isinstance(schema, dict) else None
        return Absent(0, f"it is {_list(types)}, which has no items", tuple(named) if isinstance(named, dict) else ())
    if not isinstance(schema, dict) or "allOf" in schema:
        return ANY
    first = schema.get("prefixItems")
    if isinstance(first, list) and 0 <= number < len(first):
        return Shape(first[number], shape.root, shape.free)
    most = len(first) if isinstance(first, list) and schema.get("items") is False else schema.get("maxItems")
    if isinstance(most, int) and number >= most and types == frozenset({"array"}):
        return Absent(0, f"it has {most} items at most, counted from 0")
    if isinstance(items := schema.get("items"), dict) and types == frozenset({"array"}):
        return Shape(items, shape.root, shape.free)
    return ANY


def _list(types: frozenset[str]) -> str:
    nouns = {"string": "text", "integer": "a number", "number": "a number", "boolean": "true or false", "null": "null"}
    nouns |= {"object": "an object", "array": "a list"}
    return " or ".join(sorted({nouns.get(one, one) for one in types}))


def describe(shape: Shape) -> str:
    """The shape in words: `a list`, `text or null`."""
    types = shape.types()
    return "anything" if types is None else _list(types)


def fits(actual: Shape, wanted: Shape) -> bool:
    """Whether a value of one shape may stand where another is wanted; false only when it never can."""
    have, want = actual.types(), wanted.types()
    if have is None or want is None:
        return True
    return overlap(have, want)


def overlap(some: frozenset[str], others: frozenset[str]) -> bool:
    """Whether two choices of JSON types have one in common; a number may be an integer."""
    return bool(_widened(some) & _widened(others))


def _widened(types: frozenset[str]) -> frozenset[str]:
    return types | {"number", "integer"} if types & {"number", "integer"} else types


def of_value(value: Any) -> dict[str, Any]:
    """The schema of a value that is known."""
    if isinstance(value, dict):
        properties = {key: of_value(one) for key, one in value.items()}
        return {**CLOSED, "properties": properties, "required": list(properties)}
    if isinstance(value, list | tuple):
        items = [of_value(one) for one in value]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    return {"type": _type_of(value)}
