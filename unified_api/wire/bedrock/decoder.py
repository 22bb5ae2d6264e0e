"""A whole Converse answer (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from unified_api.errors import MalformedResponseError
from unified_api.types import Chunk, JsonObject, Response
from unified_api.wire.answer import malformed
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock.events import EventReader
from unified_api.wire.collect import Collector
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.json_text import parse_json
from unified_api.wire.quoting import shorten

__all__ = ["answer_chunks", "answer_object", "collected", "decode", "unreadable"]

unreadable = partial(malformed, api="Bedrock's runtime")


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200.

    Raises MalformedResponseError when it is no answer of Converse, FailedGenerationError when the model's output was
    malformed, or what an error inside the body means.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    return collected(answer_chunks(answer, provider=provider, model=model, profile=profile), provider, model)


def answer_object(body: bytes, *, provider: str, model: str, profile: WireProfile) -> JsonObject:
    """The JSON object in `body`. Raises MalformedResponseError when it is none, or what an error inside it means."""
    try:
        value = parse_json(body)
    except ValueError as error:
        raise unreadable(f"is no JSON ({error})", body, provider=provider, model=model) from error
    if not isinstance(value, dict):
        raise unreadable("is no JSON object", body, provider=provider, model=model)
    found = find_error(value)
    if found is not None:
        raise embedded_error(found, provider=provider, model=model, profile=profile)
    return value


def answer_chunks(answer: JsonObject, *, provider: str, model: str, profile: WireProfile) -> Iterator[Chunk]:
    """A whole answer as the chunks of a stream that came at once."""
    output = answer.get("output")
    message = output.get("message") if isinstance(output, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        start = shorten(str(answer), 200)
        raise MalformedResponseError(
            f"the answer of {provider} for {model!r} has no message; it is {start!r}. Check that the base URL is that "
            "of Bedrock's runtime.",
            provider=provider,
            model=f"{provider}/{model}",
        )
    reader = EventReader(provider=provider, model=model, profile=profile)
    yield from reader.message(content)
    yield from reader.read("messageStop", {"stopReason": answer.get("stopReason")})
    if reader.error is not None:
        raise reader.error
    yield from reader.metadata(answer)


def collected(chunks: Iterable[Chunk], provider: str, model: str) -> Response:
    """The response that the chunks of a whole answer make."""
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider=provider, model=model)
