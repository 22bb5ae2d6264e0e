"""A JSON Schema made finite, so that a tiny model's answer under its grammar ends before its tokens do."""

from __future__ import annotations

from unified_api.types import Json, JsonObject

__all__ = ["MAX_ITEMS", "MAX_LENGTH", "bounded"]

MAX_LENGTH = 400
"""Characters of a string that the schema leaves open."""
MAX_ITEMS = 8
"""Items of an array that the schema leaves open."""

_SHAPES_TEXT = {"enum", "const", "pattern", "format", "maxLength"}
_SHAPES_ITEMS = {"enum", "const", "maxItems", "prefixItems"}
_SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties")
_SCHEMAS = ("items", "additionalProperties")


def bounded(schema: JsonObject) -> JsonObject:
    """`schema` with a limit on every open string and array, and otherwise as it is.

    A model this small repeats itself for ever inside an open array or string, and an answer cut by the token limit is
    not valid JSON. What the schema itself limits, or asks to be longer, stays; what it negates (`not`, `if`) too.
    """
    result: JsonObject = {key: _inner(key, value) for key, value in schema.items()}
    if _is_open(result, "string", _SHAPES_TEXT) and _at_most(result.get("minLength"), MAX_LENGTH):
        result["maxLength"] = MAX_LENGTH
    if _is_open(result, "array", _SHAPES_ITEMS) and _at_most(result.get("minItems"), MAX_ITEMS):
        result["maxItems"] = MAX_ITEMS
    return result


def _inner(key: str, value: Json) -> Json:
    if key in _SCHEMAS and isinstance(value, dict):
        return bounded(value)
    if key in _SCHEMA_LISTS and isinstance(value, list):
        return [bounded(item) if isinstance(item, dict) else item for item in value]
    if key in _SCHEMA_MAPS and isinstance(value, dict):
        return {name: bounded(item) if isinstance(item, dict) else item for name, item in value.items()}
    return value


def _is_open(schema: JsonObject, kind: str, shaped_by: set[str]) -> bool:
    return schema.get("type") == kind and not shaped_by & schema.keys()


def _at_most(minimum: Json, limit: int) -> bool:
    return minimum is None or (isinstance(minimum, int | float) and minimum <= limit)
