"""Calls as spans of OpenTelemetry, by its conventions for generative AI.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-spans.md (November 2026)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias

from unified_api.call import AnyCall
from unified_api.telemetry.call_record import OPERATIONS, CallRecord, named
from unified_api.types import Attempt, ImageRequest, Request, Usage

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["Spans"]

_Value: TypeAlias = "str | bool | int | float | list[str]"
_PROVIDER = "gen_ai.provider.name"
_SENT = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
}
_USED = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "input_audio_tokens": "gen_ai.usage.audio.input_tokens",
    "input_image_tokens": "gen_ai.usage.image.input_tokens",
    "input_video_tokens": "gen_ai.usage.video.input_tokens",
    "output_audio_tokens": "gen_ai.usage.audio.output_tokens",
}


class Spans:
    """One span a call, with an event for every try and every decision on the way."""

    def __init__(self, known_as: Mapping[str, str]) -> None:
        """`known_as`: providers whose name is another in the conventions."""
        from opentelemetry import trace

        self._known_as = known_as
        self._trace = trace
        self._tracer = trace.get_tracer("unified_api")

    def begin(self, call: AnyCall) -> Span:
        operation = OPERATIONS[call.operation]
        attributes = self._named(dict(_of_call(call, operation)))
        model = attributes["gen_ai.request.model"]
        return self._tracer.start_span(f"{operation} {model}", kind=self._trace.SpanKind.CLIENT, attributes=attributes)

    def inside(self, span: Span) -> AbstractContextManager[Span]:
        """Spans that begin within are children of this one."""
        return self._trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    def end(self, span: Span, record: CallRecord) -> None:
        if span.is_recording():
            for attempt in record.attempts:
                span.add_event("unified_api.attempt", dict(_of_attempt(attempt)))
            span.set_attributes(self._named(dict(_of_record(record))))
            if record.error is not None:
                span.set_status(self._trace.StatusCode.ERROR, record.error)
        span.end()

    def _named(self, attributes: dict[str, _Value]) -> dict[str, _Value]:
        provider = attributes.get(_PROVIDER)
        if isinstance(provider, str):
            attributes[_PROVIDER] = self._known_as.get(provider, provider)
        return attributes


def _of_call(call: AnyCall, operation: str) -> Iterator[tuple[str, _Value]]:
    """What is known from the beginning, so that a sampler may decide by it."""
    request, caller = call.request, call.policy.caller
    yield "gen_ai.operation.name", operation
    provider, model = named(request.model)
    yield "gen_ai.request.model", model
    if provider:
        yield _PROVIDER, provider
    if call.operation == "stream":
        yield "gen_ai.request.stream", True
    if isinstance(request, Request):
        for name, attribute in _SENT.items():
            value = getattr(request, name)
            if value is not None:
                yield attribute, value
        # Not its stop sequences, which are the caller's own words: no label says yet who may see them.
        if request.output_schema is not None:
            yield "gen_ai.output.type", "json"
    elif isinstance(request, ImageRequest):
        yield "gen_ai.output.type", "image"
    if (getattr(request, "n", None) or 1) != 1:
        yield "gen_ai.request.choice.count", request.n
    if caller.session is not None:
        yield "gen_ai.conversation.id", caller.session
    if call.purpose != "answer":
        yield "unified_api.purpose", call.purpose


def _of_record(record: CallRecord) -> Iterator[tuple[str, _Value]]:
    yield "unified_api.outcome", record.outcome
    yield "unified_api.tries", record.tries
    if record.provider:
        yield _PROVIDER, record.provider
        yield "gen_ai.response.model", (record.model or "").removeprefix(f"{record.provider}/")
    if record.finish_reasons:
        yield "gen_ai.response.finish_reasons", list(record.finish_reasons)
    if record.response_id is not None:
        yield "gen_ai.response.id", record.response_id
    if record.first_chunk_s is not None:
        yield "gen_ai.response.time_to_first_chunk", record.first_chunk_s
    if record.cached:
        yield "unified_api.cached", True  # its tokens were used by another call
    elif record.usage is not None:
        yield from _of_usage(record.usage)
    if record.cost_usd is not None:
        yield "unified_api.cost_usd", float(record.cost_usd)
    if record.error is not None:
        yield "error.type", record.error
    if record.sensitivity is not None:
        yield "unified_api.sensitivity", record.sensitivity
    yield from _of_content(record)


def _of_usage(usage: Usage) -> Iterator[tuple[str, _Value]]:
    for name, attribute in _USED.items():
        count = getattr(usage, name)
        if count is not None:
            yield attribute, count


def _of_content(record: CallRecord) -> Iterator[tuple[str, _Value]]:
    if record.content is not None:
        import json

        for name, messages in record.content.items():
            yield f"gen_ai.{name}.messages", json.dumps(messages)


def _of_attempt(attempt: Attempt) -> Iterator[tuple[str, _Value]]:
    yield "unified_api.attempt.outcome", attempt.outcome
    yield "unified_api.attempt.model", attempt.model
    if attempt.number:
        yield "unified_api.attempt.number", attempt.number
        yield "unified_api.attempt.seconds", attempt.seconds
    if attempt.error is not None:
        yield "error.type", attempt.error
    if attempt.cost_usd is not None:
        yield "unified_api.cost_usd", float(attempt.cost_usd)
    if attempt.confidence is not None:
        yield "unified_api.attempt.confidence", attempt.confidence
