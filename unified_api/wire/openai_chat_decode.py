"""A whole chat answer of an OpenAI-compatible server, and the readings that its stream shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from unified_api.errors import MalformedResponseError, ProviderError, ServerError
from unified_api.types import (
    FinishReason,
    ImagePart,
    Json,
    JsonObject,
    Part,
    ReasoningPart,
    RefusalPart,
    Response,
    TextPart,
    ToolCallPart,
)
from unified_api.wire.base import WireProfile, call_id
from unified_api.wire.errors import embedded_error
from unified_api.wire.openai_answer import answer_object, echoed_model, malformed, stated_usage

__all__ = [
    "arguments_text",
    "decode",
    "ended_in_error",
    "finish_reason",
    "first_choice",
    "read_content",
    "read_reasoning",
]

_FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "stop_token": "stop",
    "complete": "stop",
    "completed": "stop",
    "length": "length",
    "max_tokens": "length",
    "maximum_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "max_length": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
    "refusal": "content_filter",
    "error": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
    "abort": "error",
}
_UNFINISHED = frozenset({"", "null", "none", "not_finished"})


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> Response:
    """The answer in `body`, which came under status 200.

    Raises MalformedResponseError when it is no chat answer, or what an error inside it means.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    choice = first_choice(answer)
    if choice is None:
        raise malformed("has no choices", body, provider=provider, model=model)
    if choice.get("error"):
        raise embedded_error({"error": choice["error"]}, provider=provider, model=model, profile=profile)
    message = choice.get("message")
    # Azure leaves the message out of an answer that its filter stopped.
    if not isinstance(message, dict) and not choice.get("finish_reason"):
        raise malformed("has a choice without a message", body, provider=provider, model=model)
    parts = tuple(_parts(message, profile)) if isinstance(message, dict) else ()
    called = any(isinstance(part, ToolCallPart) for part in parts)
    finish = finish_reason(choice, profile, called=called) or ("tool_calls" if called else "unknown")
    if finish == "error":
        raise ended_in_error(choice, provider=provider, model=model)
    usage, cost = stated_usage(answer)
    identity = answer.get("id")
    return Response(
        model=f"{provider}/{echoed_model(answer, model)}",
        provider=provider,
        parts=parts,
        finish_reason=finish,
        usage=usage,
        id=identity if isinstance(identity, str) and identity else None,
        cost_usd=cost,
    )


def first_choice(answer: JsonObject) -> JsonObject | None:
    """The choice of index 0 (or without one), else the first of them; None when there is no choice."""
    choices = answer.get("choices")
    if not isinstance(choices, list):
        return None
    first: JsonObject | None = None
    for choice in choices:
        if isinstance(choice, dict):
            if not choice.get("index"):
                return choice
            first = first or choice
    return first


def finish_reason(choice: JsonObject, profile: WireProfile, *, called: bool) -> FinishReason | None:
    """Why the choice ended, in our words; None while it has not, `unknown` for a word nobody knows.

    Servers end a forced tool call with `stop`: whatever holds a call and ended well is `tool_calls`.
    """
    word = choice.get("finish_reason")
    if word is None:
        # The first vision models of OpenAI.
        details = choice.get("finish_details")
        word = details.get("type") if isinstance(details, dict) else None
    if word is None:
        return None
    if choice.get("native_finish_reason") == "network_error":
        return "error"
    if not isinstance(word, str):
        return "unknown"
    if word in profile.finish_reasons:
        reason = profile.finish_reasons[word]
    elif word.lower() in _UNFINISHED:
        return None
    else:
        reason = _FINISH_REASONS.get(word.lower(), "unknown")
    return "tool_calls" if called and reason == "stop" else reason


def ended_in_error(choice: JsonObject, *, provider: str, model: str) -> ProviderError:
    word = choice.get("native_finish_reason") or choice.get("finish_reason")
    return ServerError(
        f"{provider} ended the answer of {model!r} with the finish reason {word!r}: try again or allow a fallback",
        provider=provider,
        model=f"{provider}/{model}",
        provider_code=str(word),
    )


def read_content(content: Json) -> Iterator[tuple[str, str]]:
    """The pieces of a message's content as ("text" | "reasoning" | "refusal" | "image", text), whatever form it has.

    A string; a list of typed parts (Mistral); a bare JSON value where the server has parsed the
    structured output already (Cloudflare), which becomes text again.
    """
    if isinstance(content, str):
        if content:
            yield "text", content
    elif isinstance(content, list):
        for item in content:
            yield from _read_item(item)
    elif content is not None:
        yield "text", _json_text(content)


def _read_item(item: Json) -> Iterator[tuple[str, str]]:
    if isinstance(item, str):
        yield "text", item
    if not isinstance(item, dict):
        return
    if item.get("type") in ("thinking", "reasoning"):
        yield "reasoning", _thought(item.get("thinking") or item.get("reasoning") or item.get("text"))
    elif isinstance(item.get("refusal"), str):
        yield "refusal", str(item["refusal"])
    elif isinstance(item.get("text"), str):
        yield "text", str(item["text"])
    elif isinstance(item.get("image_url"), dict):
        yield from _image_url(item)


def _thought(thinking: Json) -> str:
    """The words of a thinking part: a string, or (Mistral) a list of text parts."""
    if not isinstance(thinking, list):
        return thinking if isinstance(thinking, str) else ""
    texts = (item.get("text") if isinstance(item, dict) else item for item in thinking)
    return "".join(text for text in texts if isinstance(text, str))


def _image_url(item: JsonObject) -> Iterator[tuple[str, str]]:
    image = item.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if isinstance(url, str) and url:
        yield "image", url


def read_reasoning(message: JsonObject, profile: WireProfile) -> str:
    """The thinking shown in a message or delta, from the first of the profile's fields that holds some."""
    for name in profile.reasoning_fields:
        text = message.get(name)
        if isinstance(text, str) and text:
            return text
    details = message.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    shown = (detail.get("text") or detail.get("summary") for detail in details if isinstance(detail, dict))
    return "".join(text for text in shown if isinstance(text, str))


def arguments_text(arguments: Json) -> str:
    """A call's arguments as JSON text; some servers give them parsed, or not at all."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else _json_text(arguments)


def _json_text(value: Json) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise MalformedResponseError(f"JSON in the answer cannot be written as text: {error}") from error


_PARTS: Mapping[str, type[TextPart | ReasoningPart | RefusalPart]] = {
    "text": TextPart,
    "reasoning": ReasoningPart,
    "refusal": RefusalPart,
}


def _parts(message: JsonObject, profile: WireProfile) -> Iterator[Part]:
    thought = read_reasoning(message, profile)
    if thought:
        yield ReasoningPart(thought)
    for kind, text in read_content(message.get("content")):
        if text:
            yield ImagePart(url=text) if kind == "image" else _PARTS[kind](text)
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        yield RefusalPart(refusal)
    images = message.get("images")
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict):
            yield from (ImagePart(url=url) for _, url in _image_url(image))
    yield from _calls(message)


def _calls(message: JsonObject) -> Iterator[ToolCallPart]:
    calls = message.get("tool_calls")
    entries = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    functions = [(call.get("id"), call.get("function")) for call in entries]
    if not functions:
        functions = [(None, message.get("function_call"))]
    for index, (identity, function) in enumerate(functions):
        name = function.get("name") if isinstance(function, dict) else None
        # Snowflake sends an empty `function_call` with every message.
        if isinstance(function, dict) and isinstance(name, str) and name:
            given = identity if isinstance(identity, str) and identity else call_id(index)
            yield ToolCallPart(given, name, arguments_text(function.get("arguments")) or "{}")
