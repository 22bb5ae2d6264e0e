"""JSON text, read and written as providers do and no deeper than can be handled."""

from __future__ import annotations

import json
from typing import Any

import orjson

from unified_api.errors import InvalidRequestError
from unified_api.types import Json

__all__ = ["DEEPEST", "dump_json", "parse_json", "parse_strictly"]

DEEPEST = 200
"""Levels of JSON that are read. What is deeper is damage or malice: writing, comparing or showing it would fail."""
_NESTED = frozenset({dict, list})


def dump_json(value: object, *, provider: str | None = None, model: str | None = None) -> bytes:
    """JSON bytes of a request body; InvalidRequestError for what JSON cannot hold, such as half an emoji."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise InvalidRequestError(
            f"the request cannot be written as JSON: {error}. Give valid Unicode text, plain JSON values and "
            "whole numbers of at most 64 bits.",
            provider=provider,
            model=model,
        ) from error


def parse_json(body: bytes) -> Json:
    """The JSON value of `body`; ValueError when it holds none, or one nested deeper than DEEPEST.

    Falls back to the slower standard reader for what orjson refuses and servers do send: `NaN`, `-Infinity`
    (both read as null) and half surrogate pairs (read as `?`).
    """
    try:
        return parse_strictly(body)
    except orjson.JSONDecodeError:
        return _parse_leniently(body)


def parse_strictly(text: bytes) -> Json:
    """The JSON value of `text`; ValueError when it is no standard JSON, or nested deeper than DEEPEST."""
    value: Json = orjson.loads(text)
    # Each level opens and closes once: short texts need no look, and few brackets none at the value.
    if len(text) > 2 * DEEPEST and text.count(b"[") + text.count(b"{") > DEEPEST and _is_deep(value):
        raise ValueError(f"the JSON is nested more than {DEEPEST} deep")
    return value


def _is_deep(value: Json) -> bool:
    level: list[Any] = [value] if type(value) in _NESTED else []
    for _ in range(DEEPEST):
        holds = (one.values() if type(one) is dict else one for one in level)
        level = [inner for held in holds for inner in held if type(inner) in _NESTED]
        if not level:
            return False
    return True


def _parse_leniently(body: bytes) -> Json:
    try:
        loose: Any = json.loads(body.decode("utf-8-sig", "replace"), parse_constant=lambda _: None)
        plain = json.dumps(loose, ensure_ascii=False).encode("utf-8", "replace")
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    return parse_strictly(plain)
