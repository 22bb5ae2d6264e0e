"""Joins what a model adds to an answer that another one began."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from itertools import takewhile

from unified_api.types import Chunk, ReasoningChunk, SentChunk, SkippedChunk, TextChunk, UsageChunk

__all__ = ["Seam", "joined"]

_BESIDE = (UsageChunk, SentChunk, SkippedChunk, ReasoningChunk)
"""What may come before the first words of a continuation and does not end it."""
_UNLIKELY = 20
"""Characters from which on nobody writes the same twice in a row by intent."""


class Seam:
    """The place where a continuation meets the text that its reader has already.

    Some servers repeat the beginning they were given (`repeats`), and most models repeat the blanks that it ended with
    and that were not sent. Both are left out. A beginning of some length is taken for a repetition by whatever server;
    a short one may be meant: "Ha" and "Haha!".
    """

    def __init__(self, shown: str, *, repeats: bool = False) -> None:
        self._begun = shown.strip()
        self._blanks = shown[len(shown.rstrip()) :]
        self._at = 0
        """Characters of the beginning that were repeated so far."""
        self._held: list[str] = []
        self._may_repeat = repeats or len(self._begun) >= _UNLIKELY
        self._is_open = True

    def feed(self, text: str) -> str:
        """What of the continuation's next piece is new to the reader."""
        if not self._is_open:
            return text
        rest = self._after_repetition(text)
        words = rest.lstrip()
        if self._may_repeat or (self._blanks and not words):
            return ""  # the beginning, or the blanks, may go on in the next piece
        return self._closed(rest, words)

    def end(self) -> str:
        """What is still held when the continuation ends."""
        if not self._is_open:
            return ""
        rest = "".join(self._held)
        return self._closed(rest, rest.lstrip())

    def _after_repetition(self, text: str) -> str:
        """Everything held that is no repetition, as far as one can tell."""
        self._held.append(text)
        if not self._may_repeat:
            self._held = ["".join(self._held)]
            return self._held[0]
        if self._at == 0:
            text = text.lstrip()
        size = min(len(text), len(self._begun) - self._at)
        if not self._begun.startswith(text[:size], self._at):
            self._may_repeat = False
            self._held = ["".join(self._held)]
            return self._held[0]
        self._at += size
        if self._at == len(self._begun):
            self._may_repeat = False
            self._held = [text[size:]]
        return text[size:]

    def _closed(self, rest: str, words: str) -> str:
        self._is_open, self._held = False, []
        blanks = rest[: len(rest) - len(words)]
        # Of the blanks before the next word, those that the reader does not have.
        there = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(blanks, self._blanks, strict=False)))
        return blanks[there:] + words


async def joined(chunks: AsyncIterator[Chunk], shown: str, *, repeats: bool = False) -> AsyncGenerator[Chunk]:
    """The chunks of a continuation without what `shown` holds already."""
    seam = Seam(shown, repeats=repeats)
    async for chunk in chunks:
        if isinstance(chunk, TextChunk):
            new = seam.feed(chunk.text)
            if new or chunk.state is not None:
                yield TextChunk(new, chunk.state)
            continue
        if not isinstance(chunk, _BESIDE) and (held := seam.end()):
            yield TextChunk(held)
        yield chunk
    if held := seam.end():
        yield TextChunk(held)
