"""A long text in pieces that overlap, so that what lies across a border is whole in one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["LONGEST", "OVERLAP", "joined", "pieces_of"]

LONGEST = 4_000
"""Characters of a piece at most."""
OVERLAP = 200
"""Characters that a piece has in common with the one before it, give or take half: more than a name has."""
_SENTENCE = re.compile(r".*[.!?][\"')\]]?\s|.*[。！？]", re.DOTALL)
_WORD = re.compile(r".*\s", re.DOTALL)
_SPACE = re.compile(r"\s")


def pieces_of(text: str) -> Iterator[tuple[int, str]]:
    """Where each piece begins, and the piece; cut at the end of a line, or else of a sentence, or else of a word."""
    start = 0
    while len(text) - start > LONGEST:
        end = _border(text, start + LONGEST // 2, start + LONGEST)
        yield start, text[start:end]
        start = _whole_word(text, end - OVERLAP)
    yield start, text[start:]


def _border(text: str, low: int, high: int) -> int:
    line = text.rfind("\n", low, high) + 1
    if line:
        return line
    last = _SENTENCE.match(text, low, high) or _WORD.match(text, low, high)
    return last.end() if last else high


def _whole_word(text: str, at: int) -> int:
    space = _SPACE.search(text, at, at + OVERLAP // 2)
    return space.end() if space else at


def joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that overlap, as one."""
    apart: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart
