"""What was asked and answered, in the words of OpenTelemetry's conventions; what is not text is only named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from unified_api.call import AnyResponse
from unified_api.needs import AnyRequest
from unified_api.types import (
    BuiltinToolPart,
    EmbedRequest,
    ImagePart,
    ImageRequest,
    Json,
    JsonObject,
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
)

__all__ = ["answered", "asked"]


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
            return {"type": "tool_call_response", "id": part.call_id, "result": part.text}
        case BuiltinToolPart():
            return {"type": part.kind}
        case _:
            return {"type": "blob", "media_type": part.media_type}
