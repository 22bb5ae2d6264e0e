"""A whole chat answer of Cohere: v2, and the v1 that older deployments still give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from unified_api.types import Chunk, FinishChunk, Json, JsonObject, Response, UsageChunk
from unified_api.wire.answer import answer_object, echoed_model, malformed
from unified_api.wire.base import WireProfile
from unified_api.wire.cohere.answer import THINKING, TOOL_PLAN, AnswerReader
from unified_api.wire.cohere.usage import read_usage
from unified_api.wire.collect import Collector
from unified_api.wire.errors import embedded_error

__all__ = ["call_v1", "decode", "is_answer", "is_error", "read_answer", "read_end"]


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200.

    Raises MalformedResponseError when it is no chat answer, or what an error inside it means.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    if is_error(answer):
        raise embedded_error(answer, provider=provider, model=model, profile=profile)
    if not is_answer(answer):
        raise malformed("has neither a message nor a text", body, provider=provider, model=model)
    reader = AnswerReader(provider=provider, model=model, profile=profile)
    word = answer.get("finish_reason")
    if reader.finish(word) == "error":
        raise reader.ended_in_error(word, answer.get("error"))
    collector = Collector()
    for chunk in read_answer(answer, reader, model):
        collector.add(chunk)
    identity = answer.get("id") or answer.get("generation_id")
    response = collector.response(provider=provider, model=model)
    return replace(response, id=identity if isinstance(identity, str) else None)


def is_answer(value: JsonObject) -> bool:
    return isinstance(value.get("message"), dict) or isinstance(value.get("text"), str)


def is_error(value: JsonObject) -> bool:
    """Whether this is Cohere's error body, `{id, message}`, which names no error."""
    return isinstance(value.get("message"), str) and not isinstance(value.get("text"), str)


def read_answer(answer: JsonObject, reader: AnswerReader, model: str) -> Iterator[Chunk]:
    """A whole answer as the chunks of a stream that came at once."""
    message = answer.get("message")
    yield from _read_v2(message, reader) if isinstance(message, dict) else _read_v1(answer, reader)
    yield from reader.logprobs(answer.get("logprobs"))
    yield from read_end(answer, reader, model)


def read_end(end: JsonObject, reader: AnswerReader, model: str) -> Iterator[Chunk]:
    """The end of an answer: its finish reason and usage, which v1 has in `meta`."""
    yield from reader.end_thinking()
    yield from reader.end_calls()
    usage = end.get("usage") or end.get("meta")
    if isinstance(usage, dict):
        yield UsageChunk(read_usage(usage), echoed_model(end, model))
    yield FinishChunk(reader.finish(end.get("finish_reason")))


def _read_v2(message: JsonObject, reader: AnswerReader) -> Iterator[Chunk]:
    plan, content = message.get("tool_plan"), message.get("content")
    if isinstance(plan, str):
        yield from reader.thinking(plan, TOOL_PLAN)
    blocks: Json = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
        if isinstance(block, dict):
            yield from _read_block(index, block, reader)
    yield from _citations(message.get("citations"), reader)
    calls = message.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            yield from reader.call(index, call)


def _read_block(index: int, block: JsonObject, reader: AnswerReader) -> Iterator[Chunk]:
    text, thought = block.get("text"), block.get("thinking")
    if isinstance(thought, str):
        yield from reader.thinking(thought, {**THINKING, **{key: block[key] for key in block if key != "thinking"}})
        yield from reader.end_thinking()
    elif isinstance(text, str):
        reader.begin(index)
        yield from reader.text(text)
    else:
        yield from reader.other(block)


def _read_v1(answer: JsonObject, reader: AnswerReader) -> Iterator[Chunk]:
    text, calls = answer.get("text"), answer.get("tool_calls")
    if isinstance(text, str):
        reader.begin(0)
        yield from reader.text(text)
    yield from _citations(answer.get("citations"), reader)
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            yield from reader.call(index, call_v1(call))


def call_v1(call: JsonObject) -> JsonObject:
    """A call of v1, whose name and parameters lie bare, as v2 has it."""
    return {"id": call.get("id"), "function": {"name": call.get("name"), "arguments": call.get("parameters")}}


def _citations(citations: Json, reader: AnswerReader) -> Iterator[Chunk]:
    for citation in citations if isinstance(citations, list) else ():
        yield from reader.citation(citation)
