"""Finds the JSON in a model's answer, which may be fenced, doubled or wrapped in prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from executors.plain import unfit

__all__ = ["documents"]

# Nothing optional before the end: models repeat white space by the thousand, and each would be tried from each.
_FENCE = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
_STARTS = 200
"""Brackets tried as the beginning of a document: prose has few, and a page full of them is no answer."""


def documents(text: str) -> list[Any]:
    """The distinct JSON documents of the text, in order; empty when there is none.

    A text that is JSON as a whole is one document, and so is one in a fence. Only objects and arrays are
    found inside prose, because every number in it would be a document otherwise.
    """
    whole = _parse(text)
    if whole:
        return whole
    fenced = [value for block in _FENCE.findall(text) for value in _parse(block)]
    return _distinct(fenced or list(_inside(text)))


def _parse(text: str) -> list[Any]:
    """One value in a list, or an empty list."""
    try:
        value = _DECODER.decode(text.strip())
    except (ValueError, RecursionError):
        return []
    return [value] if unfit(value) is None else []


def _inside(text: str) -> Iterator[Any]:
    position, tried = 0, 0
    while tried < _STARTS and (match := _OPENING.search(text, position)):
        try:
            value, position = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            position, tried = match.end(), tried + 1
        else:
            if unfit(value) is None:
                yield value


def _distinct(values: list[Any]) -> list[Any]:
    seen = {json.dumps(value, sort_keys=True): value for value in reversed(values)}
    return list(reversed(seen.values()))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
