"""Values of any shape, as messages show them."""

from __future__ import annotations

import reprlib

__all__ = ["shown"]

_LONGEST = 200
_LONGEST_NUMBER_BITS = 1000
"""Python refuses to write numbers of more than 4300 digits."""


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = _LONGEST
        self.maxlevel = 4

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() <= _LONGEST_NUMBER_BITS else "a number of endless digits"


_SHORT = _Short()


def shown(value: object) -> str:
    """The value as Python writes it, cut in its length, width and depth, so that none is too large to show."""
    text = _SHORT.repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
