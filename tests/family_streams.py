"""One small streamed answer of every wire family, written event by event without the product's own code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_frames import chunk_frame, event_frame, exception_frame

__all__ = ["FAMILIES", "FamilyStream", "family_stream"]

_SSE, _AWS = "text/event-stream", "application/vnd.amazon.eventstream"


@dataclass(frozen=True)
class FamilyStream:
    """A whole stream, and what else its family may say."""

    events: tuple[bytes, ...]
    terminal: int
    """Which of the events says that the answer is complete."""
    error: bytes
    """What the server says in the stream when it fails."""
    lead: int = 0
    """How many events come before the first words."""
    content_type: str = _SSE

    @property
    def body(self) -> bytes:
        return b"".join(self.events)

    @property
    def end(self) -> int:
        """The byte after the terminal event, its separator left out."""
        return len(b"".join(self.events[: self.terminal + 1]).rstrip(b"\r\n"))


def _sse(value: Any, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def _named(name: str, **fields: Any) -> bytes:
    return _sse({"type": name, **fields}, name)


def _openai_chat(words: Sequence[str]) -> FamilyStream:
    def choice(delta: Any, finish: str | None = None) -> bytes:
        return _sse({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    usage = {"prompt_tokens": 9, "completion_tokens": len(words)}
    events = (
        choice({"role": "assistant", "content": ""}),
        *(choice({"content": word}) for word in words),
        choice({}, "stop"),
        _sse({"model": "m", "choices": [], "usage": usage}),
        b"data: [DONE]\n\n",
    )
    return FamilyStream(events, len(words) + 1, _sse({"error": {"message": "overloaded", "code": 503}}), lead=1)


def _openai_completions(words: Sequence[str]) -> FamilyStream:
    def choice(text: str, finish: str | None = None) -> bytes:
        return _sse({"model": "m", "choices": [{"index": 0, "text": text, "finish_reason": finish}]})

    events = (*(choice(word) for word in words), choice("", "stop"), b"data: [DONE]\n\n")
    return FamilyStream(events, len(words), _sse({"error": {"message": "overloaded", "code": 503}}))


def _openai_responses(words: Sequence[str]) -> FamilyStream:
    text = "".join(words)
    place = {"item_id": "i", "output_index": 0, "content_index": 0}
    item = {"id": "i", "type": "message", "role": "assistant", "status": "completed"}
    whole = {**item, "content": [{"type": "output_text", "text": text, "annotations": []}]}
    answer = {"id": "r", "object": "response", "model": "m", "status": "completed", "output": [whole],
              "usage": {"input_tokens": 9, "output_tokens": len(words), "total_tokens": 9 + len(words)}}  # fmt: skip
    events = (
        _named("response.created", response={**answer, "status": "in_progress", "output": [], "usage": None}),
        _named("response.output_item.added", output_index=0, item={**item, "status": "in_progress", "content": []}),
        *(_named("response.output_text.delta", **place, delta=word) for word in words),
        _named("response.output_text.done", **place, text=text),
        _named("response.output_item.done", output_index=0, item=whole),
        _named("response.completed", response=answer),
    )
    error = _named("error", code="server_error", message="overloaded")
    return FamilyStream(events, len(events) - 1, error, lead=2)


def _messages(words: Sequence[str]) -> list[dict[str, Any]]:
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
               "stop_reason": None, "usage": {"input_tokens": 9, "output_tokens": 1}}  # fmt: skip
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": w}} for w in words),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": len(words)}},
        {"type": "message_stop"},
    ]


def _anthropic(words: Sequence[str]) -> FamilyStream:
    events = tuple(_sse(one, one["type"]) for one in _messages(words))
    error = _named("error", error={"type": "overloaded_error", "message": "overloaded"})
    return FamilyStream(events, len(events) - 1, error, lead=2)


def _gemini(words: Sequence[str]) -> FamilyStream:
    def candidate(word: str, **more: Any) -> bytes:
        content = {"parts": [{"text": word}], "role": "model"}
        usage = {"promptTokenCount": 9, "candidatesTokenCount": len(words)}
        return _sse({"candidates": [{"content": content, "index": 0, **more}], "usageMetadata": usage})

    events = (*(candidate(word) for word in words[:-1]), candidate(words[-1], finishReason="STOP"))
    error = _sse({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})
    return FamilyStream(events, len(words) - 1, error)


def _cohere(words: Sequence[str]) -> FamilyStream:
    def content(kind: str, **more: Any) -> bytes:
        return _named(kind, index=0, delta={"message": {"content": more}})

    usage = {"tokens": {"input_tokens": 9, "output_tokens": len(words)}}
    events = (
        _named("message-start", id="1", delta={"message": {"role": "assistant", "content": []}}),
        content("content-start", type="text", text=""),
        *(content("content-delta", text=word) for word in words),
        _named("content-end", index=0),
        _named("message-end", delta={"finish_reason": "COMPLETE", "usage": usage}),
    )
    failed = _named("message-end", delta={"finish_reason": "ERROR", "error": "overloaded"})
    return FamilyStream(events, len(events) - 1, failed, lead=2)


def _ollama(words: Sequence[str]) -> FamilyStream:
    def line(text: str, **more: Any) -> bytes:
        message = {"role": "assistant", "content": text}
        return json.dumps({"model": "m", "message": message, "done": bool(more), **more}).encode() + b"\n"

    counts = {"prompt_eval_count": 9, "eval_count": len(words)}
    events = (*(line(word) for word in words), line("", done_reason="stop", **counts))
    return FamilyStream(events, len(words), b'{"error":"overloaded"}\n', content_type="application/x-ndjson")


def _bedrock(words: Sequence[str]) -> FamilyStream:
    usage = {"inputTokens": 9, "outputTokens": len(words), "totalTokens": 9 + len(words)}
    events = (
        event_frame("messageStart", {"role": "assistant"}),
        *(event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in words),
        event_frame("contentBlockStop", {"contentBlockIndex": 0}),
        event_frame("messageStop", {"stopReason": "end_turn"}),
        event_frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    )
    error = exception_frame("serviceUnavailableException", {"message": "overloaded"})
    return FamilyStream(events, len(words) + 2, error, lead=1, content_type=_AWS)


def _bedrock_invoke(words: Sequence[str]) -> FamilyStream:
    events = tuple(chunk_frame(one) for one in _messages(words))
    error = exception_frame("internalServerException", {"message": "overloaded"})
    return FamilyStream(events, len(events) - 1, error, lead=2, content_type=_AWS)


FAMILIES = {
    "anthropic": _anthropic,
    "bedrock": _bedrock,
    "bedrock_invoke": _bedrock_invoke,
    "cohere": _cohere,
    "gemini": _gemini,
    "ollama": _ollama,
    "openai_chat": _openai_chat,
    "openai_completions": _openai_completions,
    "openai_responses": _openai_responses,
}


def family_stream(family: str, words: Sequence[str]) -> FamilyStream:
    return FAMILIES[family](words)
