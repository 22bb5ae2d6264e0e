"""What of a stream is held, and the texts that it is judged as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from unified_api.safety.stream_parts import Speech, StreamParts
from unified_api.safety.verdicts import Piece
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    CitationChunk,
    ContentChunk,
    LogprobsChunk,
    ReasoningChunk,
    TextChunk,
)

__all__ = ["HeldChunk", "HeldText", "Window", "inside", "left_of", "marked", "outside", "touching"]


@dataclass(slots=True, eq=False)
class HeldText:
    """A text of an answer, a tool call or another part that is judged, and what of it is still held."""

    answer: int
    kind: Literal["speech", "call", "part"]
    name: str = ""
    """Of a tool call."""
    tail: str = ""
    """The end of what was judged, held or not; of a tool call all of it."""
    fresh: list[str] = field(default_factory=list)
    """What no verdict has covered yet."""
    whole: tuple[Piece, ...] = ()
    """The same of a part that comes at once: a picture, a citation."""
    size: int = 0
    """Characters that are held."""
    listed: bool = False
    closed: bool = False
    """Whether something else has begun, so that nothing of it is held for what may follow."""
    gone: bool = False
    """Whether it was cut out, and what else comes of it is left out too."""


@dataclass(frozen=True, slots=True)
class HeldChunk:
    chunk: Chunk
    text: HeldText | None
    size: int
    part: int = 0
    """Which part of its answer it belongs to, of a speech or a citation."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is judged together of one text."""

    piece: Piece
    text: HeldText = field(repr=False)


def inside(chunk: Chunk) -> tuple[int, Chunk | ContentChunk]:
    """Which answer the chunk belongs to, and what it is there."""
    return (chunk.number, chunk.chunk) if isinstance(chunk, AlternativeChunk) else (0, chunk)


def outside(answer: int, inner: ContentChunk) -> Chunk:
    return AlternativeChunk(answer, inner) if answer else inner


def marked(chunk: Chunk, marker: str) -> Chunk:
    """The marker in the place of the chunk; thinking stays thinking."""
    answer, inner = inside(chunk)
    return outside(answer, ReasoningChunk(marker) if isinstance(inner, ReasoningChunk) else TextChunk(marker))


def touching(held: Sequence[HeldChunk], text: HeldText) -> Sequence[int]:
    """Where the chunks stand that hold something of the text's window."""
    safe = max(0, text.size - len(text.tail) - sum(map(len, text.fresh)))
    found: list[int] = []
    seen = 0
    for place, one in enumerate(held):
        if one.text is text:
            seen += one.size
            if text.kind != "speech" or (one.size and seen > safe):
                found.append(place)
    return found


def left_of(one: HeldChunk, answer: int, parts: StreamParts) -> Sequence[HeldChunk]:
    """What may stay of a chunk, now that something of `answer`, whose parts those are, was cut out."""
    number, inner = inside(one.chunk)
    if number != answer:
        return (one,)
    if isinstance(inner, LogprobsChunk):
        return ()
    kept: Chunk | ContentChunk | None = inner
    if isinstance(inner, Speech) and one.text is not None:
        kept = parts.speech(inner, one.part)
    elif isinstance(inner, CitationChunk):
        kept = parts.citation(inner, one.part)
    if kept is inner:
        return (one,)
    return (replace(one, chunk=outside(answer, kept)),) if isinstance(kept, ContentChunk) else ()
