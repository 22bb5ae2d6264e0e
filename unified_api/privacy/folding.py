"""A text as its reader sees it: digits and letters of any script's width as ASCII, nothing invisible, no escapes."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

__all__ = ["Folded", "fold", "resolve"]

_ESCAPED = re.compile(
    r"\\{1,8}u[0-9a-fA-F]{4}|\\{1,8}[nrtbf\"/]|\\\\|%(?:40|2[BbDd])|&#(?:64|[xX]40);|&commat;"
    "|[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff]+"
)
"""Several characters that are read as one, or some that are not seen at all."""
_RESOLVED = {
    "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\b": " ", "\\f": " ", '\\"': '"', "\\/": "/", "\\\\": "\\",
    "%40": "@", "%2b": "+", "%2d": "-", "&#64;": "@", "&#x40;": "@", "&commat;": "@",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folded:
    """The folded text and where its characters stood; without `places` they stand where they stood."""

    text: str
    places: tuple[int, ...] = ()
    """Where, in the folded text, a piece begins; the first at 0."""
    originals: tuple[int, ...] = ()
    """Where that piece begins in the text as it was."""
    widths: tuple[int, ...] = ()
    """How many characters its first one stands for."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The same span in the text as it was."""
        if not self.places:
            return start, end
        first, last = self._piece(start), self._piece(end - 1)
        begin = self.originals[first] + start - self.places[first]
        beyond = end - 1 - self.places[last]
        return begin, self.originals[last] + (beyond + 1 if beyond else self.widths[last])

    def _piece(self, place: int) -> int:
        return bisect_right(self.places, place) - 1


def fold(text: str) -> Folded:
    """The text with every character that only looks different made plain."""
    if text.isascii():
        return resolve(text) if "\\" in text or "%" in text or "&" in text else Folded(text)
    folded = resolve(text)
    pattern, table = _wide()
    if pattern.search(folded.text) is None:
        return folded
    return Folded(folded.text.translate(table), folded.places, folded.originals, folded.widths)


def resolve(text: str) -> Folded:
    """The text with nothing invisible in it and no escapes, and its letters as they are."""
    pieces: list[str] = []
    places, originals, widths = [0], [0], [1]
    at = length = 0

    def begin(original: int, width: int) -> None:
        if places[-1] == length:  # an empty piece
            places.pop(), originals.pop(), widths.pop()
        places.append(length)
        originals.append(original)
        widths.append(width)

    for match in _ESCAPED.finditer(text):
        start, end = match.span()
        pieces.append(text[at:start])
        length += start - at
        seen = _seen(match[0])
        if seen:
            begin(start, end - start)
            pieces.append(seen)
            length += 1
        begin(end, 1)
        at = end
    if not at:
        return Folded(text)
    pieces.append(text[at:])
    return Folded("".join(pieces), tuple(places), tuple(originals), tuple(widths))


def _seen(escaped: str) -> str:
    if escaped[0] == "\\" and escaped != "\\\\":  # several backslashes where it is JSON inside JSON
        escaped = "\\" + escaped.lstrip("\\")
    if escaped.startswith("\\u"):
        return bytes.fromhex(escaped[2:]).decode("utf-16-be", "replace")
    return _RESOLVED.get(escaped.lower(), "")


@cache
def _wide() -> tuple[re.Pattern[str], dict[int, str]]:
    """What looks like an ASCII character and is another, as a pattern and a table: digits of all scripts, full-width
    and mathematical letters, the many dashes and spaces.
    """
    table = {ord(dash): "-" for dash in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\ufe58\ufe63\uff0d"}
    table |= {ord(space): " " for space in "\u00a0\u1680\u202f\u205f\u3000"} | dict.fromkeys(range(0x2000, 0x200B), " ")
    table |= {ord(dot): "." for dot in "\u2024\u3002\ufe52\uff61"}
    for code in (*range(0x2460, 0x2474), *range(0xFE50, 0xFE70), *range(0xFF01, 0xFF5F), *range(0x1D400, 0x1D800)):
        plain = unicodedata.normalize("NFKC", chr(code))
        if len(plain) == 1 and plain.isascii():
            table.setdefault(code, plain)
    # The ten digits of a script follow each other, the first at a place that ends in 0 or 6.
    for zero in (*range(0x660, 0x20000, 16), *range(0x666, 0x20000, 16)):
        if unicodedata.decimal(chr(zero), None) == 0:
            table |= {zero + digit: str(digit) for digit in range(10)}
    return re.compile(f"[{re.escape(''.join(map(chr, table)))}]"), table
