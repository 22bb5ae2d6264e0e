"""Runs of digits as people write long numbers: in groups, with spaces, dashes, dots, slashes or brackets between."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cached_property

__all__ = ["Run", "runs_of"]

# The look back stands behind the first digit, so that the search itself can skip to digits.
_RUN = re.compile(r"[0-9](?<![0-9]{2})(?:[ \-./()]{0,3}[0-9]){5,}")
_DATE = re.compile(
    r"[0-9](?<![0-9]{2})(?:(?:[0-9]{3})([-/.])[01]?[0-9]\1[0-3]?[0-9]|[0-9]?([-/.])[0-3]?[0-9]\2(?:1[89]|20)[0-9]{2})(?![0-9])"
)
_GROUP = re.compile(r"[0-9]+")
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+")
_LEAST = 6
_BEFORE, _AFTER = 48, 16


class Run:
    """The digits of `text` from `start` to `end`, with the bracket or plus sign before them."""

    def __init__(self, text: str, first: int, end: int) -> None:
        self.text = text
        self.first = first
        """Where the first digit is."""
        self.start = _begin(text, first)
        self.end = end
        self.written = text[self.start : end]
        self.groups: list[str] = _GROUP.findall(text, first, end)
        self.digits = "".join(self.groups)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """How many digits each group has."""
        return tuple(map(len, self.groups))

    @cached_property
    def stands_alone(self) -> bool:
        """Whether no letter or digit is against it: it is not a part of a name or a hash."""
        before = self.text[self.start - 1 : self.start] if self.start else ""
        return not (before.isalnum() or self.text[self.end : self.end + 1].isalnum())

    @cached_property
    def is_international(self) -> bool:
        """Whether it begins as telephone numbers with a country code do, and is as long (ITU-T E.164)."""
        return self.written[0] == "+" and len(self.digits) <= 15

    @cached_property
    def words(self) -> list[str]:
        """The words around it, in lower case: those before it in their order, the last one first, then those after."""
        before = _WORD.findall(self.text, max(0, self.start - _BEFORE), self.start)
        after = _WORD.findall(self.text, self.end, self.end + _AFTER)
        return [word.lower() for word in (*reversed(before), *after)]

    def announced(self, words: Collection[str], unless: Collection[str] = ()) -> bool:
        """Whether one of the words is near, and none of the others nearer."""
        for word in self.words:
            if word in words:
                return True
            if word in unless:
                return False
        return False

    def windows(self, shapes: Collection[tuple[int, ...]], lengths: Collection[int]) -> Iterator[tuple[int, int]]:
        """The groups, from one up to another, that are written in one of those shapes; `lengths` are theirs."""
        shape = self.shape
        for first in range(len(shape)):
            for length in lengths:
                if first + length <= len(shape) and shape[first : first + length] in shapes:
                    yield first, first + length

    def place(self, first: int, end: int) -> tuple[int, int]:
        """Where the groups from `first` up to `end` stand in the text."""
        places = self._places
        return places[first][0], places[end - 1][1]

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        return [one.span() for one in _GROUP.finditer(self.text, self.first, self.end)]


def _begin(text: str, first: int) -> int:
    begin = first
    if text[begin - 1 : begin] == "(":
        begin -= 1
    if text[begin - 1 : begin] == "+":
        return begin - 1
    return begin - 2 if text[begin - 2 : begin] == "+ " else begin


def runs_of(text: str) -> list[Run]:
    """Every run of at least six digits; a date ends one."""
    found: list[Run] = []
    for match in _RUN.finditer(text):
        start, end = match.span()
        for date in _DATE.finditer(text, start, end):
            _add(found, text, start, date.start())
            start = date.end()
        _add(found, text, start, end)
    return found


def _add(found: list[Run], text: str, start: int, end: int) -> None:
    if end - start < _LEAST:
        return
    while start < end and not text[start].isdigit():
        start += 1
    while end > start and not text[end - 1].isdigit():
        end -= 1
    run = Run(text, start, end)
    if len(run.digits) >= _LEAST:
        found.append(run)
