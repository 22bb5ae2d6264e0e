"""Answers of Bedrock's `invoke` from models that complete a text: Titan, Llama, Mistral, Command, Jurassic, Claude 2.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html: each publisher has its own words for the
text and its end, whole or in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unified_api.errors import FailedGenerationError, ProviderError
from unified_api.types import (
    AlternativeChunk,
    Chunk,
    FinishChunk,
    FinishReason,
    Json,
    JsonObject,
    TextChunk,
    ToolCallChunk,
    Usage,
    UsageChunk,
)
from unified_api.wire.base import WireProfile, call_id
from unified_api.wire.bedrock.blocks import json_text
from unified_api.wire.usage import merge_usage

__all__ = ["CompletionReader"]

_LISTS = ("generations", "outputs", "results", "completions")
"""Keys of the answers, where there may be several."""
_TEXTS = ("text", "outputText", "generation", "completion")
_ENDS = ("finish_reason", "stop_reason", "completionReason", "finishReason")
_FINISH_REASONS: Mapping[str, FinishReason] = {
    "complete": "stop",
    "end_turn": "stop",
    "endoftext": "stop",
    "finish": "stop",
    "stop": "stop",
    "stop_criteria_met": "stop",
    "stop_sequence": "stop",
    "tool_call": "tool_calls",
    "tool_calls": "tool_calls",
    "length": "length",
    "max_tokens": "length",
    "error_limit": "length",
    "content_filtered": "content_filter",
    "error_toxic": "content_filter",
    "guardrail_intervened": "content_filter",
    "error": "error",
}
_INPUT = ("inputTextTokenCount", "prompt_token_count")
_OUTPUT = ("totalOutputTextTokenCount", "generation_token_count", "tokenCount")


class CompletionReader:
    """Reads a whole answer, or the pieces of one. `finished` is set by the piece that says why the text ended."""

    finished: bool
    error: ProviderError | None
    """What the answer turned out to be instead of one."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.finished = False
        self.error = None
        self._provider = provider
        self._model = model
        self._profile = profile
        self._calls = 0
        self._usage = Usage()

    @staticmethod
    def knows(value: JsonObject) -> bool:
        """Whether this is an answer, or a piece of one, in a form that is read here."""
        listed = any(isinstance(value.get(name), list) for name in _LISTS)
        ended = "is_finished" in value or any(name in value for name in _ENDS)
        return listed or (ended and any(isinstance(value.get(name), str) for name in _TEXTS)) or "event_type" in value

    def read(self, value: JsonObject) -> list[Chunk]:
        """The chunks of a piece; `error` is set by one that says that the model failed."""
        chunks = [chunk for number, one in self._answers(value) for chunk in self._answer(number, one)]
        usage = merge_usage(self._usage, _usage(value))
        if usage != self._usage:
            self._usage = usage
            chunks.append(UsageChunk(usage))
        return chunks

    def _answers(self, value: JsonObject) -> Iterator[tuple[int, JsonObject]]:
        several = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
        if not isinstance(several, list):
            index = value.get("index")
            yield (index if type(index) is int and index > 0 else 0), value
            return
        for number, one in enumerate(several):
            if isinstance(one, dict):
                yield number, one

    def _answer(self, number: int, one: JsonObject) -> Iterator[Chunk]:
        text = _text(one)
        if text:
            yield TextChunk(text) if number == 0 else AlternativeChunk(number, TextChunk(text))
        if number == 0:
            yield from self._tool_calls(one)
        word = _end(one)
        if word is None:
            return
        reason = self._profile.finish_reasons.get(word) or _FINISH_REASONS.get(word.lower(), "unknown")
        if number:
            yield AlternativeChunk(number, FinishChunk(reason))
        elif reason == "error":
            self.error = self._failed(word)
        elif not self.finished:
            self.finished = True
            yield FinishChunk("tool_calls" if self._calls and reason == "stop" else reason)

    def _tool_calls(self, one: JsonObject) -> Iterator[Chunk]:
        calls = one.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            name = call.get("name") if isinstance(call, dict) else None
            if isinstance(call, dict) and isinstance(name, str):
                arguments = json_text(call.get("parameters") or {})
                yield ToolCallChunk(self._calls, call_id(self._calls), name, arguments)
                self._calls += 1

    def _failed(self, word: str) -> FailedGenerationError:
        return FailedGenerationError(
            f"{self._provider} ended the answer of {self._model!r} with the reason {word!r}: try again or allow a "
            "fallback",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
            provider_code=word,
        )


def _text(one: JsonObject) -> str:
    inner = one.get("data")
    holder = inner if isinstance(inner, dict) else one
    return next((text for name in _TEXTS if isinstance(text := holder.get(name), str)), "")


def _end(one: JsonObject) -> str | None:
    """Why the text ended; None while it goes on."""
    word = next((word for name in _ENDS if (word := one.get(name)) is not None), None)
    if isinstance(word, dict):
        word = word.get("reason")
    if isinstance(word, str):
        return word or None
    return "unknown" if one.get("is_finished") is True else None


def _usage(value: JsonObject) -> Usage:
    results = value.get("results")
    counted: list[Json] = [value, *(results if isinstance(results, list) else ())]
    return Usage(input_tokens=_count(counted, _INPUT), output_tokens=_count(counted, _OUTPUT))


def _count(holders: list[Json], names: tuple[str, ...]) -> int | None:
    counts = [one.get(name) for one in holders if isinstance(one, dict) for name in names]
    known = [count for count in counts if type(count) is int and count >= 0]
    return sum(known) if known else None
