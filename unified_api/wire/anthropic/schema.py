"""A JSON Schema as the Messages API can hold an answer to it.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations: objects must be
closed, bounds of numbers, lengths and counts are refused, and so are recursion and references to elsewhere.
"""

from __future__ import annotations

import re

from unified_api.types import Json, JsonObject
from unified_api.wire.json_text import dump_json

__all__ = ["UnheldSchemaError", "held_schema"]

_TAKEN = frozenset({
    "$defs", "$ref", "$schema", "additionalProperties", "allOf", "anyOf", "const", "default", "definitions",
    "description", "enum", "format", "items", "minItems", "pattern", "properties", "required", "title", "type",
})  # fmt: skip
_FORMATS = frozenset({
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
})  # fmt: skip
_REGEX = re.compile(r"\\[1-9bB]|\(\?")
"""What no pattern may have: references back, boundaries, and looking around."""
_GROUPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf")
_FIXED = frozenset({"$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "patternProperties", "unevaluatedProperties"})
"""What changes the meaning of a schema too much to be told in words."""


class UnheldSchemaError(ValueError):
    """No answer can be held to the schema; the message says why."""


def held_schema(schema: JsonObject) -> JsonObject:
    """The schema with its objects closed, and with what the server refuses moved into the descriptions.

    So an answer fits the given schema as far as the model heeds the words; whoever needs the rest checks it. Raises
    UnheldSchemaError for objects of free keys, recursion and references that lead out of the schema.
    """
    try:
        held = _held(schema)
        _check_references(held)
    except RecursionError:
        raise UnheldSchemaError("it is nested too deeply") from None
    return held


def _held(schema: JsonObject) -> JsonObject:
    if "oneOf" in schema and "anyOf" not in schema:
        schema = {("anyOf" if name == "oneOf" else name): value for name, value in schema.items()}
    fixed = sorted(_FIXED & schema.keys())
    if fixed:
        raise UnheldSchemaError(f"it uses {fixed[0]!r}")
    said = {name: value for name, value in schema.items() if not _is_taken(name, value)}
    held = {name: _inner(name, value) for name, value in schema.items() if name not in said}
    if _is_object(schema):
        said.pop("additionalProperties", None)
        held.update(_closed(schema))
    if said:
        words = ", ".join(f"{name}: {dump_json(value).decode()}" for name, value in said.items())
        description = held.get("description")
        held["description"] = f"{description}\n({words})" if isinstance(description, str) else f"({words})"
    return held


def _closed(schema: JsonObject) -> JsonObject:
    """What closes an object. Beside branches it has no properties of its own that they would be closed to."""
    branches = [name for name in ("anyOf", "allOf", "$ref") if name in schema]
    if branches and "properties" in schema:
        raise UnheldSchemaError(f"it has properties beside {branches[0]!r}")
    if branches:
        return {}
    if not schema.get("properties") and schema.get("additionalProperties", "properties" not in schema):
        raise UnheldSchemaError("it has an object of free keys")
    return {"additionalProperties": False}


def _is_object(schema: JsonObject) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _is_taken(name: str, value: Json) -> bool:
    if name == "additionalProperties":
        return value is False
    if name == "format":
        return isinstance(value, str) and value in _FORMATS
    if name == "pattern":
        return isinstance(value, str) and not _REGEX.search(value)
    if name == "minItems":
        return value in (0, 1)
    return name in _TAKEN


def _inner(name: str, value: Json) -> Json:
    if name in _GROUPS and isinstance(value, dict):
        return {key: _held_any(one) for key, one in value.items()}
    if name in _LISTS and isinstance(value, list):
        return [_held_any(one) for one in value]
    return _held_any(value) if name == "items" else value


def _held_any(value: Json) -> Json:
    if not isinstance(value, dict):
        raise UnheldSchemaError(f"it has {value!r} where a schema of its own is needed")
    if not value:
        raise UnheldSchemaError("it allows anything in one place")
    return _held(value)


def _check_references(root: JsonObject) -> None:
    """Every reference names a definition of this schema, and none leads back to itself."""
    names: dict[str, JsonObject] = {}
    for key in ("$defs", "definitions"):
        group = root.get(key)
        for name, one in group.items() if isinstance(group, dict) else ():
            if isinstance(one, dict):
                names[f"#/{key}/{name}"] = one
    uses = {name: _references(one) for name, one in names.items()}
    uses[""] = _references({name: value for name, value in root.items() if name not in {"$defs", "definitions"}})
    unknown = sorted(set().union(*uses.values()) - names.keys())
    if unknown:
        raise UnheldSchemaError(f"it refers to {unknown[0]!r}, which is no definition of its own")
    # What refers to nothing that is left is no part of a ring.
    while True:
        done = {name for name, used in uses.items() if not used & uses.keys()}
        if not done:
            break
        uses = {name: used for name, used in uses.items() if name not in done}
    if uses:
        raise UnheldSchemaError(f"it is recursive ({max(uses)!r})")


def _references(value: Json) -> set[str]:
    if isinstance(value, list):
        return set().union(*(_references(one) for one in value))
    if not isinstance(value, dict):
        return set()
    here = value.get("$ref")
    inner = (_references(one) for name, one in value.items() if name not in {"const", "enum", "default"})
    return {here, *set().union(*inner)} if isinstance(here, str) else set().union(*inner)
