"""The schemas inside a JSON Schema: where they are, and what they use that cannot be used here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from workflows.expansion import unlimited
from workflows.findings import pointer

__all__ = ["SchemaProblem", "resolve", "subschemas", "unusable"]

SchemaProblem: TypeAlias = "tuple[str, str, str | None]"
"""(pointer inside the schema, message, mend)."""

_MAPS: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
_LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
_SINGLES: Final = frozenset(
    {"items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains"}
    | {"propertyNames", "not", "if", "then", "else", "contentSchema"}
)
# What changes the meaning of references, or leads elsewhere.
_FOREIGN: Final = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary")
_REPEATS: Final = frozenset("*+?{(")
_NAMED: Final = "Put the schema under `$defs` and refer to it by `#/$defs/NAME`."


def unusable(root: Any) -> Iterator[SchemaProblem]:
    """References that lead nowhere, elsewhere or nowhere else, and patterns that are no regular expressions of Python.

    The metaschema sees none of it, and the validator would fetch, fall over, or take ages.
    """
    schemas = dict(subschemas(root))
    wrong = tuple(_misleading(schemas))
    yield from wrong or unlimited(schemas)


def _misleading(schemas: dict[str, Any]) -> Iterator[SchemaProblem]:
    remainder = any(isinstance(schema, dict) and "unevaluatedProperties" in schema for schema in schemas.values())
    for where, schema in schemas.items():
        if not isinstance(schema, dict):
            continue
        for word in _FOREIGN if not where else (*_FOREIGN, "$id", "$schema"):
            if word in schema:
                yield f"{where}/{word}", f"{word!r} cannot be used in a workflow", _NAMED
        if isinstance(reference := schema.get("$ref"), str):
            yield from _reference(reference, schemas, f"{where}/$ref")
        patterns = [(pattern, f"{where}/pattern") for pattern in [schema.get("pattern")] if isinstance(pattern, str)]
        if isinstance(named := schema.get("patternProperties"), dict):
            places = [(pattern, f"{where}/patternProperties{pointer(pattern)}") for pattern in named]
            patterns += places
            if remainder:
                yield from _repeating(places)
        for pattern, place in patterns:
            yield from _pattern(pattern, place)


def subschemas(schema: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every schema in a schema with its pointer, itself first."""
    yield where, schema
    if not isinstance(schema, dict):
        return
    for word, value in schema.items():
        here = where + pointer(word)
        if word in _MAPS and isinstance(value, dict):
            for name, one in value.items():
                if isinstance(one, list):
                    continue  # `dependencies` may also name keys
                yield from subschemas(one, here + pointer(name))
        elif word in _LISTS and isinstance(value, list):
            for place, one in enumerate(value):
                yield from subschemas(one, f"{here}/{place}")
        elif word in _SINGLES and isinstance(value, dict | bool):
            yield from subschemas(value, here)


def _reference(reference: str, schemas: dict[str, Any], where: str) -> Iterator[SchemaProblem]:
    if not reference.startswith("#"):
        yield where, f"the schema {reference!r} lies elsewhere, and nothing is fetched", _NAMED
    elif unquote(reference).removeprefix("#") not in schemas:
        yield where, f"{reference!r} leads to no schema", _NAMED


def _pattern(pattern: str, where: str) -> Iterator[SchemaProblem]:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        shown = pattern if len(pattern) <= 80 else f"{pattern[:77]}..."
        yield where, f"{shown!r} is no regular expression that Python reads: {error}", None


def _repeating(patterns: list[tuple[str, str]]) -> Iterator[SchemaProblem]:
    """For `unevaluatedProperties` jsonschema matches these once more, by an engine that repetitions can hold up."""
    for pattern, where in patterns:
        if not _REPEATS.isdisjoint(pattern):
            told = "a pattern with groups or repetitions cannot be used in `patternProperties` together with"
            yield where, f"{told} `unevaluatedProperties`", "Use `additionalProperties` instead."


def resolve(reference: str, root: Any) -> Any:
    """What a `#/...` reference means in a document; None where it leads nowhere."""
    part = root
    for token in unquote(reference).removeprefix("#").split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(part, dict) and name in part:
            part = part[name]
        elif isinstance(part, list) and name.isdigit() and int(name) < len(part):
            part = part[int(name)]
        else:
            return None
    return part
