"""The chunks of a stream, put together as the Response they make."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from json import JSONDecoder
from typing import TypeAlias

from unified_api.types import (
    Alternative,
    AlternativeChunk,
    BuiltinToolPart,
    Chunk,
    Citation,
    CitationChunk,
    ContentChunk,
    FinishChunk,
    FinishReason,
    MediaPart,
    Part,
    PartChunk,
    ProviderState,
    ReasoningChunk,
    ReasoningPart,
    RefusalChunk,
    RefusalPart,
    Response,
    RestartChunk,
    SentChunk,
    SkippedChunk,
    TextChunk,
    TextPart,
    TokenLogprob,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)
from unified_api.wire.base import call_id

__all__ = ["Collector"]

_READER = JSONDecoder()
_Spoken: TypeAlias = TextChunk | ReasoningChunk | RefusalChunk


class Collector:
    """Takes chunks in the order they came; `response` may be asked at any time for what there is so far."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._answers: dict[int, _Answer] = {0: _Answer()}
        self._first = self._answers[0]
        self._usage = Usage()
        self._model: str | None = None
        self._cost: Decimal | None = None
        self._sent = SentChunk()
        self._skipped = 0

    def add(self, chunk: Chunk) -> None:
        if isinstance(chunk, TextChunk):  # nearly all of them
            self._first.speak(chunk)
        elif isinstance(chunk, UsageChunk):
            self._usage = chunk.usage
            self._model = chunk.model or self._model
            self._cost = self._cost if chunk.cost_usd is None else chunk.cost_usd
        elif isinstance(chunk, AlternativeChunk):
            self._answers.setdefault(chunk.number, _Answer()).add(chunk.chunk)
        elif isinstance(chunk, SentChunk):
            self._sent = chunk
        elif isinstance(chunk, SkippedChunk):
            self._skipped = chunk.events
        elif isinstance(chunk, RestartChunk):
            self._forget()
        else:
            self._first.add(chunk)

    def response(self, *, provider: str, model: str) -> Response:
        """The answer so far; `model` is the asked name, used when the stream echoed none."""
        others = (self._answers[number] for number in sorted(self._answers) if number)
        return Response(
            model=f"{provider}/{self._model or model}",
            provider=provider,
            parts=self._first.parts(),
            finish_reason=self._first.finish,
            usage=self._usage,
            cost_usd=self._cost,
            logprobs=tuple(self._first.logprobs),
            alternatives=tuple(
                Alternative(parts=one.parts(), finish_reason=one.finish, logprobs=tuple(one.logprobs)) for one in others
            ),
            structured_by=self._sent.structured_by,
            dropped=self._sent.dropped,
            skipped_events=self._skipped,
        )


class _Answer:
    """One of the answers: its parts in the order in which they began."""

    def __init__(self) -> None:
        self.finish: FinishReason = "unknown"
        self.logprobs: list[TokenLogprob] = []
        self._pieces: list[_Speech | _Call | MediaPart | BuiltinToolPart] = []
        self._calls: dict[int, _Call] = {}
        self._texts: list[_Speech] = []
        self._open: _Speech | None = None

    def add(self, chunk: ContentChunk | FinishChunk) -> None:
        if isinstance(chunk, TextChunk | ReasoningChunk | RefusalChunk):
            self.speak(chunk)
        elif isinstance(chunk, ToolCallChunk):
            self._call(chunk)
        elif isinstance(chunk, FinishChunk):
            self.finish = chunk.finish_reason
        elif isinstance(chunk, PartChunk):
            self._open = None
            self._pieces.append(chunk.part)
        elif isinstance(chunk, CitationChunk):
            self._cite(chunk)
        else:
            self.logprobs.extend(chunk.tokens)

    def parts(self) -> tuple[Part, ...]:
        made = (piece.part() if isinstance(piece, _Speech | _Call) else piece for piece in self._pieces)
        return tuple(part for part in made if part is not None)

    def speak(self, chunk: _Spoken) -> None:
        speech = self._open
        if speech is None or speech.kind is not type(chunk) or speech.state is not None:
            speech = self._begin(type(chunk))
        speech.texts.append(chunk.text)
        if not isinstance(chunk, RefusalChunk):
            speech.state = chunk.state

    def _call(self, chunk: ToolCallChunk) -> None:
        call = self._calls.get(chunk.index)
        if call is None:
            call = self._calls[chunk.index] = _Call(chunk.index)
            self._pieces.append(call)
            self._open = None
        call.add(chunk)

    def _cite(self, chunk: CitationChunk) -> None:
        if not self._texts:
            self._begin(TextChunk)
        texts = self._texts if chunk.part is None else self._texts[chunk.part : chunk.part + 1]
        (texts or self._texts)[-1].citations.append(chunk.citation)

    def _begin(self, kind: type[_Spoken]) -> _Speech:
        speech = self._open = _Speech(kind)
        self._pieces.append(speech)
        if kind is TextChunk:
            self._texts.append(speech)
        return speech


class _Speech:
    __slots__ = ("citations", "kind", "state", "texts")

    def __init__(self, kind: type[_Spoken]) -> None:
        self.kind = kind
        self.texts: list[str] = []
        self.state: ProviderState | None = None
        self.citations: list[Citation] = []

    def part(self) -> Part | None:
        text = "".join(self.texts)
        if not (text or self.state or self.citations):
            return None
        if self.kind is TextChunk:
            return TextPart(text, tuple(self.citations), self.state)
        return ReasoningPart(text, self.state) if self.kind is ReasoningChunk else RefusalPart(text)


class _Call:
    __slots__ = ("_arguments", "_index", "_made")

    def __init__(self, index: int) -> None:
        self._index = index
        self._made = ToolCallPart("", "")
        self._arguments: list[str] = []

    def add(self, chunk: ToolCallChunk) -> None:
        if chunk.id or chunk.name or chunk.state:
            made = self._made
            self._made = replace(
                made, id=made.id or chunk.id or "", name=made.name or chunk.name or "", state=made.state or chunk.state
            )
        self._arguments.append(chunk.arguments)

    def part(self) -> ToolCallPart | None:
        if not self._made.name:
            return None
        arguments = _once("".join(self._arguments)) or "{}"
        return replace(self._made, id=self._made.id or call_id(self._index), arguments=arguments)


def _once(text: str) -> str:
    """JSON objects as text, said once where the same object stands there several times over, as some models say it."""
    if text.count("{") < 2 or not text.rstrip().endswith("}"):
        return text
    try:
        value, end = _READER.raw_decode(text)
        rest = text[end:].strip()
        while rest:
            again, at = _READER.raw_decode(rest)
            if again != value:
                return text
            rest = rest[at:].strip()
    except (ValueError, RecursionError):
        return text
    return text[:end]
