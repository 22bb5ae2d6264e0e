"""The words around a number that say what it is."""

from __future__ import annotations

import re

__all__ = ["near", "words"]

_BEFORE, _AFTER = 48, 16


def words(*alternatives: str) -> re.Pattern[str]:
    """Any of them, written in any case; each a pattern, at the beginning of a word."""
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(alternatives)})", re.IGNORECASE)


def near(pattern: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """Whether one of the words stands shortly before the span, or right behind it."""
    return (
        pattern.search(text, max(0, start - _BEFORE), start) is not None
        or pattern.search(text, end, end + _AFTER) is not None
    )
