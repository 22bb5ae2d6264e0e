"""Our chat request as llama.cpp's server object takes it, and its pieces as our chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.local.bounded_schema import bounded
from unified_api.types import (
    AudioPart,
    Chunk,
    DocumentPart,
    FinishChunk,
    FinishReason,
    ImagePart,
    Json,
    JsonObject,
    Message,
    Request,
    TextChunk,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    UsageChunk,
    VideoPart,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat.encoder import encode as encode_openai

__all__ = ["MAX_TOKENS", "MAX_TOKENS_JSON", "UNSUPPORTED", "decode", "encode"]

UNSUPPORTED = frozenset({
    "tools", "builtin_tools", "parallel_tool_calls", "reasoning_effort", "reasoning_budget", "show_reasoning",
    "logprobs", "n",
})  # fmt: skip
"""Fields refused by name, because the model would ignore them without a word."""
MAX_TOKENS = 256
"""Tokens of an answer when the request does not say: about two seconds, and a model this small wanders after that."""
MAX_TOKENS_JSON = 1024
"""The same for structured output, where an answer that is cut is worth nothing."""

_SAMPLING: JsonObject = {
    # The model card's own temperature and top_p; the penalty stops the loops that 135M parameters fall into.
    "temperature": 0.2,
    "top_p": 0.9,
    "repeat_penalty": 1.1,
    "repeat_last_n": 256,
}
_FINISH: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}


def encode(request: Request, *, model: str) -> JsonObject:
    """The body of one streamed call.

    Raises UnsupportedParameterError for tools, media and the like, InvalidRequestError for what no model could take.
    """
    _refuse_parts(request.messages)
    _check_limits(request)
    # The wire family checks what is common to all; its body is ours but for the sampling.
    wire = encode_openai(
        request, provider="local", model=model, profile=WireProfile(unsupported=UNSUPPORTED), stream=True
    )
    body: JsonObject = {**_SAMPLING, **orjson.loads(wire.body)}
    body.setdefault("max_tokens", MAX_TOKENS if request.output_schema is None else MAX_TOKENS_JSON)
    if request.output_schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"schema": bounded(request.output_schema.schema)},
        }
    if request.seed is not None:
        body["seed"] = request.seed % (1 << 31)  # llama.cpp reads 32 bits and takes all ones for "at random"
        body["cache_prompt"] = False  # a reused prefix is computed in other batches, which changes last digits
    body["return_progress"] = True  # a piece per batch of the prompt, at which a cancelled call can stop
    return body


def decode(raw: Mapping[str, Any], *, model: str) -> Iterator[Chunk]:
    """Our chunks of one `chat.completion.chunk`."""
    for choice in raw.get("choices") or ():
        if text := choice.get("delta", {}).get("content"):
            yield TextChunk(text)
        if reason := choice.get("finish_reason"):
            yield FinishChunk(_FINISH.get(reason, "unknown"))
    if usage := raw.get("usage"):
        yield UsageChunk(_usage(usage), model=model)


def _usage(raw: Mapping[str, Any]) -> Usage:
    details: Mapping[str, int] = raw.get("prompt_tokens_details") or {}
    return Usage(
        input_tokens=raw.get("prompt_tokens"),
        output_tokens=raw.get("completion_tokens"),
        cached_input_tokens=details.get("cached_tokens"),
    )


def _refuse_parts(messages: tuple[Message, ...]) -> None:
    for place, message in enumerate(messages):
        for part in message.parts:
            if isinstance(part, ImagePart):
                _refuse_part(place, "an image", "a model with vision")
            if isinstance(part, AudioPart | VideoPart):
                _refuse_part(place, "sound or a video", "a model that is shown those")
            if isinstance(part, DocumentPart) and part.text is None:
                _refuse_part(place, "a document", "a model that reads documents, or give its words as `text`")
            if isinstance(part, ToolCallPart | ToolResultPart):
                _refuse_part(place, "a tool call or its result", "a model with tools")


def _refuse_part(place: int, what: str, instead: str) -> None:
    message = f"messages[{place}] holds {what}, which the local model cannot read: choose {instead}"
    raise UnsupportedParameterError(message, provider="local", param="messages")


def _check_limits(request: Request) -> None:
    numbers: dict[str, tuple[Json, bool]] = {
        "max_tokens": (request.max_tokens, request.max_tokens is None or request.max_tokens >= 1),
        "temperature": (request.temperature, request.temperature is None or request.temperature >= 0),
        "top_p": (request.top_p, request.top_p is None or 0 < request.top_p <= 1),
    }
    for name, (value, fits) in numbers.items():
        if not fits:
            limits = {"max_tokens": "1 or more", "temperature": "0 or more", "top_p": "above 0 and at most 1"}
            message = f"{name} is {value!r}: give a number of {limits[name]}"
            raise InvalidRequestError(message, provider="local", param=name)
    if not any(
        (part.text or "").strip()
        for message in request.messages
        for part in message.parts
        if isinstance(part, TextPart | DocumentPart)
    ):
        raise InvalidRequestError("the messages hold no text to answer", provider="local", param="messages")
