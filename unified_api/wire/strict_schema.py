"""Which JSON Schemas strict decoding takes (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas)."""

from __future__ import annotations

from collections.abc import Iterator

from unified_api.types import Json, JsonObject, OutputSchema
from unified_api.wire.object_root import needs_object, wrapped

__all__ = ["as_sent", "fits_strict"]

# A server answers a keyword that is not in its list with a 400, so this is a list of what is taken, not of what is not.
_TAKEN = frozenset({
    "$defs", "$ref", "$schema", "additionalProperties", "anyOf", "const", "definitions", "description", "enum",
    "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum",
    "multipleOf", "pattern", "properties", "required", "title", "type",
})  # fmt: skip
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_KINDS = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_DEFINITIONS = ("$defs", "definitions")

_LEVELS = 10
"""Objects and arrays inside each other, the root among them."""
_PROPERTIES = 5_000
_ENUM_VALUES = 1_000
_NAMES = 120_000
"""Characters of all property names, definition names, and values of `enum` and `const` together."""
_LONG_ENUM = (250, 15_000)
"""An enum of more values than the first may hold at most the second in characters."""


def as_sent(wanted: OutputSchema) -> tuple[JsonObject, bool]:
    """The schema as OpenAI is sent it, and whether the answer is held to it.

    One that strict decoding would refuse guides the model instead of failing the call.
    """
    schema = wrapped(wanted.schema) if needs_object(wanted) else wanted.schema
    return schema, wanted.strict and fits_strict(schema)


def fits_strict(schema: Json) -> bool:
    """Whether strict decoding takes `schema`: an object whose objects all close themselves and require every property.

    A server that decodes strictly answers any other schema with a 400.
    """
    if not isinstance(schema, dict) or schema.get("type") != "object" or "anyOf" in schema:
        return False
    try:
        return _fits(schema, 0) and _within_limits(schema)
    except RecursionError:
        return False


def _fits(schema: Json, level: int) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _TAKEN:
        return False
    if "$ref" in schema:  # must stand alone
        return len(schema) == 1 and _is_local(schema["$ref"])
    kinds = _kinds(schema)
    level += "object" in kinds or "array" in kinds
    return (
        level <= _LEVELS
        and (bool(kinds) or "anyOf" in schema)
        and ("object" not in kinds or _is_closed(schema))
        and ("array" not in kinds or "items" in schema)
        and schema.get("format", "date") in _FORMATS
        and all(_fits(inner, level) for inner in _inner(schema))
        and _is_told_apart(schema.get("anyOf", []))
    )


def _kinds(schema: JsonObject) -> frozenset[str]:
    """The types that the schema names; empty when it names none or one that JSON Schema does not have."""
    kind = schema.get("type")
    kinds = frozenset(one for one in (kind if isinstance(kind, list) else [kind]) if isinstance(one, str))
    return kinds if kinds <= _KINDS else frozenset()


def _is_local(reference: Json) -> bool:
    return isinstance(reference, str) and (reference == "#" or reference.startswith("#/"))


def _is_closed(schema: JsonObject) -> bool:
    properties, required = schema.get("properties"), schema.get("required", [])
    if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
        return False
    return isinstance(required, list) and all(name in required for name in properties)


def _is_told_apart(branches: Json) -> bool:
    """Whether a decoder knows by the first key which of several objects it writes.

    OpenAI refuses branches of `anyOf` that share it: "must not share identical first keys. Consider adding a
    discriminator key"; a first key with one allowed value, another in each branch, is such a discriminator.
    """
    if not isinstance(branches, list):
        return False
    starts: set[str] = set()
    for branch in branches:
        properties = branch.get("properties") if isinstance(branch, dict) else None
        if isinstance(properties, dict) and properties:
            name, first = next(iter(properties.items()))
            only = (first.get("const"), first.get("enum")) if isinstance(first, dict) else None
            start = f"{name} {only}" if only != (None, None) else name
            if start in starts or name in starts:
                return False
            starts.add(start)
    return True


def _inner(schema: JsonObject) -> Iterator[Json]:
    """The schemas directly inside; None for what is no schema where one must be."""
    for key in ("properties", *_DEFINITIONS):
        group = schema.get(key, {})
        yield from group.values() if isinstance(group, dict) else (None,)
    if "items" in schema:
        yield schema["items"]
    branches = schema.get("anyOf", [])
    yield from branches if isinstance(branches, list) else (None,)


def _within_limits(root: JsonObject) -> bool:
    schemas = list(_all(root))
    names = [name for one in schemas for key in ("properties", *_DEFINITIONS) for name in _keys(one.get(key))]
    enums = [one["enum"] for one in schemas if isinstance(one.get("enum"), list)]
    values = [value for enum in enums if isinstance(enum, list) for value in enum]
    values += [one["const"] for one in schemas if "const" in one]
    return (
        sum(len(_keys(one.get("properties"))) for one in schemas) <= _PROPERTIES
        and len(values) <= _ENUM_VALUES
        and sum(len(str(one)) for one in (*names, *values)) <= _NAMES
        and all(
            len(enum) <= _LONG_ENUM[0] or len("".join(map(str, enum))) <= _LONG_ENUM[1]
            for enum in enums
            if isinstance(enum, list)
        )
    )


def _all(schema: JsonObject) -> Iterator[JsonObject]:
    yield schema
    for inner in _inner(schema):
        if isinstance(inner, dict):
            yield from _all(inner)


def _keys(group: Json) -> list[str]:
    return list(group) if isinstance(group, dict) else []
