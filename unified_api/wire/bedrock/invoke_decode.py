"""A whole answer of Bedrock's `invoke`, told apart by its shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from unified_api.types import Chunk, FinishChunk, Json, JsonObject, Response
from unified_api.wire.anthropic.events import EventReader, events_of
from unified_api.wire.base import WireProfile
from unified_api.wire.bedrock.completions import CompletionReader
from unified_api.wire.bedrock.decoder import answer_chunks, answer_object, collected, unreadable
from unified_api.wire.json_text import dump_json
from unified_api.wire.openai_chat import decoder as openai_chat_decode

__all__ = ["chat_choices", "decode", "decode_chunks"]


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200.

    Raises MalformedResponseError when no publisher's models answer so, or what an error inside the body means.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    response = collected(_chunks(answer, body, provider, model, profile), provider, model)
    identity = answer.get("id") or answer.get("generation_id")
    return replace(response, id=identity if isinstance(identity, str) else None)


def decode_chunks(body: bytes, *, provider: str, model: str, profile: WireProfile) -> list[Chunk]:
    """The same answer as the chunks of a stream that came at once."""
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    return list(_chunks(answer, body, provider, model, profile))


def chat_choices(answer: JsonObject) -> JsonObject:
    """An answer with choices as OpenAI has it.

    Mistral's models call the end `stop_reason` and stream whole messages; DeepSeek-R1 has bare text.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list):
        return answer
    return {**answer, "choices": [_choice(one) if isinstance(one, dict) else one for one in choices]}


def _choice(choice: JsonObject) -> JsonObject:
    made = dict(choice)
    if "message" not in made and "delta" not in made and isinstance(made.get("text"), str):
        made["message"] = {"content": made["text"]}
    if made.get("finish_reason") is None and made.get("stop_reason") is not None:
        made["finish_reason"] = made["stop_reason"]
    message: Json = made.get("message")
    if "delta" not in made and isinstance(message, dict):
        made["delta"] = message
    return made


def _chunks(answer: JsonObject, body: bytes, provider: str, model: str, profile: WireProfile) -> Iterable[Chunk]:
    content, output = answer.get("content"), answer.get("output")
    if isinstance(output, dict):
        return answer_chunks(answer, provider=provider, model=model, profile=profile)
    if isinstance(content, list):
        claude = EventReader(provider=provider, model=model, profile=profile)
        return (chunk for event in events_of(answer, content) for chunk in claude.read(event))
    if isinstance(answer.get("choices"), list):
        return openai_chat_decode.decode_chunks(
            dump_json(chat_choices(answer)), provider=provider, model=model, profile=profile
        )
    reader = CompletionReader(provider=provider, model=model, profile=profile)
    if not reader.knows(answer):
        raise unreadable("has no shape that is known", body, provider=provider, model=model)
    return _told(reader, answer)


def _told(reader: CompletionReader, answer: JsonObject) -> Iterator[Chunk]:
    yield from reader.read(answer)
    if reader.error is not None:
        raise reader.error
    if not reader.finished:
        # A whole answer that does not say why it ended.
        yield FinishChunk("unknown")
