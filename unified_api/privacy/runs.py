"""Runs of digits as people write long numbers: in groups, with spaces, dashes, dots, slashes or brackets between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Run", "runs_of"]

_RUN = re.compile(r"(?:\+ ?)?\(?[0-9](?:[ \-./()]{0,3}[0-9]){5,}")
_DATE = re.compile(
    r"(?<![0-9])(?:(?:1[0-9]|2[01])[0-9]{2}([-/.])[01]?[0-9]\1[0-3]?[0-9]|[0-3]?[0-9]([-/.])[0-3]?[0-9]\2(?:1[89]|20)[0-9]{2})(?![0-9])"
)
_GROUP = re.compile(r"[0-9]+")
_LEAST = 6


@dataclass(frozen=True, slots=True)
class Run:
    """The digits from `start` to `end` of a text, `groups` as they are written."""

    start: int
    end: int
    written: str
    groups: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    """Where each group stands in the text."""
    digits: str

    @property
    def shape(self) -> tuple[int, ...]:
        """How many digits each group has."""
        return tuple(map(len, self.groups))

    def windows(self, most: int) -> Iterator[Run]:
        """The run, then every run of neighbouring groups in it of at most `most` digits, the longest first."""
        count = len(self.groups)
        if len(self.digits) <= most:
            yield self
        for first in range(count):
            digits = 0
            last = first
            while last < count and digits + len(self.groups[last]) <= most:
                digits += len(self.groups[last])
                last += 1
            for end in range(last, first, -1):
                if end - first < count:
                    yield self.part(first, end)

    def part(self, first: int, end: int) -> Run:
        """The groups from `first` up to `end` alone."""
        start, stop = self.places[first][0], self.places[end - 1][1]
        groups = self.groups[first:end]
        written = self.written[start - self.start : stop - self.start]
        return Run(start, stop, written, groups, self.places[first:end], "".join(groups))


def runs_of(text: str) -> list[Run]:
    """Every run of at least six digits; dates in it end it."""
    found: list[Run] = []
    for match in _RUN.finditer(text):
        start, written = match.start(), match[0]
        if len(written) > 7 and _DATE.search(written):
            at = 0
            for date in _DATE.finditer(written):
                _add(found, start + at, written[at : date.start()])
                at = date.end()
            _add(found, start + at, written[at:])
        else:
            _add(found, start, written)
    return found


def _add(found: list[Run], start: int, written: str) -> None:
    places = tuple((start + one.start(), start + one.end()) for one in _GROUP.finditer(written))
    groups = tuple(_GROUP.findall(written))
    digits = "".join(groups)
    if len(digits) < _LEAST:
        return
    first = places[0][0]
    if written[first - start - 1 : first - start] == "(":
        first -= 1
    plus = written.find("+", 0, first - start)
    begin = start + plus if plus >= 0 else first
    found.append(Run(begin, places[-1][1], written[begin - start : places[-1][1] - start], groups, places, digits))
