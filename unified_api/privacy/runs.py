"""Runs of digits as people write long numbers: in groups, with spaces, dashes, dots, slashes or brackets between."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet

__all__ = ["Run", "Vocabulary", "runs_of"]

# The look back stands behind the first digit, so that the search itself can skip to digits.
_RUN = re.compile(r"[0-9](?<![0-9]{2})(?:[ \-./()]{0,3}[0-9]){5,}")
_DATE = re.compile(
    r"[0-9](?<![0-9]{2})(?:(?:[0-9]{3})([-/.])[01]?[0-9]\1[0-3]?[0-9]|[0-9]?([-/.])[0-3]?[0-9]\2(?:1[89]|20)[0-9]{2})(?![0-9])"
)
_GROUP = re.compile(r"[0-9]+")
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+")
_LEAST = 6
_MANY = 16
_BEFORE, _AFTER = 48, 16


class Vocabulary:
    """The words of a text with many numbers in it, so that what is nowhere in it is not looked for around each."""

    def __init__(self, text: str) -> None:
        self._words = frozenset(word.lower() for word in _WORD.findall(text))
        self._held: dict[int, bool] = {}

    def holds(self, words: AbstractSet[str]) -> bool:
        """Whether one of them is in the text; remembered by the set, which lives as long as its module."""
        held = self._held.get(id(words))
        if held is None:
            held = self._held[id(words)] = not self._words.isdisjoint(words)
        return held


class Run:
    """The digits of `text` from `start` to `end`, with the bracket or plus sign before them."""

    __slots__ = (
        "_places", "_vocabulary", "_words", "digits", "end", "first", "groups", "is_international", "shape",
        "stands_alone", "start", "text", "written",
    )  # fmt: skip

    def __init__(self, text: str, first: int, end: int, *, vocabulary: Vocabulary | None = None) -> None:
        self.text = text
        self.first = first
        """Where the first digit is."""
        self.start = _begin(text, first)
        self.end = end
        self.written = text[self.start : end]
        self.groups: list[str] = _GROUP.findall(text, first, end)
        self.digits = "".join(self.groups)
        self.shape = tuple(map(len, self.groups))
        """How many digits each group has."""
        before = text[self.start - 1 : self.start] if self.start else ""
        self.stands_alone = not (before.isalnum() or text[end : end + 1].isalnum())
        """Whether no letter or digit is against it: it is not a part of a name or a hash."""
        self.is_international = self.written[0] == "+" and len(self.digits) <= 15
        """Whether it begins as telephone numbers with a country code do, and is as long (ITU-T E.164)."""
        self._vocabulary = vocabulary
        self._words: list[str] | None = None
        self._places: list[tuple[int, int]] | None = None

    @property
    def words(self) -> list[str]:
        """The words around it, in lower case: those before it in their order, the last one first, then those after."""
        if self._words is None:
            before = _WORD.findall(self.text, max(0, self.start - _BEFORE), self.start)
            after = _WORD.findall(self.text, self.end, self.end + _AFTER)
            self._words = [word.lower() for word in (*reversed(before), *after)]
        return self._words

    def announced(self, words: AbstractSet[str], unless: AbstractSet[str] = frozenset()) -> bool:
        """Whether one of the words is near, and none of the others nearer."""
        if self._vocabulary is not None and not self._vocabulary.holds(words):
            return False
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
        if self._places is None:
            self._places = [one.span() for one in _GROUP.finditer(self.text, self.first, self.end)]
        return self._places[first][0], self._places[end - 1][1]


def _begin(text: str, first: int) -> int:
    begin = first
    if text[begin - 1 : begin] == "(":
        begin -= 1
    if text[begin - 1 : begin] == "+":
        return begin - 1
    return begin - 2 if text[begin - 2 : begin] == "+ " else begin


def runs_of(text: str) -> list[Run]:
    """Every run of at least six digits; a date ends one."""
    places: list[tuple[int, int]] = []
    for match in _RUN.finditer(text):
        start, end = match.span()
        if not match[0].isdigit():
            for date in _DATE.finditer(text, start, end):
                _add(places, text, start, date.start())
                start = date.end()
        _add(places, text, start, end)
    vocabulary = Vocabulary(text) if len(places) >= _MANY else None
    runs = [Run(text, start, end, vocabulary=vocabulary) for start, end in places]
    return [run for run in runs if len(run.digits) >= _LEAST]


def _add(places: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    while start < end and not text[start].isdigit():
        start += 1
    while end > start and not text[end - 1].isdigit():
        end -= 1
    if end - start >= _LEAST:
        places.append((start, end))
