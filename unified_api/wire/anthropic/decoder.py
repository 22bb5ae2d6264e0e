"""A whole answer of the Messages API (https://docs.anthropic.com/en/api/messages)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from unified_api.types import Json, JsonObject, Response
from unified_api.wire.answer import malformed
from unified_api.wire.anthropic.events import EventReader, events_of
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.error_body import find_error
from unified_api.wire.errors import embedded_error
from unified_api.wire.json_text import parse_json

__all__ = ["answer_message", "decode"]

_malformed = partial(malformed, api="a Messages API, such as Anthropic's")


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200.

    Raises MalformedResponseError when it is no message, or what an error inside it means.
    """
    message, content = answer_message(body, provider=provider, model=model, profile=profile)
    reader, collector = EventReader(provider=provider, model=model, profile=profile), Collector()
    for event in events_of(message, content):
        for chunk in reader.read(event):
            collector.add(chunk)
    identity = message.get("id")
    response = collector.response(provider=provider, model=model)
    return replace(response, id=identity if isinstance(identity, str) and identity else None)


def answer_message(body: bytes, *, provider: str, model: str, profile: WireProfile) -> tuple[JsonObject, list[Json]]:
    """The message in `body` and its content."""
    try:
        message = parse_json(body)
    except ValueError as error:
        raise _malformed(f"is no JSON ({error})", body, provider=provider, model=model) from error
    if not isinstance(message, dict):
        raise _malformed("is no JSON object", body, provider=provider, model=model)
    inside = find_error(message)
    if inside is not None:
        raise embedded_error(inside, provider=provider, model=model, profile=profile)
    content = message.get("content")
    if not isinstance(content, list):
        raise _malformed("is a message without content", body, provider=provider, model=model)
    return message, content
