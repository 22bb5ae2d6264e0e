"""Vehicle identification numbers, by the check digit that North America asks for (49 CFR 565.15)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found

__all__ = ["vins"]

_WRITTEN = re.compile(r"[A-HJ-NPR-Z0-9](?<![^\W_].)[A-HJ-NPR-Z0-9]{7}[0-9X][A-HJ-NPR-Z0-9]{4}[0-9]{4}(?![^\W_])")
_VALUES = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vins(text: str, long: str) -> Iterator[Found]:
    """Those of the text; `long` are its long words, without which there is none."""
    for match in _WRITTEN.finditer(text) if _WRITTEN.search(long) else ():
        code = match[0]
        if code.isdigit():
            continue
        total = sum(
            weight * (int(character) if character.isdigit() else _VALUES[character])
            for weight, character in zip(_WEIGHTS, code, strict=True)
        )
        if "0123456789X"[total % 11] == code[8]:
            yield Found("vin", *match.span())
