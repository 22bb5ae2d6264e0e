"""Google's own `Schema` (a piece of OpenAPI 3.0) as JSON Schema (https://ai.google.dev/api/caching#Schema)."""

from __future__ import annotations

from unified_api.errors import InvalidRequestError
from unified_api.types import Json, JsonObject
from unified_api.wire.gemini.media import camel_keys

__all__ = ["as_json_schema"]

_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_GROUPS = frozenset({"properties", "$defs", "defs", "definitions", "patternProperties"})


def as_json_schema(schema: Json) -> Json:
    """The same in JSON Schema: types in small letters, `nullable` as a further type, counts as numbers.

    Raises InvalidRequestError for one that is nested too deeply.
    """
    try:
        return _converted(schema)
    except RecursionError:
        raise InvalidRequestError("a schema is nested too deeply") from None


def _converted(schema: Json) -> Json:
    if not isinstance(schema, dict):
        return schema
    made: JsonObject = {}
    for key, value in camel_keys(schema).items():
        if key in _GROUPS and isinstance(value, dict):
            made[key] = {name: _converted(one) for name, one in value.items()}
        elif key in {"items", "additionalProperties"}:
            made[key] = _converted(value)
        elif key in {"anyOf", "oneOf", "allOf", "prefixItems"} and isinstance(value, list):
            made[key] = [_converted(one) for one in value]
        elif key == "type":
            made[key] = [_lower(one) for one in value] if isinstance(value, list) else _lower(value)
        elif key in _COUNTS and isinstance(value, str) and value.isdigit():
            made[key] = int(value)
        elif key != "nullable" and (key, value) != ("format", "enum"):
            made[key] = value
    return _nullable(made) if schema.get("nullable") is True else made


def _lower(kind: Json) -> Json:
    return kind.lower() if isinstance(kind, str) else kind


def _nullable(schema: JsonObject) -> JsonObject:
    kind, branches, values = schema.get("type"), schema.get("anyOf"), schema.get("enum")
    wider = dict(schema)
    if isinstance(kind, str):
        wider["type"] = [kind, "null"]
    elif isinstance(branches, list):
        wider["anyOf"] = [*branches, {"type": "null"}]
    if isinstance(values, list):
        wider["enum"] = [*values, None]
    return wider
