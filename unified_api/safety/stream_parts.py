"""The parts of a streamed answer as its reader puts them together, and what goes with those that were cut."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from unified_api.types import CitationChunk, ReasoningChunk, RefusalChunk, TextChunk

__all__ = ["Speech", "StreamParts"]

Speech: TypeAlias = TextChunk | ReasoningChunk | RefusalChunk


class StreamParts:
    """Of one answer: the number of the part that a chunk belongs to, counted as `unified_api.wire.collect` does."""

    __slots__ = ("_count", "_kind", "_texts", "cut", "touched")

    def __init__(self) -> None:
        self.cut: set[int] = set()
        """Parts of which something was cut out: what the provider wants back of them would tell what."""
        self.touched = False
        """Whether anything of the answer was cut out."""
        self._count = 0
        self._kind: type[Speech] | None = None
        """The kind of the part that may go on."""
        self._texts: list[int] = []

    def spoken(self, chunk: Speech) -> int:
        if type(chunk) is not self._kind:
            self._begin(type(chunk))
        if not isinstance(chunk, RefusalChunk) and chunk.state is not None:
            self._kind = None
        return self._count

    def end(self) -> None:
        """Something else has begun."""
        self._kind = None

    def cited(self, chunk: CitationChunk) -> int:
        if not self._texts:
            self._begin(TextChunk)
        found = self._texts if chunk.part is None else self._texts[chunk.part : chunk.part + 1]
        return (found or self._texts)[-1]

    def speech(self, chunk: Speech, part: int) -> Speech | None:
        """The chunk as it may be shown, without the state of a part that was cut; None where nothing is left of it."""
        if part not in self.cut or isinstance(chunk, RefusalChunk) or chunk.state is None:
            return chunk
        return replace(chunk, state=None) if chunk.text else None

    def citation(self, chunk: CitationChunk, part: int) -> CitationChunk | None:
        """The same of a citation. The reader's count of parts is another one after something was cut out."""
        if part in self.cut:
            return None
        if not self.touched or chunk.part is None:
            return chunk
        return replace(chunk, part=None) if part == self._texts[-1] else None

    def _begin(self, kind: type[Speech]) -> None:
        self._count += 1
        self._kind = kind
        if kind is TextChunk:
            self._texts.append(self._count)
