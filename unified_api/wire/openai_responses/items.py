"""The output items of a Responses answer as parts, and the readings that whole answers and streams share."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    Citation,
    ImagePart,
    Json,
    JsonObject,
    Part,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TokenLogprob,
    ToolCallPart,
)
from unified_api.wire.base import call_id, sniff_media_type
from unified_api.wire.openai_chat.words import arguments_text, logprobs

__all__ = [
    "citations",
    "content_kind",
    "item_kind",
    "message_parts",
    "message_state",
    "objects",
    "read_item",
    "read_logprobs",
    "reasoning_text",
    "tool_call_id",
    "tool_call_state",
    "word",
]

_OF_A_MESSAGE = frozenset({"type", "role", "content"})
_OF_A_CALL = frozenset({"type", "call_id", "name", "arguments"})
_TEXTS = frozenset({"output_text", "text", "input_text"})


def read_item(item: JsonObject, *, provider: str, calls: int = 0) -> Iterator[Part]:
    """The parts of one output item; `calls` is how many tool calls came before it.

    What a provider wants back unread goes along as state: ids, phases, encrypted reasoning. Steps of its own tools stay
    whole as BuiltinToolPart, except a generated image, which is an ImagePart with the rest of its item as state.
    """
    kind = item_kind(item)
    if kind == "message":
        yield from _message(item, provider)
    elif kind == "reasoning":
        yield ReasoningPart(reasoning_text(item), ProviderState(provider, item))
    elif kind == "function_call":
        call = _tool_call(item, provider=provider, index=calls)
        if call is not None:
            yield call
    elif kind:
        yield _image(item, provider) or BuiltinToolPart(provider, kind, item)


def item_kind(item: JsonObject) -> str:
    """The item's type; a message may leave it out. Empty for what is no item."""
    kind = word(item.get("type"))
    return kind or ("message" if "content" in item else "")


def content_kind(part: JsonObject) -> str:
    """`text`, `refusal`, `reasoning`, `audio`, or empty for a part of a message that nothing is known of."""
    kind = word(part.get("type"))
    if kind in _TEXTS or (not kind and isinstance(part.get("text"), str)):
        return "text"
    return {"refusal": "refusal", "reasoning_text": "reasoning", "output_audio": "audio"}.get(kind, "")


def message_parts(item: JsonObject) -> list[JsonObject]:
    """The parts of a message, whose content may be a bare text."""
    content = item.get("content")
    return [{"type": "output_text", "text": content}] if isinstance(content, str) else objects(content)


def message_state(item: JsonObject, provider: str, *, last: bool) -> ProviderState:
    """What goes back with a text of the message. How the message ended belongs to its last text only."""
    dropped = _OF_A_MESSAGE if last else _OF_A_MESSAGE | {"status"}
    return ProviderState(provider, {name: value for name, value in item.items() if name not in dropped})


def reasoning_text(item: JsonObject) -> str:
    """The thinking itself where it is shown, else its summary; paragraphs are kept apart."""
    for name in ("content", "summary"):
        texts = [text for text in map(_paragraph, _entries(item.get(name))) if text]
        if texts:
            return "\n\n".join(texts)
    return ""


def tool_call_id(item: JsonObject, index: int) -> str:
    return word(item.get("call_id")) or word(item.get("id")) or call_id(index)


def tool_call_state(item: JsonObject, provider: str) -> ProviderState | None:
    state = {key: value for key, value in item.items() if key not in _OF_A_CALL}
    return ProviderState(provider, state) if state else None


def citations(part: JsonObject, provider: str) -> tuple[Citation, ...]:
    return tuple(_citation(one, provider) for one in objects(part.get("annotations")))


def read_logprobs(part: JsonObject) -> tuple[TokenLogprob, ...]:
    """The probabilities told with a text or a piece of it."""
    return tuple(logprobs({"content": part.get("logprobs")}))


def objects(value: Json) -> list[JsonObject]:
    """The objects of a list; nothing for what is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def word(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _tool_call(item: JsonObject, *, provider: str, index: int) -> ToolCallPart | None:
    name = word(item.get("name"))
    if not name:
        return None
    arguments = arguments_text(item.get("arguments")) or "{}"
    return ToolCallPart(tool_call_id(item, index), name, arguments, tool_call_state(item, provider))


def _message(item: JsonObject, provider: str) -> Iterator[Part]:
    parts = message_parts(item)
    texts = [place for place, part in enumerate(parts) if content_kind(part) == "text"]
    for place, part in enumerate(parts):
        kind = content_kind(part)
        if kind == "text":
            yield _text(part, message_state(item, provider, last=place == texts[-1]), provider)
        elif kind == "refusal":
            yield RefusalPart(word(part.get("refusal")))
        elif kind == "reasoning":
            yield ReasoningPart(word(part.get("text")))
        else:
            yield _other_content(item, part, provider)


def _text(part: JsonObject, state: ProviderState, provider: str) -> TextPart:
    return TextPart(word(part.get("text")), citations(part, provider), state)


def _other_content(item: JsonObject, part: JsonObject, provider: str) -> Part:
    """A part of a message that is neither text nor refusal; sound is sound, the rest is kept with its message."""
    whole: JsonObject = {**item, "content": [part]}
    data = _decoded(part.get("data")) if content_kind(part) == "audio" else None
    if data is None:
        return BuiltinToolPart(provider, word(part.get("type")) or "message", whole)
    # The spoken answer of OpenAI is wav where nothing else was asked for.
    return AudioPart(data=data, media_type="audio/wav", transcript=word(part.get("transcript")) or None)


def _paragraph(entry: Json) -> str:
    """A paragraph of reasoning: an object with a text, or (OpenRouter) the bare text."""
    return word(entry.get("text")) if isinstance(entry, dict) else word(entry)


def _entries(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _citation(annotation: JsonObject, provider: str) -> Citation:
    """A `url_citation` has an address and the characters that it stands for; the other kinds name a file.

    https://platform.openai.com/docs/api-reference/responses/object
    """
    return Citation(
        url=word(annotation.get("url")) or None,
        title=word(annotation.get("title")) or word(annotation.get("filename")) or None,
        quote=word(annotation.get("quote")) or None,
        start=_place(annotation.get("start_index")),
        end=_place(annotation.get("end_index")),
        state=ProviderState(provider, annotation),
    )


def _place(value: Json) -> int | None:
    return value if type(value) is int else None


def _image(item: JsonObject, provider: str) -> ImagePart | None:
    """The image of a finished `image_generation_call`; its other fields are the state, so that it is held once."""
    result = item.get("result")
    if item.get("type") != "image_generation_call" or not isinstance(result, str) or not result:
        return None
    state = ProviderState(provider, {name: value for name, value in item.items() if name != "result"})
    if result.startswith(("http:", "https:", "data:")):
        return ImagePart(url=result, state=state)
    data = _decoded(result)
    if data is None:
        return None
    stated = word(item.get("output_format"))
    return ImagePart(
        data=data, media_type=sniff_media_type(data) or (f"image/{stated}" if stated else "image/png"), state=state
    )


def _decoded(text: Json) -> bytes | None:
    try:
        return base64.b64decode(word(text), validate=True) or None
    except (binascii.Error, ValueError):
        return None
