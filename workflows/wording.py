"""JSON values in words, and how a value of one type is written as one of another."""

from __future__ import annotations

import json
import re
from typing import Final

__all__ = ["described", "retyped", "shown"]

_NOUNS: Final = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", int: "a number"}
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
_LONGEST: Final = 80
_PLAINLY: Final = {
    "a text": "Write a text in double quotes.",
    "a list": "Write a list: `[...]`.",
    "an object": "Write an object: `{...}`.",
}


def described(value: object) -> str:
    """A JSON value in words, with the value where it is a short one: `a text ('x')`, `a list`."""
    if value is None:
        return "null"
    noun = {**_NOUNS, float: "a number"}.get(type(value), f"a {type(value).__name__}")
    return noun if isinstance(value, dict | list) else f"{noun} ({shown(value)})"


def shown(value: object) -> str:
    """A value as it may be quoted in a message, at most 80 characters."""
    text = described(value) if isinstance(value, dict | list) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def retyped(value: object, wanted: str) -> str:
    """How to write a value where `wanted` is needed: `a number`, `a whole number`, `a text`, `a list`, ..."""
    if wanted in {"a number", "a whole number"}:
        return _as_number(value, wanted)
    if wanted == "a text" and isinstance(value, bool | int | float):
        return f"Put double quotes around it: `{_quoted(json.dumps(value))}`."
    if wanted == "a list" and isinstance(value, str | int | float) and len(str(value)) < _LONGEST:
        return f"Put it into a list: `[{_quoted(value)}]`."
    if wanted == "true or false" and isinstance(value, str) and value.lower() in {"true", "false"}:
        return "Write true or false without quotes."
    return _PLAINLY.get(wanted, f"Write {wanted}.")


def _as_number(value: object, wanted: str) -> str:
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value.strip())
        if re.fullmatch(r"[1-5](xx|\*+)", value.strip().lower()):
            return f"Write each status, such as {value.strip()[0]}00."
        usable = found and len(found[0]) < _LONGEST and (wanted == "a number" or not (found[2] or found[3]))
        return f"Write {wanted} without quotes{f': `{found[0]}`' if found and usable else ''}."
    return "Write it without a fraction." if isinstance(value, float) else f"Write {wanted}, such as 1."


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
