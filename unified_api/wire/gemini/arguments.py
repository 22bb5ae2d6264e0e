"""A call's arguments that come piece by piece (`streamFunctionCallArguments`, Vertex).

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
"""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import pairwise

from unified_api.sse import EVENT_LIMIT
from unified_api.types import Json, JsonObject
from unified_api.wire.gemini.media import UnreadablePartError

__all__ = ["PartialArguments"]

_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]")
_VALUES = ("stringValue", "numberValue", "boolValue")
_DEEPEST = 100


class PartialArguments:
    """The arguments so far. `add` raises UnreadablePartError for a piece that fits nowhere."""

    def __init__(self) -> None:
        self.value: JsonObject = {}
        self._texts: dict[str, list[str]] = {}
        self._size = 0

    def add(self, piece: Json) -> None:
        """One `PartialArg`: texts at the same place follow each other, anything else comes whole."""
        if not isinstance(piece, dict) or not isinstance(piece.get("jsonPath"), str):
            raise UnreadablePartError("a piece of arguments has no jsonPath")
        path = str(piece["jsonPath"])
        text = piece.get("stringValue")
        self._size += len(path) + (len(text) if isinstance(text, str) else 1)
        if self._size > EVENT_LIMIT:
            raise UnreadablePartError(f"the arguments of a call are longer than {EVENT_LIMIT} characters")
        if isinstance(text, str):
            _put(self.value, path, "")
            self._texts.setdefault(path, []).append(text)
        else:
            _put(self.value, path, next((piece[name] for name in _VALUES if name in piece), None))

    def whole(self) -> JsonObject:
        """The arguments with every text put together."""
        for path, texts in self._texts.items():
            # A later piece may have put something else in the place of what holds the text.
            with suppress(UnreadablePartError):
                _put(self.value, path, "".join(texts))
        return self.value


def _put(root: JsonObject, path: str, value: Json) -> None:
    steps = _steps(path)
    place: Json = root
    for step, following in pairwise(steps):
        empty: Json = [] if isinstance(following, int) else {}
        place = _inner(place, step, empty)
    _inner(place, steps[-1], value)
    if isinstance(place, dict):
        place[str(steps[-1])] = value
    elif isinstance(place, list):
        place[int(steps[-1])] = value


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 1
    while path[:1] == "$" and at < len(path) and len(steps) < _DEEPEST:
        found = _STEP.match(path, at)
        if found is None:
            break
        name = found[1] if found[1] is not None else found[3] if found[3] is not None else found[4]
        steps.append(int(found[2]) if found[2] is not None else re.sub(r"\\(.)", r"\1", name))
        at = found.end()
    if not steps or at < len(path) or isinstance(steps[0], int):
        raise UnreadablePartError(f"{path!r} is no place in an object of arguments")
    return steps


def _inner(place: Json, step: str | int, missing: Json) -> Json:
    """What is at `step`, which is put there when there is nothing yet."""
    if isinstance(place, dict) and isinstance(step, str):
        return place.setdefault(step, missing)
    if isinstance(place, list) and isinstance(step, int) and step <= len(place):
        if step == len(place):
            place.append(missing)
        return place[step]
    raise UnreadablePartError(f"there is no place {step!r} in the arguments")
