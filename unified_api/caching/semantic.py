"""Questions that were answered, found again by what they mean."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from operator import mul

from unified_api.caching.keys import Question
from unified_api.caching.marks import marks

__all__ = ["Alike", "SemanticIndex"]

_WITHIN = 200
"""Questions of one context that are compared, the latest: 200 vectors of 256 numbers take about 2 ms."""


@dataclass(frozen=True, slots=True)
class Alike:
    """The key of the answer to the most similar question, and how similar it is."""

    key: bytes
    score: float


@dataclass(frozen=True, slots=True)
class _Asked:
    vector: tuple[float, ...]
    marks: tuple[str, ...]
    key: bytes


class SemanticIndex:
    """Compares by brute force what is equal in all but the last message. It holds vectors and marks, no answers."""

    def __init__(self, *, threshold: float, max_entries: int, same_words: bool) -> None:
        self._threshold = threshold
        self._same_words = same_words
        self._max_entries = max_entries
        self._contexts: OrderedDict[bytes, deque[_Asked]] = OrderedDict()
        self._entries = 0

    def __len__(self) -> int:
        return self._entries

    def find(self, question: Question, vector: Sequence[float]) -> Alike | None:
        """The most similar question from the threshold on that has the same marks; of equals the latest."""
        asked = self._contexts.get(question.context)
        if asked is None:
            return None
        self._contexts.move_to_end(question.context)
        unit, own = _unit(vector), marks(question.text, same_words=self._same_words)
        best: Alike | None = None
        for one in asked:
            if one.marks != own or len(one.vector) != len(unit):
                continue
            score = sum(map(mul, one.vector, unit))
            if score >= self._threshold and (best is None or score > best.score):
                best = Alike(one.key, score)
        return best

    def add(self, question: Question, vector: Sequence[float], key: bytes) -> None:
        asked = self._contexts.setdefault(question.context, deque())
        self._contexts.move_to_end(question.context)
        asked.appendleft(_Asked(_unit(vector), marks(question.text, same_words=self._same_words), key))
        self._entries += 1
        if len(asked) > _WITHIN:
            asked.pop()
            self._entries -= 1
        while self._entries > self._max_entries:
            self._forget()

    def _forget(self) -> None:
        context, asked = next(iter(self._contexts.items()))
        asked.pop()
        self._entries -= 1
        if not asked:
            del self._contexts[context]


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    length = sqrt(sum(map(mul, vector, vector)))
    return tuple(number / length for number in vector) if length else tuple(vector)
