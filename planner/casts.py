"""Values of tool arguments brought to the type that the tool's schema asks for, where nothing is lost by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from planner.names import meant, words
from planner.reading import ReadingError, read_json
from unified_api.types import Json, JsonObject

__all__ = ["cast_arguments", "cast_value"]

EMPTY_WORDS = frozenset({"input", "the", "arg", "argument", "param", "parameter", "value", "file"})
"""Words that models add to an argument's name and that distinguish nothing."""
TYPE_OF = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def cast_arguments(arguments: JsonObject, schema: Mapping[str, Any]) -> tuple[JsonObject, tuple[str, ...]]:
    """The arguments under the names and in the types of `schema`, and what was changed, in words."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return arguments, ()
    notes: list[str] = []
    made: JsonObject = {}
    names = {name: renamed(name, arguments, properties) for name in arguments}
    for name, value in arguments.items():
        kept = names[name]
        if kept != name and list(names.values()).count(kept) > 1:
            kept = name
        if kept != name:
            notes.append(f"argument {name!r} is {kept!r}")
        parameter = properties.get(kept)
        if parameter is not None and value is None and optional(kept, schema) and "null" not in types(parameter):
            notes.append(f"argument {kept!r} was null, which is to leave it out")
            continue
        cast_to = cast_value(value, parameter) if isinstance(parameter, Mapping) else value
        if cast_to is not value:
            notes.append(f"argument {kept!r}: {short(value)} is {short(cast_to)}")
        made[kept] = cast_to
    return made, tuple(notes)


def renamed(name: str, arguments: JsonObject, properties: Mapping[str, Any]) -> str:
    if name in properties:
        return name
    free = [one for one in properties if one not in arguments]
    if found := meant(name, free):
        return found
    telling = tuple(word for word in words(name) if word not in EMPTY_WORDS)
    matches = [one for one in free if telling and words(one) == telling]
    return matches[0] if len(matches) == 1 else name


def optional(name: str, schema: Mapping[str, Any]) -> bool:
    required = schema.get("required")
    return not isinstance(required, list | tuple) or name not in required


def cast_value(value: Json, schema: Mapping[str, Any]) -> Json:
    """`value` in the type that `schema` asks for, or the very same object where that is not beyond doubt."""
    allowed = types(schema)
    own = TYPE_OF.get(type(value), "null")
    if not allowed or own in allowed or (own == "integer" and "number" in allowed):
        return value
    if isinstance(value, str):
        return value if "{{" in value or "{%" in value else from_text(value.strip(), allowed, value)
    if isinstance(value, float) and value.is_integer() and "integer" in allowed:
        return int(value)
    if type(value) in {int, float} and allowed == {"string"}:
        return json.dumps(value)
    return value


def from_text(text: str, allowed: frozenset[str], unchanged: str) -> Json:
    if "boolean" in allowed and text.casefold() in {"true", "false"}:
        return text.casefold() == "true"
    try:
        value = read_json(text) if text[:1] in "{[" else json.loads(text)
    except (ReadingError, ValueError):
        return unchanged
    if isinstance(value, bool) or value is None:
        return unchanged
    own = TYPE_OF[type(value)]
    if own in allowed or (own == "integer" and "number" in allowed):
        return cast("Json", value)
    return unchanged


def types(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types that a schema allows at its top, or nothing where it does not say so simply."""
    if isinstance(schema.get("type"), str):
        return frozenset({schema["type"]})
    if isinstance(schema.get("type"), list):
        return frozenset(schema["type"])
    branches = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(branches, list) and branches:
        told = [types(branch) for branch in branches if isinstance(branch, Mapping)]
        return frozenset().union(*told) if all(told) else frozenset()
    return frozenset()


def short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
