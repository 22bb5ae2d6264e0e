"""Questions that were answered, found again by what they mean."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from operator import mul

from unified_api.caching.keys import Question

__all__ = ["Alike", "SemanticIndex", "marks"]

_WITHIN = 200
"""Questions of one context that are compared, the latest: 200 vectors of 256 numbers take about 2 ms."""
_QUOTED = re.compile(r"\"[^\"]+\"|“[^”]+”|`[^`]+`|(?<!\w)'[^']+'(?!\w)")
_WORD = re.compile(r"[^\W_]+(?:[-._/:@'’][^\W_]+)*")
_NEGATION = re.compile(r"\b(?:not|no|never|none|nor|neither|without|cannot|except|\w+n['’]t)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Alike:
    """The key of the answer to the most similar question, and how similar it is."""

    key: bytes
    score: float


@dataclass(frozen=True, slots=True)
class _Asked:
    vector: tuple[float, ...]
    marks: frozenset[str]
    key: bytes


class SemanticIndex:
    """Compares by brute force what is equal in all but the last message. It holds vectors and marks, no answers."""

    def __init__(self, *, threshold: float, max_entries: int) -> None:
        self._threshold = threshold
        self._max_entries = max_entries
        self._contexts: OrderedDict[bytes, deque[_Asked]] = OrderedDict()
        self._entries = 0

    def __len__(self) -> int:
        return self._entries

    def find(self, question: Question, vector: Sequence[float]) -> Alike | None:
        """The most similar question above the threshold that names the same things, the latest first."""
        asked = self._contexts.get(question.context)
        if asked is None:
            return None
        self._contexts.move_to_end(question.context)
        unit, own = _unit(vector), marks(question.text)
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
        asked.appendleft(_Asked(_unit(vector), marks(question.text), key))
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


def marks(text: str) -> frozenset[str]:
    """What two texts that mean the same must both have: names, numbers, quotations, and words that deny.

    Vectors of sentences hardly see them: `in 2019` and `in 2020` are as good as equal.
    """
    found = {quoted.strip("\"“”`'").casefold() for quoted in _QUOTED.findall(text)}
    rest = _QUOTED.sub(" ", text)
    first = True
    for match in _WORD.finditer(rest):
        word = match[0]
        named = word[:1].isupper() and not first and word not in _NO_NAMES
        if named or any(char.isdigit() for char in word) or any(char in word for char in "./:@"):
            found.add(word.casefold())
        first = rest[match.end() : match.end() + 1] in _ENDS
    found.update("not" for _ in _NEGATION.finditer(rest))
    return frozenset(found)


_NO_NAMES = frozenset({"I", "I'm", "I'd", "I've", "I'll", "I’m", "I’d", "I’ve", "I’ll"})
_ENDS = frozenset(".!?:\n")


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    length = sqrt(sum(map(mul, vector, vector)))
    return tuple(number / length for number in vector) if length else tuple(vector)
