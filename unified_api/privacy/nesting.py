"""How deep a place of a JSON text stands in strings, counting JSON that is written inside one of its strings."""

from __future__ import annotations

import re

__all__ = ["Nesting"]

_QUOTE = re.compile(r'(?<!\\)(\\*+)"')
_AROUND = 64
"""Backslashes after which a number of them says the same again, in strings as deep as anybody writes."""
_FIRST = re.compile(r"(?:\s|\\++[nrt])*+(?:\\*+([^\\]))?")
"""The first character that is no blank."""


class Nesting:
    """Reads a text in pieces, wherever they are cut."""

    def __init__(self) -> None:
        self._holds_json: list[bool | None] = []
        """For each string that is open whether it holds JSON; None as long as nothing of it has come."""
        self._slashes = ""
        """Those that ended the last piece."""

    @property
    def depth(self) -> int:
        """How many strings are open, each inside the one before it."""
        return len(self._holds_json)

    @property
    def slashes(self) -> int:
        """How many backslashes stand right before the place, by the modulus of 64."""
        return len(self._slashes)

    def feed(self, text: str) -> None:
        """What comes next of the text."""
        text = self._slashes + text
        count = len(text) - len(text.rstrip("\\"))
        self._slashes = "\\" * (count % _AROUND)
        if self._holds_json and self._holds_json[-1] is None:
            self._holds_json[-1] = _holds_json(text, 0)
        for quote in _QUOTE.finditer(text):
            level = _level(len(quote[1]))
            if level <= self.depth:
                del self._holds_json[level - 1 :]
            elif level == self.depth + 1 and (not self._holds_json or self._holds_json[-1]):
                self._holds_json.append(_holds_json(text, quote.end()))

    def skip(self) -> None:
        """A placeholder comes next, which is no beginning of JSON."""
        self._slashes = ""
        if self._holds_json and self._holds_json[-1] is None:
            self._holds_json[-1] = False


def _level(slashes: int) -> int:
    """Of which string, counted from the outermost, the quote is the end after so many backslashes."""
    level = 1
    while slashes % 2:
        slashes //= 2
        level += 1
    return level


def _holds_json(text: str, start: int) -> bool | None:
    first = _FIRST.match(text, start)
    return None if first is None or first[1] is None else first[1] in "{["
