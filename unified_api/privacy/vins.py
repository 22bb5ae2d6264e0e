"""Vehicle identification numbers, by the check digit that North America asks for (49 CFR 565.15)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from unified_api.privacy.kinds import Found

__all__ = ["vins"]

_WRITTEN = re.compile(r"(?<![^\W_])(?=[A-Z0-9]{0,15}[A-Z])[A-HJ-NPR-Z0-9]{8}[0-9X][A-HJ-NPR-Z0-9]{4}[0-9]{4}(?![^\W_])")
_VALUES = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vins(text: str) -> Iterator[Found]:
    for match in _WRITTEN.finditer(text):
        code = match[0]
        total = sum(
            weight * (int(character) if character.isdigit() else _VALUES[character])
            for weight, character in zip(_WEIGHTS, code, strict=True)
        )
        if "0123456789X"[total % 11] == code[8]:
            yield Found("vin", *match.span())
