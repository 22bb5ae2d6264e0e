"""A whole chat answer of an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from unified_api.types import (
    AlternativeChunk,
    Chunk,
    ContentChunk,
    FinishChunk,
    JsonObject,
    Response,
    Usage,
    UsageChunk,
)
from unified_api.wire.answer import answer_object, echoed_model, malformed, stated_usage
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.errors import embedded_error
from unified_api.wire.openai_chat.choice import ChoiceReader
from unified_api.wire.openai_chat.words import arguments_text, ended_in_error, finish_reason

__all__ = ["arguments_text", "decode", "decode_chunks"]


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200.

    Raises MalformedResponseError when it is no chat answer, or what an error inside it means.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    collector = Collector()
    for chunk in _chunks(answer, body, provider=provider, model=model, profile=profile):
        collector.add(chunk)
    response = collector.response(provider=provider, model=echoed_model(answer, model))
    identity = answer.get("id")
    return replace(response, id=identity if isinstance(identity, str) and identity else None)


def decode_chunks(body: bytes, *, provider: str, model: str, profile: WireProfile) -> list[Chunk]:
    """The same answer as the chunks of a stream that came at once."""
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    return list(_chunks(answer, body, provider=provider, model=model, profile=profile))


def _numbered(answer: JsonObject) -> list[tuple[int, JsonObject]]:
    """The choices with their numbers: the index, or the place of one that says none."""
    choices = answer.get("choices")
    found: list[tuple[int, JsonObject]] = []
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict):
            index = choice.get("index")
            found.append((index if type(index) is int and index >= 0 else place, choice))
    return found


def _chunks(answer: JsonObject, body: bytes, *, provider: str, model: str, profile: WireProfile) -> Iterator[Chunk]:
    choices = sorted(_numbered(answer), key=lambda choice: choice[0])
    if not choices:
        raise malformed("has no choices", body, provider=provider, model=model)
    first = choices[0][1]
    if first.get("error"):
        raise embedded_error({"error": first["error"]}, provider=provider, model=model, profile=profile)
    # Azure leaves the message out of an answer that its filter stopped.
    if not isinstance(first.get("message"), dict) and not first.get("finish_reason"):
        raise malformed("has a choice without a message", body, provider=provider, model=model)
    for number, (_, choice) in enumerate(choices):
        read = _read(choice, answer, provider=provider, profile=profile)
        if number:
            yield from (AlternativeChunk(number, chunk) for chunk in read)
            continue
        if read[-1] == FinishChunk("error"):
            raise ended_in_error(choice, provider=provider, model=model)
        yield from read
    usage, cost = stated_usage(answer)
    if usage != Usage() or cost is not None:
        yield UsageChunk(usage, echoed_model(answer, model), cost)


def _read(
    choice: JsonObject, answer: JsonObject, *, provider: str, profile: WireProfile
) -> list[ContentChunk | FinishChunk]:
    """What one choice holds; its finish comes last."""
    reader = ChoiceReader(provider=provider, profile=profile, whole=True)
    chunks: list[ContentChunk | FinishChunk] = []
    message = choice.get("message")
    if isinstance(message, dict):
        reader.read(message, chunks)
    if choice.get("logprobs"):
        reader.read_logprobs(choice["logprobs"], chunks)
    reader.read_sources(answer)
    reader.close(chunks)
    called = reader.calls.named
    reason = finish_reason(choice, profile, called=called) or ("tool_calls" if called else "unknown")
    chunks.append(FinishChunk(reason))
    return chunks
