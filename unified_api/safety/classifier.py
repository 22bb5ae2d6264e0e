"""A small linear classifier of unsafe text, in plain Python: weights of hashed words and pieces of words.

It is a demonstration, better than nothing and no more: docs/safety.md has what was measured.
`tools/safety_classifier.py` makes the weights, and says from what. Every word has two weights a category: the sum of
those of its three to five letter pieces, and one of its own where it is among the words whose meaning was known. Both
sums are divided by how much text there was, or would be in a sentence or two, so that a few words alone say little; a
category's score is the logistic function of what results.
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
from struct import Struct, iter_unpack

__all__ = ["Classifier", "logistic", "packed_classifier", "pieces_of", "words_of"]

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_LONGEST = 30
"""Longer words are no words."""
_SIZES = (3, 4, 5)
_MOST_WORDS = 20_000
"""Whose sums are remembered, by their hash alone."""
_LANE = 32
"""Bits of one number in a packed sum. What a word adds to all sums is one integer, so that a text is one sum of them:
a lane each for the weights of its pieces and of its meaning, by category, then the number of its pieces, whether its
meaning is known, and 1. Weights are stored plus 128."""


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
        self._calm_pieces, self._calm_words = facts["calm"]
        size = count << facts["bits"]
        self._mask = (1 << facts["bits"]) - 1
        self._pieces: list[int] = list(starmap(_packed, iter_unpack(f"{count}b", tables[:size])))
        self._words: dict[int, int] = {key: _packed(*own) for key, *own in iter_unpack(f"<I{count}b", tables[size:])}
        self._count = count
        self._read = Struct(f"<{2 * count + 3}I")
        self._seen: dict[int, int] = {}

    def scores(self, text: str) -> dict[str, float]:
        """Category -> from 0 to 1; 0 for a text without words."""
        values = self.values(text)
        if values is None:
            return dict.fromkeys(self.categories, 0.0)
        return {name: logistic(value) for name, value in zip(self.categories, values, strict=True)}

    def values(self, text: str) -> list[float] | None:
        """What the scores are the logistic function of, in the order of the categories; None for no words.

        About a quarter of a microsecond a word that it met before, more for a new one.
        """
        words = _WORD.findall(text.lower())
        try:
            packed = sum(map(self._seen.__getitem__, map(hash, words)))
        except KeyError:
            packed = sum(self._seen.get(hash(word)) or self._learn(word) for word in words)
        numbers = self._read.unpack(packed.to_bytes(self._read.size, "little"))
        pieces, known, met = numbers[-3:]
        if not met:
            return None
        root, said = math.sqrt(pieces + self._calm_pieces), met + self._calm_words
        empty, unknown = 128 * pieces, 128 * known
        return [
            bias + of_pieces * (own - empty) / root + of_words * (meaning - unknown) / said
            for bias, of_pieces, of_words, own, meaning in zip(
                self._bias, self._of_pieces, self._of_words, numbers, numbers[self._count :], strict=False
            )
        ]

    def _learn(self, word: str) -> int:
        if len(self._seen) >= _MOST_WORDS:
            self._seen.clear()
        made = self._packed(word) if len(word) <= _LONGEST else 0
        self._seen[hash(word)] = made
        return made

    def _packed(self, word: str) -> int:
        pieces = pieces_of(word)
        table, mask, width = self._pieces, self._mask, _LANE * self._count
        own = self._words.get(zlib.crc32(pieces[0]))
        sums: int = sum(table[zlib.crc32(piece) & mask] for piece in pieces)
        counts: int = len(pieces) | (own is not None) << _LANE | 1 << 2 * _LANE
        return sums | ((own or 0) << width) | (counts << 2 * width)


def _packed(*weights: int) -> int:
    return sum((weight + 128) << (_LANE * place) for place, weight in enumerate(weights))


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


@cache
def packed_classifier() -> Classifier:
    """The classifier with the weights that come with the package. Reading them takes some 30 ms, once."""
    return Classifier(resources.files("unified_api.safety").joinpath("classifier.weights").read_bytes())
