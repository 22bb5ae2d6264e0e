"""The sources of a Gemini answer: grounding (searches, pages, files) and recited works.

https://ai.google.dev/api/generate-content#GroundingMetadata and #CitationMetadata. Places are given in UTF-8 bytes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from unified_api.sse import EVENT_LIMIT
from unified_api.types import Citation, Json, JsonObject, ProviderState

__all__ = ["Spoken", "grounded", "recited", "searches"]


_NEAR = 64
"""Characters by which the places may be wrong where the words are told: they are, by the bytes of typographic marks."""


class Spoken:
    """The text of one answer so far, as the parts that the canonical answer will have."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self._skipped = 0
        """Bytes of the text parts before the last one, which is the one that citations belong to."""
        self._part: tuple[str, list[int]] | None = None

    def add(self, text: str) -> None:
        # What no answer is as long as is not remembered; its places are then not told.
        self._size += len(text)
        if self._size > EVENT_LIMIT:
            self._pieces.clear()
        else:
            self._pieces.append(text)
        self._part = None

    def begin(self) -> None:
        """The next text begins a part of its own."""
        self._skipped += len("".join(self._pieces).encode())
        self._pieces.clear()
        self._size = 0
        self._part = None

    def place(self, start: Json, end: Json, words: Json = None) -> tuple[int | None, int | None]:
        """The characters, in the last text part, of the bytes `start` to `end`; None where they lie elsewhere.

        `words` are the answer's own words there, when they are told: they must stand there or near it. Places count
        from the beginning of the whole text or of the part, which the documents leave open and the words can tell.
        """
        if type(end) is not int or self._size > EVENT_LIMIT:
            return None, None
        if self._part is None:
            text = "".join(self._pieces)
            self._part = text, list(accumulate((len(letter.encode()) for letter in text), initial=0))
        text, edges = self._part
        for shift in dict.fromkeys((self._skipped, 0)):
            first, last = _edge(edges, (start if type(start) is int else 0) - shift), _edge(edges, end - shift)
            found = first is not None and last is not None and first <= last
            if found and (not isinstance(words, str) or text[first:last] == words):
                return first, last
            if isinstance(words, str) and words:
                about = bisect_left(edges, end - shift) - len(words)
                near = text.find(words, max(about - _NEAR, 0), max(about + len(words) + _NEAR, 0))
                if near >= 0:
                    return near, near + len(words)
        return None, None


def _edge(edges: list[int], place: int) -> int | None:
    """The character that begins at the byte `place`."""
    at = bisect_left(edges, place)
    return at if at < len(edges) and edges[at] == place else None


def grounded(metadata: JsonObject, spoken: Spoken, *, provider: str) -> Iterator[Citation]:
    """A citation for each support of each source, then the sources that support no words in particular."""
    chunks = _objects(metadata.get("groundingChunks"))
    used: set[int] = set()
    for support in _objects(metadata.get("groundingSupports")):
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        start, end = spoken.place(segment.get("startIndex"), segment.get("endIndex"), segment.get("text"))
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else []:
            if type(index) is int and 0 <= index < len(chunks):
                used.add(index)
                yield _source(chunks[index], start, end, {"groundingSupport": support}, provider)
    for index, chunk in enumerate(chunks):
        if index not in used:
            yield _source(chunk, None, None, {}, provider)


def _source(chunk: JsonObject, start: int | None, end: int | None, support: JsonObject, provider: str) -> Citation:
    # One of web, retrievedContext (files, RAG), maps, image ...: all spell their fields alike.
    held = next((value for value in chunk.values() if isinstance(value, dict)), {})
    return Citation(
        url=_text(held.get("uri") or held.get("sourceUri")),
        title=_text(held.get("title")),
        quote=_text(held.get("text")),
        start=start,
        end=end,
        state=ProviderState(provider, {"groundingChunk": chunk, **support}),
    )


def recited(metadata: JsonObject, spoken: Spoken, *, provider: str) -> Iterator[Citation]:
    """The works that the answer recites; AI Studio and Vertex name the list differently."""
    for source in _objects(metadata.get("citationSources")) + _objects(metadata.get("citations")):
        start, end = spoken.place(source.get("startIndex"), source.get("endIndex"))
        yield Citation(
            url=_text(source.get("uri")),
            title=_text(source.get("title")),
            start=start,
            end=end,
            state=ProviderState(provider, {"citationSource": source}),
        )


def searches(metadata: JsonObject) -> int:
    """How many searches the metadata tells of."""
    queries = metadata.get("webSearchQueries")
    return len(queries) if isinstance(queries, list) else 0


def _objects(value: Json) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
