"""Which known name a wrong one can only have meant: another spelling, or one letter lost, doubled or swapped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["meant", "plain", "words"]

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
EMPTY_WORDS = frozenset({"functions", "function", "tool", "tools", "api", "the"})
"""Words that models add to a tool's name and that distinguish nothing."""
MOST_NAMES = 300
"""Among more names than these no slip of the pen is looked for: one could mean too many."""
MIN_LETTERS = 6
"""Below this, one letter makes another word: sum and sub, load and read."""


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A name without case and punctuation: `Text-to-Speech` and `text_to_speech` are one."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in WORD.findall(name))


def meant(name: str, known: Iterable[str]) -> str | None:
    """The one known name that `name` can only have meant, or None.

    Substituted letters and first letters are never mended: `upload` is not `unload`, `typical` not `atypical`.
    """
    names = list(dict.fromkeys(known))
    for alike in (same_letters, same_words, slipped) if len(names) <= MOST_NAMES else (same_letters,):
        matches = [one for one in names if alike(name, one)]
        if matches:
            return matches[0] if len(matches) == 1 else None
    return None


def same_letters(name: str, other: str) -> bool:
    return bool(plain(name)) and plain(name) == plain(other)


def same_words(name: str, other: str) -> bool:
    """Whether two names differ only by words that distinguish nothing."""
    mine, theirs = (tuple(word for word in words(one) if word not in EMPTY_WORDS) for one in (name, other))
    return bool(mine) and mine == theirs


def slipped(name: str, other: str) -> bool:
    mine, theirs = words(name), words(other)
    return bool(mine) and len(mine) == len(theirs) and all(map(one_slip, mine, theirs))


def one_slip(word: str, other: str) -> bool:
    """Whether two words are equal or differ by one letter left out, put in or swapped with its neighbour."""
    if word == other:
        return True
    short, long = sorted((word, other), key=len)
    if len(long) < MIN_LETTERS or short[:1] != long[:1] or not (short.isalpha() and long.isalpha()):
        return False
    at = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) == len(long):
        return short[at + 2 :] == long[at + 2 :] and short[at : at + 2] == long[at : at + 2][::-1]
    return len(long) == len(short) + 1 and short[at:] == long[at + 1 :]
