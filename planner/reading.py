"""Reads the one JSON document out of whatever a model wrote around it.

Nothing is made up: a text that holds no document, or only the beginning of one, is an error. A document that
strict JSON accepts comes out exactly as it stands; see `planner.lenient` for what is forgiven otherwise.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from planner.lenient import MAX_DEPTH, LenientError, LenientParser
from unified_api.types import Json

__all__ = ["Reading", "ReadingError", "read", "read_json"]

MAX_STARTS = 500
"""Brackets tried as the beginning of a document; prose has a handful."""
MAX_UNWRAPPED = 3
"""JSON in a string in a string: deeper is no accident of encoding any more."""

OPENER = re.compile(r"[{\[]")
MARKUP = re.compile(r"^[ \t]*\[\[ ## \w+ ## \]\][ \t]*$", re.MULTILINE)
FENCE_BEFORE = re.compile(r"```[\w-]*\s*\Z")
ALONE_BEFORE = re.compile(r"(?:\A|\n|:|```[\w-]*)[ \t]*\Z")
ALONE_AFTER = re.compile(r"[ \t]*[.;]?[ \t]*(?:\Z|\r?\n|```|[{\[])")
MEMBER_BEFORE = re.compile(r"(?:\"\s*:|,)\s*\Z")
CLOSER = re.compile(r"\s*[}\]]")
STRUCTURE = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[{}\[\]]", re.DOTALL)


class ReadingError(ValueError):
    """The text holds no JSON document. `truncated` when one begins in it and does not end."""

    def __init__(self, message: str, *, truncated: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.truncated = truncated


@dataclass(frozen=True, slots=True)
class Reading:
    """The document, and in words what had to be forgiven or chosen to get it."""

    value: Json
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One document in a text, from `start` to `end`."""

    value: Json
    start: int
    end: int
    forgiven: tuple[str, ...] = ()


def read_json(text: str | bytes) -> Json:
    """The JSON document in `text`. Raises ReadingError where there is none."""
    return read(text).value


def read(text: str | bytes, *, wanted: Callable[[Json], bool] | None = None) -> Reading:
    """The JSON document in `text`, with notes; of several different ones the first that is `wanted`.

    A document is a JSON object or list anywhere in the text, or any JSON value that is the whole text. A string
    that holds nothing but a document is that document. Raises ReadingError.
    """
    plain = decoded(text)
    if not plain:
        raise ReadingError("the answer is empty")
    whole = strict(plain, 0)
    if whole is None or plain[whole.end :].strip(" \t\r\n"):
        return chosen(plain, wanted)
    return unwrapped(whole.value, wanted)


def unwrapped(value: Json, wanted: Callable[[Json], bool] | None) -> Reading:
    inner = value
    for _ in range(MAX_UNWRAPPED):
        if not isinstance(inner, str):
            break
        found = strict(inner.strip(), 0)
        if found is None or inner.strip()[found.end :].strip():
            break
        inner = found.value
    if inner is not value and isinstance(inner, dict | list):
        return Reading(inner, ("the document was wrapped in a string",))
    if isinstance(value, str) and OPENER.search(value):
        try:
            embedded = chosen(value, wanted)
        except ReadingError:
            return Reading(value)
        return Reading(embedded.value, ("the document was wrapped in a string", *embedded.notes))
    return Reading(value)


def decoded(text: str | bytes) -> str:
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ReadingError(f"the answer is not UTF-8 text: {error}") from error
    return text.strip("\ufeff \t\r\n\f\v\x00")


def chosen(text: str, wanted: Callable[[Json], bool] | None) -> Reading:
    """Of the documents in `text` the wanted one, else the fenced one, else the first."""
    found, broken = documents(MARKUP.sub(lambda line: " " * len(line[0]), text))
    if not found:
        raise broken or ReadingError("the answer holds no JSON document")
    fenced = [one for one in found if FENCE_BEFORE.search(text, 0, one.start)]
    ranked = [*(one for one in found if wanted is not None and wanted(one.value)), *fenced, *found]
    best = ranked[0]
    notes = []
    if best.forgiven:
        notes.append("the JSON had " + ", ".join(best.forgiven))
    if len(found) > 1:
        notes.append(several(found, best))
    elif broken is not None:
        notes.append(f"the answer also holds a broken document: {broken.message}")
    elif text[: best.start].strip() or text[best.end :].strip():
        notes.append("the document had text or a fence around it")
    return Reading(best.value, tuple(notes))


