"""Which JSON Schemas strict decoding takes (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas)."""

from __future__ import annotations

from unified_api.types import Json

__all__ = ["fits_strict"]

_REFUSED = frozenset(
    {"allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"}
)
_NAMED_SCHEMAS = ("properties", "$defs", "definitions")
_SCHEMAS = ("items", "anyOf", "prefixItems")


def fits_strict(schema: Json) -> bool:
    """Whether every object of `schema` closes itself and requires all its properties, without refused keywords.

    A server that decodes strictly answers any other schema with a 400.
    """
    if not isinstance(schema, dict) or schema.get("type") != "object" or "anyOf" in schema:
        return False
    try:
        return _fits(schema)
    except RecursionError:
        return False


def _fits(schema: Json) -> bool:
    if isinstance(schema, list):
        return all(map(_fits, schema))
    if not isinstance(schema, dict):
        return False
    if not _REFUSED.isdisjoint(schema) or not _closed(schema):
        return False
    named = (schema[key] for key in _NAMED_SCHEMAS if key in schema)
    inner = (schema[key] for key in _SCHEMAS if key in schema)
    return all(isinstance(group, dict) and all(map(_fits, group.values())) for group in named) and all(
        map(_fits, inner)
    )


def _closed(schema: dict[str, Json]) -> bool:
    kind = schema.get("type")
    if "properties" not in schema and kind != "object" and not (isinstance(kind, list) and "object" in kind):
        return True
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
        return False
    return isinstance(required, list) and all(name in required for name in properties)
