"""What the readers of several families' request bodies look for alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from unified_api.errors import InvalidRequestError
from unified_api.types import Json, JsonObject, Tool
from unified_api.wire.shown import shown

__all__ = ["function_at", "list_at", "read_tools", "refuse"]


def refuse(place: str, problem: str, value: object) -> NoReturn:
    """InvalidRequestError that names the place in the body."""
    raise InvalidRequestError(f"{place} {problem}: {shown(value)}", param=place.partition("[")[0].partition(".")[0])


def list_at(table: JsonObject, name: str, place: str = "") -> list[Json]:
    """The list there; none at all is an empty one."""
    found = table.get(name)
    if found is not None and not isinstance(found, list):
        refuse(f"{place}.{name}" if place else name, "is no list", found)
    return found or []


def function_at(entry: Json, place: str) -> tuple[JsonObject, str]:
    """The function of a tool or a call, and its name."""
    function = entry.get("function") if isinstance(entry, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        refuse(place, "has no function with a name", entry)
    return function, name


def read_tools(body: JsonObject, *, strict: bool | None = None) -> Iterator[Tool]:
    """The tools of a body, all of which are `strict`."""
    for number, entry in enumerate(list_at(body, "tools")):
        function, name = function_at(entry, f"tools[{number}]")
        description, parameters = function.get("description"), function.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            refuse(f"tools[{number}].function.parameters", "is no object", parameters)
        said = description if isinstance(description, str) else ""
        yield Tool(name, said, strict=strict) if parameters is None else Tool(name, said, parameters, strict)
