"""The chunks of a stream, put together as the Response they make."""

from __future__ import annotations

from decimal import Decimal

from unified_api.types import (
    Chunk,
    FinishChunk,
    FinishReason,
    Part,
    ReasoningChunk,
    ReasoningPart,
    RefusalChunk,
    RefusalPart,
    Response,
    TextChunk,
    TextPart,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)
from unified_api.wire.base import call_id

__all__ = ["Collector"]


class Collector:
    """Takes chunks in the order they came; `response` may be asked at any time for what there is so far."""

    def __init__(self) -> None:
        self._texts: dict[type[TextPart | ReasoningPart | RefusalPart], list[str]] = {
            ReasoningPart: [],
            TextPart: [],
            RefusalPart: [],
        }
        self._calls: dict[int, _Call] = {}
        self._finish: FinishReason = "unknown"
        self._usage = Usage()
        self._model: str | None = None
        self._cost: Decimal | None = None

    def add(self, chunk: Chunk) -> None:
        if isinstance(chunk, TextChunk):
            self._texts[TextPart].append(chunk.text)
        elif isinstance(chunk, ReasoningChunk):
            self._texts[ReasoningPart].append(chunk.text)
        elif isinstance(chunk, RefusalChunk):
            self._texts[RefusalPart].append(chunk.text)
        elif isinstance(chunk, ToolCallChunk):
            self._calls.setdefault(chunk.index, _Call()).add(chunk)
        elif isinstance(chunk, FinishChunk):
            self._finish = chunk.finish_reason
        else:
            self._add_usage(chunk)

    def response(self, *, provider: str, model: str) -> Response:
        """The answer so far; `model` is the asked name, used when the stream echoed none."""
        return Response(
            model=f"{provider}/{self._model or model}",
            provider=provider,
            parts=self._parts(),
            finish_reason=self._finish,
            usage=self._usage,
            cost_usd=self._cost,
        )

    def _add_usage(self, chunk: UsageChunk) -> None:
        self._usage = chunk.usage
        self._model = chunk.model or self._model
        self._cost = self._cost if chunk.cost_usd is None else chunk.cost_usd

    def _parts(self) -> tuple[Part, ...]:
        spoken = (kind("".join(texts)) for kind, texts in self._texts.items() if texts)
        called = (self._calls[index].part(index) for index in sorted(self._calls) if self._calls[index].name)
        return (*spoken, *called)


class _Call:
    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    def add(self, chunk: ToolCallChunk) -> None:
        self.id = self.id or chunk.id or ""
        self.name = self.name or chunk.name or ""
        self.arguments.append(chunk.arguments)

    def part(self, index: int) -> ToolCallPart:
        return ToolCallPart(self.id or call_id(index), self.name, "".join(self.arguments) or "{}")
