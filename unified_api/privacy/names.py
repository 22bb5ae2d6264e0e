"""Names of persons, beside what is found by pattern."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from unified_api.privacy.kinds import Found
from unified_api.privacy.pieces import joined
from unified_api.privacy.placeholders import LOOKS_LIKE_ONE

__all__ = ["Gathered", "beside", "within_strings"]

_AROUND = " \t\r\n\f\v\u00a0\"'“”„‘’«»‹›()[]{}<>,;:!?.*_`|/\\-–—=#"
_POSSESSIVE = re.compile(r"['’]s\Z")
_LITERALS = frozenset({"true", "false", "null"})


@dataclass(slots=True)
class Gathered:
    """A visitor that keeps the texts in which there may be names, and changes nothing."""

    kept: dict[str, None] = field(default_factory=dict, repr=False)

    def texts(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        for text in (*pieces, "".join(pieces)):
            self._keep(text)
        return pieces

    def behind(self, context: str, text: str) -> str:
        self._keep(context + text)
        return text

    def arguments(self, text: str) -> str:
        self._keep(text)
        return text

    def fixed(self, text: str) -> None:
        if " " in text or not text[:1].islower():  # one word in small letters is a tool's name or an address
            self._keep(text)

    def definitions(self, texts: list[str]) -> None:
        self._keep("\n".join(texts))

    def media(self) -> None:
        """Nobody can read it."""

    def _keep(self, text: str) -> None:
        if text and not text.isspace():
            self.kept[text] = None


def beside(text: str, names: Iterable[Found], found: list[Found]) -> list[Found]:
    """What was found, and of the names what lies outside of it and of placeholders; in order and apart."""
    names = list(names)
    if not names:
        return found
    holes = joined([*(one.span() for one in LOOKS_LIKE_ONE.finditer(text)), *((one.start, one.end) for one in found)])
    left = [part for name in names for part in _outside(text, name, holes)]
    return sorted([*found, *left], key=lambda one: one.start)


def _outside(text: str, name: Found, holes: list[tuple[int, int]]) -> Iterator[Found]:
    at = name.start
    hole = bisect_right(holes, at, key=_end)
    while hole < len(holes) and holes[hole][0] < name.end:
        yield from _trimmed(text, at, holes[hole][0])
        at = holes[hole][1]
        hole += 1
    yield from _trimmed(text, at, name.end)


def _end(span: tuple[int, int]) -> int:
    return span[1]


def _trimmed(text: str, start: int, end: int) -> Iterator[Found]:
    """The name without the quotes and signs around it; nothing where no letter is left."""
    written = _POSSESSIVE.sub("", text[start:end].rstrip(_AROUND))
    name = written.lstrip(_AROUND)
    if any(character.isalpha() for character in name):
        begin = start + len(written) - len(name)
        yield Found("name", begin, begin + len(name))


def within_strings(text: str, found: list[Found]) -> list[Found]:
    """The same in a JSON text, no name going on from one of its strings to the next, and none of its words a name."""
    return [part for one in found for part in (_in_strings(text, one) if one.kind == "name" else (one,))]


def _in_strings(text: str, name: Found) -> Iterator[Found]:
    at = name.start
    for piece in text[name.start : name.end].split('"'):
        if piece.strip(_AROUND) not in _LITERALS:
            yield from _trimmed(text, at, at + len(piece))
        at += len(piece) + 1
