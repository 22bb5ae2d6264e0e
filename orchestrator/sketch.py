"""What is known of a value before a run: how long it is, and what it is made of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

__all__ = ["BYTES_A_TOKEN", "NOTHING", "Range", "Sketch", "known", "listed", "merged", "named"]

BYTES_A_TOKEN: Final = 4
_Z95: Final = 1.645
"""Of a normal distribution so many standard deviations above the mean lie 5 %."""
_MOST_PARTS: Final = 500
"""Items of a list, or fields, that are looked at; of a longer list as many, evenly spread."""
_DEEPEST: Final = 12
_MOST_TOLD: Final = 4
"""Guesses that a size is told to rest on."""


@dataclass(frozen=True, slots=True)
class Range:
    """What something is in half of all cases at most, and in 95 of 100."""

    p50: float
    p95: float

    def at(self, deviation: float) -> float:
        """So many standard deviations above the middle, on a scale of factors: such sizes have a long tail."""
        if self.p50 <= 0 or self.p95 <= self.p50:
            return self.p50
        return self.p50 * math.exp(math.log(self.p95 / self.p50) / _Z95 * deviation)

    def __add__(self, other: Range) -> Range:
        return Range(self.p50 + other.p50, self.p95 + other.p95)

    def __mul__(self, other: Range) -> Range:
        return Range(self.p50 * other.p50, self.p95 * other.p95)


@dataclass(frozen=True, slots=True)
class Sketch:
    """A value of which nobody may know more than its length."""

    size: Range
    """Tokens of it as text."""
    fields: Mapping[str, Sketch] = field(default_factory=dict)
    item: Sketch | None = None
    """Of a list, one like all of them."""
    count: Range | None = None
    """Of a list, how many."""
    guessed: frozenset[str] = frozenset()
    """What it rests on that nobody knows."""

    def part(self, key: str | int) -> Sketch:
        """A field or an item. Where it is not known what the value is made of, all of it: no part is longer."""
        if isinstance(key, str) and self.fields:
            return self.fields.get(key, NOTHING)
        return self.item if isinstance(key, int) and self.item is not None else self


NOTHING: Final = Sketch(Range(0, 0))


def known(value: Any, depth: int = 0) -> Sketch:
    """Of a value that is there."""
    size = _tokens(value)
    whole = Range(size, size)
    if depth < _DEEPEST and isinstance(value, dict):
        return Sketch(whole, {str(key): known(one, depth + 1) for key, one in islice(value.items(), _MOST_PARTS)})
    if depth < _DEEPEST and isinstance(value, list | tuple):
        step = max(len(value) // _MOST_PARTS, 1)
        items = merged([known(one, depth + 1) for one in value[::step]])
        return Sketch(whole, item=items, count=Range(len(value), len(value)))
    return Sketch(whole)


def _tokens(value: Any) -> float:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN


def merged(ones: Sequence[Sketch]) -> Sketch:
    """One that may be each of these: as long as they are on average, and seldom as long as the longest."""
    if len(ones) < 2:
        return ones[0] if ones else NOTHING
    names = dict.fromkeys(name for one in ones for name in one.fields)
    items = [one.item for one in ones if one.item is not None]
    counts = [one.count for one in ones if one.count is not None]
    return Sketch(
        _either([one.size for one in ones]),
        {name: merged([one.fields[name] for one in ones if name in one.fields]) for name in names},
        merged(items) if items else None,
        _either(counts) if counts else None,
        _told(ones),
    )


def named(fields: Mapping[str, Sketch]) -> Sketch:
    """An object of these."""
    size = sum((one.size for one in fields.values()), Range(0, 0))
    return Sketch(size, dict(fields), guessed=_told(fields.values()))


def listed(item: Sketch, count: Range) -> Sketch:
    """A list of so many."""
    return Sketch(item.size * count, item=item, count=count, guessed=item.guessed)


def _either(ranges: Sequence[Range]) -> Range:
    return Range(sum(one.p50 for one in ranges) / len(ranges), max(one.p95 for one in ranges))


def _told(ones: Iterable[Sketch]) -> frozenset[str]:
    return frozenset(sorted(frozenset().union(*(one.guessed for one in ones)))[:_MOST_TOLD])
