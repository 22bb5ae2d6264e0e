"""A small linear classifier of unsafe text, in plain Python: weights of hashed words and pieces of words.

It is a demonstration, better than nothing and no more: docs/safety.md has what was measured.
`tools/safety_classifier.py` makes the weights, and says from what. Every word has two weights a category: the sum of
those of its three to five letter pieces, and one of its own where it is among the words whose meaning was known. Both
sums are divided by how much text there was, and a category's score is the logistic function of what results.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from itertools import starmap
from struct import iter_unpack

__all__ = ["Classifier", "packed_classifier", "pieces_of", "words_of"]

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_LONGEST = 30
"""Longer words are no words."""
_LANE = 32
"""Bits of one category in a packed sum: one addition adds up all categories. Every weight is stored plus 128."""
_MOST_WORDS = 20_000
"""Whose sums are remembered, by their hash alone."""
_SIZES = (3, 4, 5)


def pieces_of(word: str) -> list[bytes]:
    """The word itself and its pieces of three to five bytes, with a space for each of its ends."""
    whole = f" {word} ".encode()
    length = len(whole)
    return [whole, *(whole[at : at + size] for size in _SIZES if size < length for at in range(length - size + 1))]


def words_of(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if len(word) <= _LONGEST]


class Classifier:
    """Scores texts by `weights`, a file that `tools/safety_classifier.py` wrote."""

    def __init__(self, weights: bytes) -> None:
        raw = zlib.decompress(weights)
        head, _, tables = raw.partition(b"\n")
        facts = json.loads(head)
        self.categories: tuple[str, ...] = tuple(facts["categories"])
        self.thresholds: Mapping[str, float] = dict(zip(self.categories, facts["thresholds"], strict=True))
        count = len(self.categories)
        self._bias: list[float] = facts["bias"]
        self._of_pieces: list[float] = facts["of_pieces"]
        self._of_words: list[float] = facts["of_words"]
        size = count << facts["bits"]
        self._mask = (1 << facts["bits"]) - 1
        self._pieces = list(starmap(_packed, iter_unpack(f"{count}b", tables[:size])))
        self._words = {key: _packed(*own) for key, *own in iter_unpack(f"<I{count}b", tables[size:])}
        self._seen: dict[int, tuple[int, int, int, int]] = {}

    def scores(self, text: str) -> dict[str, float]:
        """Category -> from 0 to 1. About a third of a microsecond a word that it met before, five for a new one."""
        seen, sums, pieces, meanings, known, count = self._seen, 0, 0, 0, 0, 0
        for word in words_of(text):
            of = seen.get(hash(word)) or self._learn(word)
            sums += of[0]
            pieces += of[1]
            meanings += of[2]
            known += of[3]
            count += 1
        if not count:
            return dict.fromkeys(self.categories, 0.0)
        return {
            name: _logistic(
                self._bias[place]
                + self._of_pieces[place] * _lane(sums, place, pieces) / math.sqrt(pieces)
                + self._of_words[place] * _lane(meanings, place, known) / count
            )
            for place, name in enumerate(self.categories)
        }

    def _learn(self, word: str) -> tuple[int, int, int, int]:
        if len(self._seen) >= _MOST_WORDS:
            self._seen.clear()
        pieces = pieces_of(word)
        table, mask = self._pieces, self._mask
        own = self._words.get(zlib.crc32(pieces[0]))
        sums = sum(table[zlib.crc32(piece) & mask] for piece in pieces)
        made = (sums, len(pieces), own or 0, 0 if own is None else 1)
        self._seen[hash(word)] = made
        return made


def _packed(*weights: int) -> int:
    return sum((weight + 128) << (_LANE * place) for place, weight in enumerate(weights))


def _lane(packed: int, place: int, count: int) -> int:
    return (packed >> (_LANE * place) & 0xFFFFFFFF) - 128 * count


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


@cache
def packed_classifier() -> Classifier:
    """The classifier with the weights that come with the package. Reading them takes some 30 ms, once."""
    return Classifier(resources.files("unified_api.safety").joinpath("classifier.weights").read_bytes())
