"""What one request holds: first a look over all its texts, then, where that is wanted, placeholders in its place."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

import orjson

from unified_api.privacy.detection import find
from unified_api.privacy.kinds import Found, Kind
from unified_api.privacy.placeholders import LOOKS_LIKE_ONE, Placeholders

__all__ = ["Look", "Replacement"]


_STRING_OR_PLACEHOLDER = re.compile(rf'"(?:[^"\\]++|\\.)*+"|-?({LOOKS_LIKE_ONE.pattern})')


@dataclass(slots=True)
class Look:
    """A visitor that finds and changes nothing."""

    kinds: Collection[Kind]
    found: Counter[Kind] = field(default_factory=Counter)
    """All that was found, by kind."""
    kept: Counter[Kind] = field(default_factory=Counter)
    """What of it stands where nothing may be replaced."""
    unread: int = 0
    """How many images, sounds, films and documents nobody has looked into."""
    looks: set[str] = field(default_factory=set)
    """What of the caller's own looks like a placeholder."""
    spans: dict[tuple[str, ...], list[Found]] = field(default_factory=dict, repr=False)
    """What was found in each text; pieces count as one."""
    json: set[tuple[str, ...]] = field(default_factory=set, repr=False)
    """Which of the texts are JSON."""

    def texts(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        spans = self.spans.get(pieces)
        if spans is None:
            spans = self.spans[pieces] = _across(pieces, self.kinds)
            self._note_looks("".join(pieces))
        for one in spans:
            self.found[one.kind] += 1
        return pieces

    def arguments(self, text: str) -> str:
        self.json.add((text,))
        self.texts((text,))
        return text

    def _note_looks(self, text: str) -> None:
        if "<" in text:
            self.looks.update(LOOKS_LIKE_ONE.findall(text))

    def fixed(self, text: str) -> None:
        self._note_looks(text)
        for one in find(text, self.kinds):
            self.found[one.kind] += 1
            self.kept[one.kind] += 1

    def media(self) -> None:
        self.unread += 1


def _across(pieces: tuple[str, ...], kinds: Collection[Kind]) -> list[Found]:
    """Also what begins in one piece and ends in another; the places are those in all of them together."""
    if len(pieces) == 1:
        return find(pieces[0], kinds)
    starts = [0, *accumulate(map(len, pieces))]
    inside = [
        Found(one.kind, start + one.start, start + one.end)
        for start, piece in zip(starts, pieces, strict=False)
        for one in find(piece, kinds)
    ]
    split = [
        one for one in find("".join(pieces), kinds) if bisect_right(starts, one.start) < bisect_left(starts, one.end)
    ]
    apart = [one for one in inside if not _meets(split, one.start, one.end)]
    return sorted([*split, *apart], key=_start)


def _start(one: Found) -> int:
    return one.start


def _meets(spans: list[Found], start: int, end: int) -> bool:
    """Whether one of the spans, which are in order and apart, has a place in common with what is asked for."""
    after = bisect_right(spans, start, key=_start)
    return (after > 0 and spans[after - 1].end > start) or (after < len(spans) and spans[after].start < end)


class Replacement:
    """A visitor that puts placeholders where a look has found something."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self.placeholders = Placeholders(look.looks)
        for pieces, spans in look.spans.items():
            whole = "".join(pieces)
            for one in spans:
                value = whole[one.start : one.end]
                self.placeholders.of(one.kind, _unescaped(value) if pieces in look.json else value)
        self._known = _Known(self.placeholders.values)

    def texts(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        spans = self._look.spans.get(pieces, [])
        whole = "".join(pieces)
        cuts = [(one.start, one.end, self.placeholders.of(one.kind, whole[one.start : one.end])) for one in spans]
        cuts += [cut for cut in self._known.within(whole) if not _meets(spans, cut[0], cut[1])]
        return _cut(pieces, sorted(cuts)) if cuts else pieces

    def arguments(self, text: str) -> str:
        replaced = self.texts((text,))[0]
        if replaced == text or not _is_json(text) or _is_json(replaced):
            return replaced
        # A placeholder in the place of a number is a string.
        return _STRING_OR_PLACEHOLDER.sub(lambda match: match[0] if match[0][0] == '"' else f'"{match[1]}"', replaced)

    def fixed(self, text: str) -> None:
        """Left as it is; the label has it."""

    def media(self) -> None:
        """Left as it is."""


_PREFIX = 6
_LONGEST_KNOWN = 64
_BEGINNING = re.compile(rf"(?<![^\W_])(?=(\S.{{{_PREFIX - 1}}}))", re.DOTALL)


class _Known:
    """The values of the call, to be found where they stand without the words or signs they were found by."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._names = {value: name for name, value in values.items() if _PREFIX <= len(value) <= _LONGEST_KNOWN}
        lengths: dict[str, set[int]] = {}
        for value in self._names:
            lengths.setdefault(value[:_PREFIX], set()).add(len(value))
        self._lengths = {prefix: sorted(several, reverse=True) for prefix, several in lengths.items()}

    def within(self, text: str) -> Iterator[tuple[int, int, str]]:
        until = 0
        for beginning in _BEGINNING.finditer(text) if self._lengths else ():
            start = beginning.start()
            for length in self._lengths.get(beginning[1], ()) if start >= until else ():
                name = self._names.get(text[start : start + length])
                if name is not None and not text[start + length : start + length + 1].isalnum():
                    yield start, start + length, name
                    until = start + length
                    break


def _cut(pieces: tuple[str, ...], cuts: list[tuple[int, int, str]]) -> tuple[str, ...]:
    """The pieces with each cut replaced; one that goes on in the next piece stands in the first."""
    given: list[str] = []
    start = first = 0
    for piece in pieces:
        end = start + len(piece)
        at, parts = start, list[str]()
        while first < len(cuts) and cuts[first][0] < end:
            low, high, name = cuts[first]
            parts.append(piece[at - start : max(low, start) - start])
            if low >= start:
                parts.append(name)
            at = min(high, end)
            if high > end:
                break
            first += 1
        parts.append(piece[at - start :])
        given.append("".join(parts))
        start = end
    return tuple(given)


def _unescaped(value: str) -> str:
    """What a piece of a JSON string means."""
    try:
        meant = orjson.loads(f'"{value}"')
    except orjson.JSONDecodeError:
        return value
    return meant if isinstance(meant, str) else value


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
