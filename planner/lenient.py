"""A parser for JSON as models write it: comments, trailing commas, single quotes, Python's words, raw line breaks.

It forgives spelling, never content: a text that ends inside a value, lacks a comma or holds a bare word is an
error, for completing it would be making it up.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import ClassVar

from unified_api.types import Json, JsonObject

__all__ = ["MAX_DEPTH", "LenientError", "LenientParser"]

MAX_DEPTH = 200
"""Containers within containers; a plan has fewer than ten."""

NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?(?![\w.])")
WORD = re.compile(r"[A-Za-z_]\w*")
SPACE = re.compile(r"(?:\s|//[^\n]*|\#[^\n]*|/\*.*?\*/)*", re.DOTALL)
ESCAPE = re.compile(r"u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\n)|(.)", re.DOTALL)


class LenientError(ValueError):
    """The text at `position` is no JSON, however kindly read; `truncated` when it simply ends too early."""

    def __init__(self, message: str, position: int, *, truncated: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.truncated = truncated


@dataclass(slots=True)
class LenientParser:
    """Reads one value of `text` at a time; `forgiven` names what strict JSON would have refused."""

    text: str
    forgiven: set[str] = field(default_factory=set)
    started: int = 0
    """How many keys and elements were read: 0 after a failure means that no document had begun."""

    WORDS: ClassVar[dict[str, Json]] = {
        "true": True,
        "false": False,
        "null": None,
        "True": True,
        "False": False,
        "None": None,
    }
    ESCAPES: ClassVar[dict[str, str]] = {
        '"': '"',
        "'": "'",
        "\\": "\\",
        "/": "/",
        "b": "\b",
        "f": "\f",
        "n": "\n",
        "r": "\r",
        "t": "\t",
    }

    def value(self, position: int, depth: int = 0) -> tuple[Json, int]:
        """The value that starts at `position` and where it ends. Raises LenientError."""
        if depth > MAX_DEPTH:
            raise LenientError(f"more than {MAX_DEPTH} containers lie in one another", position)
        match self.peek(position):
            case "{":
                return self.container(position, depth, end="}")
            case "[":
                return self.container(position, depth, end="]")
            case '"' | "'":
                return self.string(position)
        if number := NUMBER.match(self.text, position):
            return self.number(number), number.end()
        return self.word(position)

    def container(self, position: int, depth: int, *, end: str) -> tuple[Json, int]:
        members: list[tuple[str, Json]] = []
        elements: list[Json] = []
        position = self.space(position + 1)
        while self.peek(position) != end:
            if end == "}":
                key, position = self.key(position)
                item, position = self.value(position, depth + 1)
                members.append((key, item))
            else:
                item, position = self.value(position, depth + 1)
                elements.append(item)
            self.started += 1
            position = self.separator(position, end)
        return (self.object(members, position) if end == "}" else elements), position + 1

    def object(self, members: list[tuple[str, Json]], position: int) -> JsonObject:
        made: JsonObject = {}
        for key, item in members:
            if key in made and made[key] != item:
                raise LenientError(f"the key {key!r} stands twice in one object, with different values", position)
            made[key] = item
        return made

    def separator(self, position: int, end: str) -> int:
        position = self.space(position)
        if self.peek(position) == ",":
            position = self.space(position + 1)
            if self.peek(position) == end:
                self.forgiven.add("a trailing comma")
            elif self.peek(position) == ",":
                raise LenientError("two commas with nothing between them", position)
        elif self.peek(position) != end:
            raise LenientError(f"a comma or {end!r} is missing", position)
        return position

    def key(self, position: int) -> tuple[str, int]:
        if self.peek(position) not in "\"'":
            raise LenientError("a key in quotes is missing", position)
        name, position = self.string(position)
        position = self.space(position)
        if self.peek(position) != ":":
            raise LenientError(f"a colon is missing after the key {name!r}", position)
        self.started += 1
        return name, self.space(position + 1)

    def string(self, position: int) -> tuple[str, int]:
        quote = self.text[position]
        if quote == "'":
            self.forgiven.add("single quotes")
        stop = re.compile(rf"[{quote}\\\n]")
        parts: list[str] = []
        position += 1
        while found := stop.search(self.text, position):
            parts.append(self.text[position : found.start()])
            position = found.end()
            if found[0] == quote:
                return join_surrogates("".join(parts)), position
            if found[0] == "\n":
                self.forgiven.add("a raw line break in a string")
                parts.append("\n")
            else:
                piece, position = self.escape(position)
                parts.append(piece)
        raise LenientError("the text ends inside a string", len(self.text), truncated=True)

    def escape(self, position: int) -> tuple[str, int]:
        found = ESCAPE.match(self.text, position)
        if found is None:
            raise LenientError("the text ends inside a string", position, truncated=True)
        if code := found[1] or found[2]:
            return chr(int(code, 16)), found.end()
        if found[3]:
            return "", found.end()
        if found[4] in self.ESCAPES:
            return self.ESCAPES[found[4]], found.end()
        # `\d` in a regular expression: the writer meant a backslash.
        self.forgiven.add("a backslash that escapes nothing")
        return "\\" + found[4], found.end()

    def number(self, found: re.Match[str]) -> int | float:
        try:
            number = float(found[0]) if found[1] or found[2] else int(found[0])
        except ValueError as error:  # Python refuses integers of more than 4,300 digits
            raise LenientError("a number has too many digits", found.start()) from error
        if isinstance(number, float) and not math.isfinite(number):
            raise LenientError("a number is too large", found.start())
        return number

    def word(self, position: int) -> tuple[Json, int]:
        found = WORD.match(self.text, position)
        if found is None or found[0] not in self.WORDS:
            shown = found[0] if found else self.text[position : position + 1]
            raise LenientError(f"{shown!r} is no JSON value", position)
        if found[0][0].isupper():
            self.forgiven.add("Python's True, False or None")
        return self.WORDS[found[0]], found.end()

    def space(self, position: int) -> int:
        found = SPACE.match(self.text, position)
        end = found.end() if found else position
        if not self.text[position:end].isspace() and end > position:
            self.forgiven.add("a comment")
        return end

    def peek(self, position: int) -> str:
        if position >= len(self.text):
            raise LenientError("the text ends inside the document", position, truncated=True)
        return self.text[position]


def join_surrogates(text: str) -> str:
    r"""`\ud83d\ude00` is one character written as two escapes, as in JSON's own rules (RFC 8259, section 7)."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return text
