"""What was asked and answered, in the words of OpenTelemetry's conventions; what is not text is only named.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/model/gen-ai/gen-ai-input-messages.json
(November 2026)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from unified_api.call import AnyResponse
from unified_api.needs import AnyRequest
from unified_api.types import (
    AudioPart,
    BuiltinToolPart,
    DocumentPart,
    EmbedRequest,
    ImagePart,
    ImageRequest,
    Json,
    JsonObject,
    MediaPart,
    Message,
    ModerationRequest,
    Part,
    ReasoningPart,
    RefusalPart,
    Request,
    RerankRequest,
    Response,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)

__all__ = ["answered", "asked"]

_MODALITIES: Mapping[type, str] = {
    ImagePart: "image",
    AudioPart: "audio",
    VideoPart: "video",
    DocumentPart: "document",
}


def asked(request: AnyRequest) -> list[Json]:
    """The messages of a request; of one without messages its texts as a user's."""
    match request:
        case Request():
            return [_message(message) for message in request.messages]
        case EmbedRequest():
            return [_user(_text(text) for text in request.inputs)]
        case ImageRequest():
            return [_user([_text(request.prompt)])]
        case RerankRequest():
            return [_user(_text(text) for text in (request.query, *request.documents))]
        case ModerationRequest():
            return [_user(_part(one) if isinstance(one, ImagePart) else _text(one) for one in request.inputs)]
        case _:
            assert_never(request)


def answered(response: AnyResponse) -> list[Json]:
    """The messages of an answer; vectors, scores and images are none."""
    if not isinstance(response, Response):
        return []
    given = [(response.parts, response.finish_reason)]
    given += [(other.parts, other.finish_reason) for other in response.alternatives]
    return [
        {"role": "assistant", "parts": [_part(part) for part in parts], "finish_reason": reason}
        for parts, reason in given
    ]


def _message(message: Message) -> JsonObject:
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def _user(parts: Iterable[Json]) -> JsonObject:
    return {"role": "user", "parts": list(parts)}


def _text(text: str) -> JsonObject:
    return {"type": "text", "content": text}


def _part(part: Part) -> Json:
    match part:
        case TextPart() | RefusalPart():
            return _text(part.text)
        case ReasoningPart():
            return {"type": "reasoning", "content": part.text}
        case ToolCallPart():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": part.arguments}
        case ToolResultPart():
            return {"type": "tool_call_response", "id": part.call_id, "response": part.text}
        case BuiltinToolPart():
            return {"type": part.kind}
        case _:
            return _media(part)


def _media(part: MediaPart) -> Json:
    """Where it lies, or that it was sent along; its bytes are told to nobody."""
    modality = _MODALITIES[type(part)]
    told: JsonObject = (
        {"modality": modality} if part.media_type is None else {"modality": modality, "mime_type": part.media_type}
    )
    if part.url is not None and not part.url.startswith("data:"):
        return {"type": "uri", **told, "uri": part.url}
    return {"type": "blob", **told, "content": ""}
