"""Reads JSON text so that nothing is lost or guessed: doubled keys, NaN, deep nesting and bad bytes are findings."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined] # untyped, but documented by use in json.decoder
from typing import Any

from workflows.findings import Finding, pointer
from workflows.slips import syntax_fix, syntax_message

__all__ = ["MOST_DEPTH", "MOST_TEXT", "Places", "ReadText", "examine", "read_text"]

MOST_TEXT = 32 * 1024 * 1024
"""Bytes a workflow file may have."""
MOST_DEPTH = 100
"""Levels of lists and objects in each other."""

_MOST_BITS = 1_024
_SURROGATE = re.compile("[\ud800-\udfff]")
_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class ReadText:
    """What a text holds. `value` is only meaningful when no finding is an error."""

    text: str
    value: Any
    findings: tuple[Finding, ...]
    unreadable: bool = False
    """Whether there is no value at all."""


class _Doubled(dict[str, Any]):
    """An object in which keys were written twice; `keys_twice` names them."""

    __slots__ = ("keys_twice",)
    keys_twice: tuple[str, ...]


def read_text(text: str | bytes) -> ReadText:
    """The JSON value of a text with every finding about its notation. Never raises."""
    if len(text) > MOST_TEXT:
        return _failed(
            "", "too_large", f"the text has {len(text):,} bytes; {MOST_TEXT:,} are allowed", "Split the workflow."
        )
    if isinstance(text, bytes):
        try:
            text = _decoded(text)
        except UnicodeDecodeError as error:
            where = f"byte {error.start:,} ({error.object[error.start]:#04x})"
            return _failed("", "invalid_json", f"the file is not UTF-8: {where}", "Save the file as UTF-8.")
    text = text.removeprefix("\ufeff")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        return _failed(
            text, "invalid_json", syntax_message(text, error), syntax_fix(text, error), (error.lineno, error.colno)
        )
    except RecursionError:
        return _failed(
            text, "too_deep", f"lists and objects lie more than {MOST_DEPTH} levels deep", "Flatten the value."
        )
    except ValueError as error:
        return _failed(text, "invalid_json", f"a number is too long to read: {error}", "Shorten the number.")
    return ReadText(text, value, tuple(examine(value)))


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-16") if raw.startswith(_BOMS) else raw.decode("utf-8-sig")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    doubled = _Doubled(value)
    doubled.keys_twice = tuple(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
    return doubled


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs)


def _failed(text: str, code: str, message: str, fix: str | None, place: tuple[int, int] | None = None) -> ReadText:
    line, column = place or (None, None)
    return ReadText(
        text,
        None,
        (Finding(code=code, pointer="", message=message, fix=fix, line=line, column=column),),
        unreadable=True,
    )


def examine(value: Any) -> Iterator[Finding]:
    """What a JSON value holds that JSON or the language does not allow, doubled keys included. Never raises."""
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while stack:
        one, path = stack.pop()
        if isinstance(one, str):
            if not one.isascii() and _SURROGATE.search(one):
                yield _finding(
                    "invalid_value",
                    path,
                    "the text holds half of a character (a lone surrogate)",
                    "Write the whole character.",
                )
        elif isinstance(one, dict | list | tuple):
            if len(path) >= MOST_DEPTH:
                shallow = path[:8]
                yield _finding(
                    "too_deep",
                    shallow,
                    f"lists and objects lie more than {MOST_DEPTH} levels deep",
                    "Flatten the value.",
                )
                continue
            if isinstance(one, dict):
                yield from _key_findings(one, path)
                stack.extend((child, (*path, str(key))) for key, child in reversed(one.items()))
            else:
                stack.extend((child, (*path, place)) for place, child in reversed(list(enumerate(one))))
        elif isinstance(one, float):
            if not math.isfinite(one):
                yield _finding("invalid_value", path, f"{one} is no JSON number", "Write a finite number, or null.")
        elif isinstance(one, int):
            if one.bit_length() > _MOST_BITS:
                yield _finding("invalid_value", path, "the number has too many digits", "Write it as a text.")
        elif one is not None:
            yield _finding("wrong_type", path, f"a {type(one).__name__} is no JSON value", "Give JSON values only.")


def _key_findings(one: dict[Any, Any], path: tuple[str | int, ...]) -> Iterator[Finding]:
    for key in getattr(one, "keys_twice", ()):
        yield _finding("duplicate_key", (*path, key), f"the key {key!r} is written more than once", "Keep one of them.")
    for key in one:
        if not isinstance(key, str):
            yield _finding("wrong_type", path, f"the key {key!r} is no text", "Give every key as text.")
        elif not key.isascii() and _SURROGATE.search(key):
            yield _finding(
                "invalid_value",
                path,
                "a key holds half of a character (a lone surrogate)",
                "Write the whole character.",
            )


def _finding(code: str, path: tuple[str | int, ...], message: str, fix: str) -> Finding:
    # A pointer must be printable even where the key is not.
    where = pointer(*path).encode("utf-8", "backslashreplace").decode()
    return Finding(code=code, pointer=where, message=message, fix=fix)


class Places:
    """Finds the line and column of JSON pointers in a text that is valid JSON."""

    _SPACE = re.compile(r"[ \t\r\n]*")
    _SCALAR = re.compile(r"[^\s,\]}]+")

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self._offsets: dict[str, int] = {"": self._skip(0)}
        self._walk()

    def line_column(self, where: str) -> tuple[int, int] | None:
        """(line, column) from 1 of the value at a pointer, or of the nearest thing around it that exists."""
        while where not in self._offsets:
            if not where:
                return None
            where = where.rpartition("/")[0]
        offset = self._offsets[where]
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def _skip(self, offset: int) -> int:
        found = self._SPACE.match(self._text, offset)
        return found.end() if found else offset

    def _walk(self) -> None:
        """One pass over the text, keeping for each open object or list where it is and what comes next."""
        text, place = self._text, self._offsets[""]
        stack: list[tuple[str, int]] = []  # (pointer of the container, number of the next item; -1 for an object)
        where = ""
        while place < len(text):
            mark = text[place]
            if mark in "{[":
                stack.append((where, -1 if mark == "{" else 0))
                place = self._skip(place + 1)
                if text[place : place + 1] not in {"}", "]"}:
                    where, place = self._enter(stack, place)
                    continue
            elif mark == '"':
                _, place = scanstring(text, place + 1, True)  # noqa: FBT003 # `strict` has no keyword in C
            elif mark not in "}],":
                scalar = self._SCALAR.match(text, place)
                place = scalar.end() if scalar else place + 1
            place = self._skip(place)
            while stack and text[place : place + 1] in {"}", "]"}:
                stack.pop()
                place = self._skip(place + 1)
            if not stack or text[place : place + 1] != ",":
                return
            where, place = self._enter(stack, self._skip(place + 1))

    def _enter(self, stack: list[tuple[str, int]], place: int) -> tuple[str, int]:
        """The pointer and the offset of the value that starts here, or whose key does."""
        parent, number = stack[-1]
        key_place = place
        if number < 0:
            key, place = scanstring(self._text, place + 1, True)  # noqa: FBT003 # `strict` has no keyword in C
            place = self._skip(self._skip(place) + 1)
            where = parent + pointer(key)
        else:
            stack[-1] = (parent, number + 1)
            where = f"{parent}/{number}"
        self._offsets[where] = key_place
        return where, place
