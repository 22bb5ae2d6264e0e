"""Where in a document an error of pydantic's stands, and which shape of a union it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

__all__ = ["UNIONS", "Location", "is_step", "of_other_shape", "value_at", "value_path"]

Location: TypeAlias = "tuple[int | str, ...]"

# Fields of steps that take one of several shapes; pydantic puts the shape's name into the path behind them.
UNIONS: Final = {
    "model": "a model's name, or an object with `tier` and `needs`",
    "on_error": '"fail", "skip", or an object with `output`',
    "input": "a text, or a list of texts",
    "over": "an expression that gives a list, or a list",
}


def value_path(location: Location) -> tuple[Location, Location, str | None]:
    """The path of the value that an error is about, and, inside of a union, the union's path and the shape tried."""
    if location[:1] == ("inputs",) and len(location) == 3 and location[2] == "[key]":
        return location[:2], (), None  # the name itself is wrong
    path: list[int | str] = []
    union: Location = ()
    shape = None
    parts = iter(location)
    for part in parts:
        path.append(part)
        if is_step(path):
            next(parts, None)  # the kind
        elif is_step(path[:-1]) and part in UNIONS and (tried := next(parts, None)) is not None:
            union, shape = tuple(path), str(tried)
    return tuple(path), union, shape


def is_step(path: Sequence[int | str]) -> bool:
    """Whether a path leads to a step. Pydantic looks into no value that may be any JSON, so no other list is taken."""
    return len(path) > 1 and isinstance(path[-1], int) and path[-2] == "steps"


def of_other_shape(union: Location, shape: str, document: dict[str, Any]) -> str | None:
    """`ignore` for an error of a shape that was not meant, `shapeless` when the value is of none, None otherwise."""
    value = value_at(union, document)
    given = "text" if isinstance(value, str) else "object" if isinstance(value, dict) else None
    given = "list" if isinstance(value, list) else given
    tried = "object" if shape in {"ModelNeeds", "Recover"} else "list" if shape.startswith("tuple") else "text"
    possible = {"text", "list"} if union[-1] in {"input", "over"} else {"text", "object"}
    if given not in possible:
        return "shapeless"
    return None if tried == given else "ignore"


def value_at(path: Location, document: Any) -> Any:
    """The value at a path of a JSON document; None where the path leads nowhere."""
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document
