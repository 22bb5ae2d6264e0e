"""The sources of a Gemini answer: grounding (searches, pages, files) and recited works.

https://ai.google.dev/api/generate-content#GroundingMetadata and #CitationMetadata. Places are given in UTF-8 bytes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from unified_api.sse import EVENT_LIMIT
from unified_api.types import Citation, CitationChunk, Json, JsonObject, ProviderState

__all__ = ["Spoken", "grounded", "recited", "searches"]


_NEAR = 64
"""Characters by which the places may be wrong where the words are told: they are, by the bytes of typographic marks."""
_LAST = 16
"""Text parts, from the end, that places may count from the beginning of."""


class Place(NamedTuple):
    """Where words stand: the text part, counted from 0, and its characters."""

    part: int | None = None
    start: int | None = None
    end: int | None = None


class Spoken:
    """The text of one answer so far, as the parts that the canonical answer will have."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._size = 0
        self._laid = 0
        """Parts of which nothing more can come and all is laid."""

    def add(self, text: str) -> None:
        """More of the part that was begun last."""
        self._grow(len(text))
        if self._size <= EVENT_LIMIT:
            self._parts[-1].news.append(text)

    def begin(self) -> None:
        """The next text begins a part of its own."""
        self._grow(1)
        self._parts.append(_Part(len(self._parts)))

    def _grow(self, size: int) -> None:
        # What no answer is as long as is not remembered; its places are then not told.
        self._size += size
        if self._size > EVENT_LIMIT:
            self._parts.clear()

    def place(self, start: Json, end: Json, words: Json = None) -> Place:
        """The text part and the characters in it of the bytes `start` to `end`; nothing where they lie nowhere.

        `words` are the answer's own words there, when they are told: they must stand there or near it. Places count
        from the beginning of the whole text or of the part, which the documents leave open and the words can tell.
        """
        if type(end) is not int or self._size > EVENT_LIMIT:
            return Place()
        first, told = start if type(start) is int else 0, words if isinstance(words, str) else None
        laid = self._all_laid()
        at = max(bisect_left(laid, end, key=lambda part: part.skipped) - 1, 0)
        guesses = [(part, part.skipped) for part in laid[at : at + 1]] + [(part, 0) for part in laid[: -_LAST - 1 : -1]]
        found = (
            look(part, first - skipped, end - skipped, told)
            for look in (_exactly, _nearly)
            for part, skipped in guesses
        )
        return next((place for place in found if place is not None), Place())

    def _all_laid(self) -> list[_Part]:
        """The parts, after a look at what came since the last one: only the last part can have grown."""
        for number in range(self._laid, len(self._parts)):
            before = self._parts[number - 1] if number else None
            self._parts[number].lay(before.skipped + before.edges[-1] if before else 0)
        self._laid = max(len(self._parts) - 1, 0)
        return self._parts


class _Part:
    """A text part, and the byte that each of its characters begins at, as far as they are laid."""

    __slots__ = ("edges", "news", "number", "skipped", "text")

    def __init__(self, number: int) -> None:
        self.number = number
        self.text = ""
        self.edges = [0]
        self.news: list[str] = []
        """Pieces that are not laid yet."""
        self.skipped = 0
        """Bytes of the text parts before it."""

    def lay(self, skipped: int) -> None:
        self.skipped = skipped
        if self.news:
            news = "".join(self.news)
            self.news.clear()
            self.text += news
            sizes = (len(letter.encode("utf-8", "surrogatepass")) for letter in news)
            self.edges.extend(accumulate(sizes, initial=self.edges.pop()))


def _exactly(part: _Part, start: int, end: int, words: str | None) -> Place | None:
    first, last = _edge(part.edges, start), _edge(part.edges, end)
    if first is None or last is None or first > last:
        return None
    if words is not None and (len(words) != last - first or not part.text.startswith(words, first)):
        return None
    return Place(part.number, first, last)


def _nearly(part: _Part, start: int, end: int, words: str | None) -> Place | None:
    del start
    if not words:
        return None
    about = bisect_left(part.edges, end) - len(words)
    near = part.text.find(words, max(about - _NEAR, 0), max(about + len(words) + _NEAR, 0))
    return Place(part.number, near, near + len(words)) if near >= 0 else None


def _edge(edges: list[int], place: int) -> int | None:
    """The character that begins at the byte `place`."""
    at = bisect_left(edges, place)
    return at if at < len(edges) and edges[at] == place else None


def grounded(metadata: JsonObject, spoken: Spoken, *, provider: str) -> Iterator[CitationChunk]:
    """A citation for each support of each source, then the sources that support no words in particular."""
    chunks = _objects(metadata.get("groundingChunks"))
    used: set[int] = set()
    for support in _objects(metadata.get("groundingSupports")):
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        place = spoken.place(segment.get("startIndex"), segment.get("endIndex"), segment.get("text"))
        indices = support.get("groundingChunkIndices")
        # Each source once: an answer of ten bytes a source could name one of them a million times.
        for index in dict.fromkeys(one for one in indices if type(one) is int) if isinstance(indices, list) else ():
            if 0 <= index < len(chunks):
                used.add(index)
                yield _source(chunks[index], place, {"groundingSupport": support}, provider)
    for index, chunk in enumerate(chunks):
        if index not in used:
            yield _source(chunk, Place(), {}, provider)


def _source(chunk: JsonObject, place: Place, support: JsonObject, provider: str) -> CitationChunk:
    # One of web, retrievedContext (files, RAG), maps, image ...: all spell their fields alike.
    held = next((value for value in chunk.values() if isinstance(value, dict)), {})
    cited = Citation(
        url=_text(held.get("uri") or held.get("sourceUri")),
        title=_text(held.get("title")),
        quote=_text(held.get("text")),
        start=place.start,
        end=place.end,
        state=ProviderState(provider, {"groundingChunk": chunk, **support}),
    )
    return CitationChunk(cited, place.part)


def recited(metadata: JsonObject, spoken: Spoken, *, provider: str) -> Iterator[CitationChunk]:
    """The works that the answer recites; AI Studio and Vertex name the list differently."""
    for source in _objects(metadata.get("citationSources")) + _objects(metadata.get("citations")):
        place = spoken.place(source.get("startIndex"), source.get("endIndex"))
        cited = Citation(
            url=_text(source.get("uri")),
            title=_text(source.get("title")),
            start=place.start,
            end=place.end,
            state=ProviderState(provider, {"citationSource": source}),
        )
        yield CitationChunk(cited, place.part)


def searches(metadata: JsonObject) -> int:
    """How many searches the metadata tells of."""
    queries = metadata.get("webSearchQueries")
    return len(queries) if isinstance(queries, list) else 0


def _objects(value: Json) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
