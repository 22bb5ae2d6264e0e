"""How many schemas one value is held against, once the references of a JSON Schema are followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from workflows.findings import pointer

__all__ = ["MOST_SCHEMAS", "unlimited"]

MOST_SCHEMAS: Final = 5_000
"""Schemas that a value may be held against, unless that many are written out."""

_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SINGLES: Final = ("not", "if", "then", "else")
_MAPS: Final = ("dependentSchemas", "dependencies")


def unlimited(schemas: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Why checking by these schemas might not end, or take too long; `schemas` has every one by its pointer.

    Only what applies to the same value counts: a schema that describes its own fields by itself ends where the
    value does. The references must lead somewhere.
    """
    counts: dict[str, int] = {}
    for start in schemas:
        looping = _expanded(start, schemas, counts)
        if looping is not None:
            told = "the schema refers to itself without an end"
            yield looping, told, "Refer to it only from inside `properties` or `items`."
            return
    limit = max(MOST_SCHEMAS, len(schemas))
    for where, count in counts.items():  # inner ones first
        if count > limit:
            yield (
                where,
                f"one value would be held against {_shown(count)} schemas by way of references; {limit:,} are allowed",
                "Refer to each schema once instead of repeating it in `allOf`, `anyOf` or `oneOf`.",
            )
            return


def _expanded(start: str, schemas: Mapping[str, Any], counts: dict[str, int]) -> str | None:
    """Adds the counts of a schema and of all it leads to; gives the pointer of one that leads to itself."""
    stack = [(start, iter(_in_place(start, schemas)))]
    open_ones = {start}
    while stack and start not in counts:
        where, rest = stack[-1]
        child = next((one for one in rest if one not in counts), None)
        if child in open_ones:
            return where
        if child is not None:
            open_ones.add(child)
            stack.append((child, iter(_in_place(child, schemas))))
        else:
            counts[where] = 1 + sum(counts[one] for one in _in_place(where, schemas))
            open_ones.discard(where)
            stack.pop()
    return None


def _in_place(where: str, schemas: Mapping[str, Any]) -> list[str]:
    """The pointers of the schemas that hold for the same value as the one at a pointer."""
    schema = schemas[where]
    if not isinstance(schema, dict):
        return []
    lists = [(word, listed) for word in _LISTS if isinstance(listed := schema.get(word), list)]
    maps = [(word, named) for word in _MAPS if isinstance(named := schema.get(word), dict)]
    found = [f"{where}/{word}/{place}" for word, listed in lists for place in range(len(listed))]
    found += [f"{where}/{word}" for word in _SINGLES if word in schema]
    found += [f"{where}/{word}{pointer(name)}" for word, named in maps for name in named]
    if isinstance(reference := schema.get("$ref"), str):
        found.append(unquote(reference).removeprefix("#"))
    return [one for one in found if one in schemas]


def _shown(count: int) -> str:
    return f"{count:,}" if count < 10**9 else "more than a thousand million"
