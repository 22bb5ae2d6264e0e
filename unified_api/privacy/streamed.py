"""A streamed answer with the values back in it, wherever its pieces cut a placeholder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from unified_api.privacy.nesting import Nesting
from unified_api.privacy.placeholders import CUT, CUT_IN_JSON, Placeholders
from unified_api.privacy.restoring import Moved, restored_citation
from unified_api.types import (
    AlternativeChunk,
    AudioPart,
    Chunk,
    CitationChunk,
    ContentChunk,
    FinishChunk,
    LogprobsChunk,
    PartChunk,
    ReasoningChunk,
    RefusalChunk,
    RestartChunk,
    TextChunk,
    ToolCallChunk,
)

__all__ = ["Restored"]

_Written: TypeAlias = TextChunk | ReasoningChunk | RefusalChunk


class Restored:
    """Gives each chunk back with its placeholders replaced; holds back only what may yet become one."""

    def __init__(self, placeholders: Placeholders, *, is_json: bool = False) -> None:
        self._placeholders = placeholders
        self._is_json = is_json
        self._answers: dict[int, _Answer] = {}

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        """What is now known of the answer, in order; often just the chunk."""
        match chunk:
            case AlternativeChunk(number, inner):
                for one in self._answer(number).feed(inner):
                    yield AlternativeChunk(number, one)
            case TextChunk() | ReasoningChunk() | RefusalChunk() | ToolCallChunk() | PartChunk() | CitationChunk():
                yield from self._answer(0).feed(chunk)
            case LogprobsChunk() | FinishChunk():
                yield from self._answer(0).feed(chunk)
            case RestartChunk():
                self._answers = {}  # what is held belongs to what is void
                yield chunk
            case _:
                yield chunk

    def end(self) -> Iterator[Chunk]:
        """What is still held back when nothing more comes."""
        for number, answer in self._answers.items():
            for one in answer.flush():
                yield AlternativeChunk(number, one) if number else one

    def _answer(self, number: int) -> _Answer:
        answer = self._answers.get(number)
        if answer is None:
            answer = self._answers[number] = _Answer(self._placeholders, is_json=self._is_json)
        return answer


class _Answer:
    """One of the answers of a stream."""

    def __init__(self, placeholders: Placeholders, *, is_json: bool) -> None:
        self._placeholders = placeholders
        self._is_json = is_json
        self._held: _Written | None = None
        """The end of the text, the thinking or the refusal."""
        self._calls: dict[int, str] = {}
        """The ends of the tool calls' arguments."""
        self._opened: set[int] = set()
        self._nestings: dict[int, Nesting] = {}
        """Where in their arguments each of the calls is."""
        self._nesting = Nesting()
        """Where in its text an answer in JSON is."""
        self._moved = [Moved()]
        """One for each text part so far, the last being written."""

    def feed(self, chunk: ContentChunk | FinishChunk) -> Iterator[ContentChunk | FinishChunk]:
        match chunk:
            case TextChunk() | ReasoningChunk() | RefusalChunk():
                yield from self._written(chunk)
            case ToolCallChunk():
                yield from self._called(chunk)
            case LogprobsChunk():  # those of the placeholders' tokens
                return
            case CitationChunk():
                yield from self._flush_text()
                moved = self._moved[-1 if chunk.part is None or chunk.part >= len(self._moved) else chunk.part]
                yield replace(chunk, citation=restored_citation(chunk.citation, self._placeholders, moved))
            case PartChunk():
                yield from self._flush_text()
                yield self._whole(chunk)
            case _:
                yield from self.flush()
                yield chunk

    def flush(self) -> Iterator[ContentChunk]:
        yield from self._flush_text()
        for index, held in self._calls.items():
            if held:
                yield ToolCallChunk(index, arguments=self._placeholders.restore_json(held, self._nested(index)))
        self._calls.clear()

    def _written(self, chunk: _Written) -> Iterator[ContentChunk]:
        if self._held is None and chunk.text and "<" not in chunk.text and not self._escapes(chunk):
            self._count(chunk, chunk.text)
            if self._is_json and isinstance(chunk, TextChunk):
                self._nesting.feed(chunk.text)
            yield chunk
            return
        if self._held is not None and type(self._held) is not type(chunk):
            yield from self._flush_text()
        state = None if isinstance(chunk, RefusalChunk) else chunk.state
        text = (self._held.text if self._held is not None else "") + chunk.text
        self._held = None
        cut = None if state is not None else self._cut(chunk).search(text)
        ready, rest = (text, "") if cut is None else (text[: cut.start()], text[cut.start() :])
        if rest:
            self._held = type(chunk)(rest)
        if ready or state is not None:
            self._count(chunk, ready)
            yield replace(chunk, text=self._back(chunk, ready))
        if state is not None and isinstance(chunk, TextChunk):
            self._moved.append(Moved())
            self._nesting = Nesting()

    def _called(self, chunk: ToolCallChunk) -> Iterator[ContentChunk]:
        if chunk.index not in self._opened:  # the text before it belongs before it
            self._opened.add(chunk.index)
            yield from self._flush_text()
        text = self._calls.pop(chunk.index, "") + chunk.arguments
        cut = CUT_IN_JSON.search(text) if "<" in text or "\\" in text else None
        ready = text if cut is None else text[: cut.start()]
        if cut is not None and chunk.state is None:
            self._calls[chunk.index] = text[cut.start() :]
        else:
            ready = text
        ready = self._placeholders.restore_json(ready, self._nested(chunk.index))
        if ready or chunk.id or chunk.name or chunk.state:
            yield chunk if ready == chunk.arguments else replace(chunk, arguments=ready)

    def _flush_text(self) -> Iterator[ContentChunk]:
        held, self._held = self._held, None
        if held is not None:
            self._count(held, held.text)
            yield replace(held, text=self._back(held, held.text))

    def _count(self, chunk: _Written, text: str) -> None:
        if isinstance(chunk, TextChunk):
            self._moved[-1].add(text, self._placeholders)

    def _escapes(self, chunk: _Written) -> bool:
        return self._is_json and "\\" in chunk.text and isinstance(chunk, TextChunk)

    def _cut(self, chunk: _Written) -> re.Pattern[str]:
        return CUT_IN_JSON if self._is_json and isinstance(chunk, TextChunk) else CUT

    def _back(self, chunk: _Written, text: str) -> str:
        in_json = self._is_json and isinstance(chunk, TextChunk)
        return self._placeholders.restore_json(text, self._nesting) if in_json else self._placeholders.restore(text)

    def _nested(self, index: int) -> Nesting:
        nesting = self._nestings.get(index)
        if nesting is None:
            nesting = self._nestings[index] = Nesting()
        return nesting

    def _whole(self, chunk: PartChunk) -> PartChunk:
        part = chunk.part
        if isinstance(part, AudioPart) and part.transcript:
            return PartChunk(replace(part, transcript=self._placeholders.restore(part.transcript)))
        return chunk
