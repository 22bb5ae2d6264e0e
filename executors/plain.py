"""Whether a value from outside is JSON that everything here can carry on: written, compared, kept and shown."""

from __future__ import annotations

import math
from typing import Any, Final

__all__ = ["MOST_LEVELS", "unfit"]

MOST_LEVELS: Final = 200
"""Lists and objects inside of one another; every walk over a value takes a frame or more for each."""


def unfit(value: Any) -> str | None:
    """Why the value cannot be used, in words that follow its name; None where it can."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        below: list[Any] = []
        for one in level:
            if one is None or isinstance(one, int):
                continue
            if isinstance(one, dict):
                below += one
                below += one.values()
            elif isinstance(one, list | tuple):
                below += one
            elif isinstance(one, str):
                if not _is_text(one):
                    return "holds half a character (a lone surrogate), which no text can"
            elif isinstance(one, float) and not math.isfinite(one):
                return f"holds a number that is {one}, which JSON does not have"
        if not below:
            return None
        level = below
    return f"has more than {MOST_LEVELS} levels of lists and objects inside of one another"


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