def several(found: list[Found], best: Found) -> str:
    if all(one.value == best.value for one in found):
        return f"the same document stands {len(found)} times in the answer"
    return f"the answer holds {len(found)} different documents; number {found.index(best) + 1} was taken"


def documents(text: str) -> tuple[list[Found], ReadingError | None]:
    """Every document of `text` in order, and the first one that is broken."""
    found: list[Found] = []
    broken: ReadingError | None = None
    position = 0
    for _ in range(MAX_STARTS):
        opener = OPENER.search(text, position)
        if opener is None:
            break
        result = at(text, opener.start())
        if isinstance(result, Found):
            position = result.end
            if is_piece(result, text):
                broken = broken or ReadingError("the JSON is broken: its beginning is missing", truncated=True)
            elif telling(result, text):
                found.append(result)
        elif result is None:
            position = opener.end()
        else:
            # What lies inside a broken document is a piece of it, not a document.
            broken = broken or result
            position = balanced_end(text, opener.start())
    return found, broken


def at(text: str, start: int) -> Found | ReadingError | None:
    """The document that begins at `start`; an error for a broken one, None where none begins."""
    found = strict(text, start)
    if found is not None:
        return found
    parser = LenientParser(text)
    try:
        value, end = parser.value(start)
    except LenientError as error:
        if not parser.started and not error.truncated:
            return None
        place = f"line {text.count(chr(10), 0, error.position) + 1}"
        return ReadingError(f"the JSON is broken at {place}: {error.message}", truncated=error.truncated)
    return Found(value, start, end, tuple(sorted(parser.forgiven)))


def is_piece(found: Found, text: str) -> bool:
    """Whether this is the last part of a document of which the beginning is missing: `"b": {"c": 1}}`."""
    return bool(MEMBER_BEFORE.search(text[max(0, found.start - 20) : found.start]) and CLOSER.match(text, found.end))


def telling(found: Found, text: str) -> bool:
    """Whether this is a document and not a footnote such as [1] or a pair of empty brackets in a sentence.

    What is empty, or a list of bare numbers, must begin a line or follow a colon, and end a line where it is short.
    """
    value = found.value
    if value and (isinstance(value, dict) or any(isinstance(item, str | dict | list) for item in listed(value))):
        return True
    line = text[max(0, text.rfind("\n", 0, found.start)) : found.start]
    return bool(ALONE_BEFORE.search(line)) and (len(listed(value)) > 1 or bool(ALONE_AFTER.match(text, found.end)))


def listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def balanced_end(text: str, start: int) -> int:
    """Where the brackets opened at `start` are closed again; the end of the text when they never are."""
    depth = 0
    for piece in STRUCTURE.finditer(text, start):
        if piece[0] in "{[":
            depth += 1
        elif piece[0] in "}]":
            depth -= 1
            if depth == 0:
                return piece.end()
    return len(text)


def strict(text: str, start: int) -> Found | None:
    """What JSON itself (RFC 8259) makes of the text at `start`, or None."""
    try:
        value, end = DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return Found(value, start, end) if within(value, MAX_DEPTH) else None


def within(value: Json, depth: int) -> bool:
    """Whether no more than `depth` containers lie in one another: what reads a plan further on may recurse."""
    level: list[Json] = [value]
    for _ in range(depth + 1):
        level = [member for item in level for member in contained(item)]
        if not level:
            return True
    return False


def contained(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return listed(value)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs) and any(made[key] != item for key, item in pairs):
        raise ValueError("a key stands twice in one object, with different values")
    return made


def finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no JSON number")
    return number


DECODER = json.JSONDecoder(object_pairs_hook=unique, parse_constant=finite, parse_float=finite)
