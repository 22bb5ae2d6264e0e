"""The parsed events of one Messages stream, read into chunks; a whole answer is read as the events it would make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from unified_api.errors import MalformedResponseError
from unified_api.sse import EVENT_LIMIT
from unified_api.types import (
    BuiltinToolPart,
    Chunk,
    FinishChunk,
    FinishReason,
    Json,
    JsonObject,
    PartChunk,
    ReasoningChunk,
    RefusalChunk,
    TextChunk,
    ToolCallChunk,
    UsageChunk,
)
from unified_api.wire.anthropic.blocks import Block, open_block
from unified_api.wire.anthropic.usage import merge_counts, read_usage
from unified_api.wire.base import WireProfile
from unified_api.wire.errors import embedded_error

__all__ = ["EventReader", "events_of"]

_BLOCK_COST = 500
"""Bytes that an open block is taken to cost beside what it holds."""
_FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    # The provider's own loop reached a limit, or paused after a summary: sent back as it is, the answer goes on.
    "pause_turn": "length",
    "compaction": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_DELTA_KINDS: Mapping[str, str] = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}
"""The block that a delta belongs to, for servers that do not say that it begins."""


class EventReader:
    """Reads one event after another; `read` raises what an `error` event means."""

    malformed: int
    """Events that could not be read and were passed over. What is merely unknown (new kinds of events) is no fault."""
    finished: bool
    """Whether `message_stop` came: without it, the answer is cut."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.malformed = 0
        self.finished = False
        self._provider = provider
        self._model = model
        self._profile = profile
        self._blocks: dict[int, Block] = {}
        self._held = 0
        self._calls = 0
        self._spoken = 0
        self._echoed: str | None = None
        self._counts: JsonObject = {}
        self._stop_reason: Json = None
        self._explanation: Json = None
        self._container: JsonObject | None = None
        self._readers: Mapping[str, Callable[[JsonObject], list[Chunk] | None]] = {
            "message_start": self._start,
            "content_block_start": self._open,
            "content_block_delta": self._add,
            "content_block_stop": self._close,
            "message_delta": self._change,
            "message_stop": self._finish,
        }

    def read(self, event: JsonObject) -> list[Chunk]:
        """The chunks of an event; none for those after the last."""
        if self.finished:
            return []
        kind = str(event.get("type") or "")
        if kind == "error" or (event.get("error") and kind not in self._readers):
            raise embedded_error(event, provider=self._provider, model=self._model, profile=self._profile)
        read = self._readers.get(kind)
        if read is None:
            self.malformed += not kind
            return []
        chunks = read(event)
        if chunks is None:
            self.malformed += 1
            return []
        return chunks

    def _start(self, event: JsonObject) -> list[Chunk] | None:
        message = event.get("message")
        if not isinstance(message, dict):
            return None
        model = message.get("model")
        self._echoed = model if isinstance(model, str) and model else None
        self._read_container(message)
        usage = message.get("usage")
        return self._count(usage if isinstance(usage, dict) else {})

    def _open(self, event: JsonObject) -> list[Chunk] | None:
        index, block = event.get("index"), event.get("content_block")
        if type(index) is not int or not isinstance(block, dict):
            return None
        return self._begin(index, block)

    def _begin(self, index: int, block: JsonObject) -> list[Chunk] | None:
        reader = open_block(block, provider=self._provider, calls=self._calls)
        if reader is None:
            return None
        chunks = self._stop_block(index)
        self._calls += block.get("type") == "tool_use"
        self._blocks[index] = reader
        self._hold(reader.held + _BLOCK_COST)
        return [*chunks, *self._heard(reader.start())]

    def _add(self, event: JsonObject) -> list[Chunk] | None:
        index, delta = event.get("index"), event.get("delta")
        if type(index) is not int or not isinstance(delta, dict):
            return None
        chunks: list[Chunk] = []
        if index not in self._blocks:
            kind = _DELTA_KINDS.get(str(delta.get("type")))
            if kind is None:
                return None
            chunks = self._begin(index, {"type": kind}) or []
        block = self._blocks[index]
        before = block.held
        more = block.add(delta)
        self._hold(block.held - before)
        return None if more is None else [*chunks, *self._heard(more)]

    def _close(self, event: JsonObject) -> list[Chunk] | None:
        index = event.get("index")
        return self._stop_block(index) if type(index) is int else None

    def _stop_block(self, index: int) -> list[Chunk]:
        block = self._blocks.pop(index, None)
        if block is None:
            return []
        self._held -= block.held + _BLOCK_COST
        return self._heard(block.stop(self._spoken))

    def _change(self, event: JsonObject) -> list[Chunk] | None:
        delta = event.get("delta")
        if isinstance(delta, dict):
            self._stop_reason = delta.get("stop_reason") or self._stop_reason
            details = delta.get("stop_details")
            self._explanation = details.get("explanation") if isinstance(details, dict) else self._explanation
            self._read_container(delta)
        usage = event.get("usage")
        return self._count(usage) if isinstance(usage, dict) else []

    def _finish(self, event: JsonObject) -> list[Chunk]:
        del event
        chunks = [chunk for index in list(self._blocks) for chunk in self._stop_block(index)]
        if self._container is not None:
            chunks.append(PartChunk(BuiltinToolPart(self._provider, "container", self._container)))
        if self._stop_reason == "refusal" and isinstance(self._explanation, str) and self._explanation:
            chunks.append(RefusalChunk(self._explanation))
        self.finished = True
        return [*chunks, FinishChunk(self._finish_reason())]

    def _finish_reason(self) -> FinishReason:
        word = self._stop_reason
        if not isinstance(word, str):
            return "tool_calls" if self._calls else "unknown"
        reason = self._profile.finish_reasons.get(word) or _FINISH_REASONS.get(word, "unknown")
        return "tool_calls" if self._calls and reason == "stop" else reason

    def _count(self, usage: JsonObject) -> list[Chunk]:
        self._counts = merge_counts(self._counts, usage)
        return [UsageChunk(read_usage(self._counts), self._echoed)]

    def _read_container(self, holder: JsonObject) -> None:
        container = holder.get("container")
        if isinstance(container, dict):
            self._container = container

    def _heard(self, chunks: list[Chunk]) -> list[Chunk]:
        """Follows how long the text part is that an answer's chunks make: whatever is no text ends it."""
        for chunk in chunks:
            if isinstance(chunk, TextChunk):
                self._spoken += len(chunk.text)
            elif isinstance(chunk, ReasoningChunk | PartChunk) or (isinstance(chunk, ToolCallChunk) and chunk.id):
                self._spoken = 0
        return chunks

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > EVENT_LIMIT:
            raise MalformedResponseError(
                f"the stream of {self._provider} for {self._model!r} cannot be read: its open blocks hold more than "
                f"{EVENT_LIMIT} bytes",
                provider=self._provider,
                model=f"{self._provider}/{self._model}",
            )


def events_of(message: JsonObject, content: list[Json]) -> Iterator[JsonObject]:
    """The events of a stream that brings a whole message, each block at once."""
    yield {"type": "message_start", "message": message}
    for index, block in enumerate(content):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": message}
    yield {"type": "message_stop"}
