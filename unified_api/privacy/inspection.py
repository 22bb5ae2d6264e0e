"""What one request holds: first a look over all its texts, then, where that is wanted, placeholders in its place."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeAlias

import orjson

from unified_api.privacy.detection import find, may_hold
from unified_api.privacy.kinds import Found, Kind
from unified_api.privacy.known import Known
from unified_api.privacy.names import beside, within_strings
from unified_api.privacy.nesting import Nesting
from unified_api.privacy.pieces import joined
from unified_api.privacy.placeholders import LOOKS_LIKE_ONE, Placeholders, kind_of

__all__ = ["Look", "Replacement"]


_Cut: TypeAlias = tuple[int, int, str]
"""From, up to, and the placeholder that goes there."""
_STRING_OR_PLACEHOLDER = re.compile(rf'"(?:[^"\\]++|\\.)*+"|-?({LOOKS_LIKE_ONE.pattern})')


@dataclass(slots=True)
class Look:
    """A visitor that finds and changes nothing."""

    kinds: Collection[Kind]
    names: Mapping[str, list[Found]] = field(default_factory=dict, repr=False)
    """The names of persons in each text, where anybody looked for some; pieces also as one text."""
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
    fixed_texts: dict[str, Counter[Kind]] = field(default_factory=dict, repr=False)
    """What was found in each text that may not be changed; definitions count as one."""

    def texts(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        spans = self.spans.get(pieces)
        if spans is None:
            spans = self.spans[pieces] = self._spans(pieces)
            self._note_looks("".join(pieces))
        for one in spans:
            self.found[one.kind] += 1
        return pieces

    def behind(self, context: str, text: str) -> str:
        self.texts((context + text,))
        return text

    def arguments(self, text: str) -> str:
        self.json.add((text,))
        self.texts((text,))
        return text

    def _spans(self, pieces: tuple[str, ...]) -> list[Found]:
        spans = _across(pieces, lambda text: find(text, self.kinds))
        if not self.names:
            return spans
        whole = "".join(pieces)
        inside, split = _inside_and_split(pieces, lambda text: self.names.get(text, []))
        names = joined((one.start, one.end) for one in (*inside, *split))
        spans = beside(whole, [Found("name", *span) for span in names], spans)
        return within_strings(whole, spans) if pieces in self.json else spans

    def _note_looks(self, text: str) -> None:
        if "<" in text:
            self.looks.update(LOOKS_LIKE_ONE.findall(text))

    def fixed(self, text: str) -> None:
        self._note_looks(text)
        self._keep(text, beside(text, self.names.get(text, ()), find(text, self.kinds)))

    def definitions(self, texts: list[str]) -> None:
        together = "\n".join(texts)
        found = beside(together, self.names.get(together, ()), [])
        if may_hold(together):  # hardly ever is anything in them
            for text in texts:
                self._note_looks(text)
                found += find(text, self.kinds)
        self._keep(together, found)

    def _keep(self, text: str, found: list[Found]) -> None:
        if found:
            self.fixed_texts[text] = kinds = Counter(one.kind for one in found)
            self.found += kinds
            self.kept += kinds

    def media(self) -> None:
        self.unread += 1


def _across(pieces: tuple[str, ...], find: Callable[[str], list[Found]]) -> list[Found]:
    """Also what begins in one piece and ends in another; the places are those in all of them together."""
    inside, split = _inside_and_split(pieces, find)
    apart = [one for one in inside if not _meets(split, one.start, one.end)]
    return sorted([*split, *apart], key=_start)


def _inside_and_split(pieces: tuple[str, ...], find: Callable[[str], list[Found]]) -> tuple[list[Found], list[Found]]:
    """What is in one piece, and what goes on from one to the next."""
    if len(pieces) == 1:
        return find(pieces[0]), []
    starts = [0, *accumulate(map(len, pieces))]
    inside = [
        Found(one.kind, start + one.start, start + one.end)
        for start, piece in zip(starts, pieces, strict=False)
        for one in find(piece)
    ]
    split = [one for one in find("".join(pieces)) if bisect_right(starts, one.start) < bisect_left(starts, one.end)]
    return inside, split


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
            self._names(pieces, "".join(pieces), spans)
        self._known = Known(self.placeholders.spellings)
        self.kept: Counter[Kind] = Counter()
        """What of the values stands, without the words or signs it was found by, where nothing may be replaced."""

    def texts(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        cuts = self._cuts(pieces)
        return _cut(pieces, cuts) if cuts else pieces

    def behind(self, context: str, text: str) -> str:
        begin = len(context)
        cuts = [(max(low, begin), high, name) for low, high, name in self._cuts((context + text,)) if high > begin]
        return _cut((context, text), cuts)[1] if cuts else text

    def _cuts(self, pieces: tuple[str, ...]) -> list[_Cut]:
        spans = self._look.spans.get(pieces, [])
        whole = "".join(pieces)
        names = self._names(pieces, whole, spans)
        cuts = [(one.start, one.end, name) for one, name in zip(spans, names, strict=True)]
        cuts += [cut for cut in self._known.within(whole) if not _meets(spans, cut[0], cut[1])]
        return sorted(cuts)

    def _names(self, pieces: tuple[str, ...], whole: str, spans: list[Found]) -> list[str]:
        """The placeholders of what was found in the text."""
        if pieces not in self._look.json:
            return [self.placeholders.of(one.kind, whole[one.start : one.end]) for one in spans]
        nesting, at, names = Nesting(), 0, list[str]()
        for one in spans:
            nesting.feed(whole[at : one.start])
            at = one.start
            value = whole[one.start : one.end]
            for _ in range(max(1, nesting.depth)):
                value = _unescaped(value)
            names.append(self.placeholders.of(one.kind, value))
        return names

    def arguments(self, text: str) -> str:
        return _kept_json(text, self.texts((text,))[0])

    def fixed(self, text: str) -> None:
        """Left as it is; the label has what is in it."""
        hits = Counter(kind_of(name) for _, _, name in self._known.within(text))
        self.kept += hits - self._look.fixed_texts.get(text, Counter())

    def definitions(self, texts: list[str]) -> None:
        self.fixed("\n".join(texts))

    def media(self) -> None:
        """Left as it is."""


def _cut(pieces: tuple[str, ...], cuts: list[_Cut]) -> tuple[str, ...]:
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


def _kept_json(text: str, replaced: str) -> str:
    """The text with placeholders; JSON where it was that before, also in its strings."""
    if replaced == text or not _is_json(text):
        return replaced
    if not _is_json(replaced):
        # A placeholder in the place of a number is a string.
        replaced = _STRING_OR_PLACEHOLDER.sub(
            lambda match: match[0] if match[0][0] == '"' else f'"{match[1]}"', replaced
        )
    if '\\"' not in text or not _is_json(replaced):
        return replaced
    after = json.loads(replaced)
    try:
        kept = _kept_inside(json.loads(text), after)
    except RecursionError:  # deeper than anybody writes; it stays a text with placeholders
        return replaced
    return replaced if kept == after else json.dumps(kept, ensure_ascii=False)


def _kept_inside(before: object, after: object) -> object:
    if isinstance(before, str) and isinstance(after, str):
        return _kept_json(before, after) if before.lstrip()[:1] in ("{", "[") else after
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [_kept_inside(one, other) for one, other in zip(before, after, strict=True)]
    if isinstance(before, dict) and isinstance(after, dict) and len(before) == len(after):
        pairs = zip(before.values(), after.items(), strict=True)
        return {key: _kept_inside(one, other) for one, (key, other) in pairs}
    return after


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
