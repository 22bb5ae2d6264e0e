"""Questions that were answered, found again by what they mean."""

from __future__ import annotations

from array import array
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from operator import mul

from unified_api.caching.keys import Question
from unified_api.caching.marks import marks
from unified_api.caching.size import size_of

__all__ = ["Alike", "SemanticIndex"]

_WITHIN = 200
"""Questions of one context that are remembered, the latest."""
_WORK = 51_200
"""Numbers that are compared for one question: 200 vectors of 256 numbers, or 16 of 3,072, take about 2 ms."""
_OVERHEAD = 400
"""Bytes of an entry beside its vector and marks."""


@dataclass(frozen=True, slots=True)
class Alike:
    """The key of the answer to the most similar question, and how similar it is."""

    key: bytes
    score: float


@dataclass(frozen=True, slots=True)
class _Asked:
    vector: array[float]
    marks: tuple[str, ...]
    key: bytes

    @property
    def size(self) -> int:
        """Bytes of memory, as estimated."""
        return self.vector.itemsize * len(self.vector) + size_of(self.marks) + _OVERHEAD


class SemanticIndex:
    """Compares by brute force what is equal in all but the last message. It holds vectors and marks, no answers."""

    def __init__(self, *, threshold: float, max_entries: int, max_bytes: int, same_words: bool) -> None:
        self._threshold = threshold
        self._same_words = same_words
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._contexts: OrderedDict[bytes, deque[_Asked]] = OrderedDict()
        self._entries = 0

    def __len__(self) -> int:
        return self._entries

    @property
    def taken(self) -> int:
        """Bytes of memory that the questions take, as estimated."""
        return self._bytes

    def find(self, question: Question, vector: Sequence[float]) -> Alike | None:
        """The most similar question from the threshold on that has the same marks; of equals the latest."""
        asked = self._contexts.get(question.context)
        if asked is None:
            return None
        self._contexts.move_to_end(question.context)
        unit, own = _unit(vector), marks(question.text, same_words=self._same_words)
        best: Alike | None = None
        work = _WORK
        for one in asked:
            if one.marks != own or len(one.vector) != len(unit):
                continue
            if work < len(unit):
                break
            work -= len(unit)
            score = sum(map(mul, one.vector, unit))
            if score >= self._threshold and (best is None or score > best.score):
                best = Alike(one.key, score)
        return best

    def add(self, question: Question, vector: Sequence[float], key: bytes) -> None:
        one = _Asked(_unit(vector), marks(question.text, same_words=self._same_words), key)
        asked = self._contexts.setdefault(question.context, deque())
        self._contexts.move_to_end(question.context)
        asked.appendleft(one)
        self._entries += 1
        self._bytes += one.size
        if len(asked) > _WITHIN:
            self._forget(question.context)
        while self._entries > self._max_entries or self._bytes > self._max_bytes:
            self._forget(next(iter(self._contexts)))

    def _forget(self, context: bytes) -> None:
        """The oldest question of the context."""
        asked = self._contexts[context]
        self._bytes -= asked.pop().size
        self._entries -= 1
        if not asked:
            del self._contexts[context]


def _unit(vector: Sequence[float]) -> array[float]:
    length = sqrt(sum(map(mul, vector, vector)))
    return array("f", (number / length for number in vector) if length else vector)
