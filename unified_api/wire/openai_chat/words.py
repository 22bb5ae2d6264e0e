"""The words in which compatible servers say why an answer ended, what was thought and how likely a token was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from unified_api.errors import MalformedResponseError, ProviderError, ServerError
from unified_api.types import FinishReason, Json, JsonObject, TokenLogprob
from unified_api.wire.base import WireProfile

__all__ = [
    "arguments_text",
    "call_state",
    "called",
    "ended_in_error",
    "finish_reason",
    "json_text",
    "logprobs",
    "reasoning",
    "thought",
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


def reasoning(message: JsonObject, profile: WireProfile, *, detailed: bool = True) -> str:
    """The thinking shown in a message or delta, from the first of the profile's fields that holds some.

    Else, if `detailed`, the words of its `reasoning_details`.
    """
    for name in profile.reasoning_fields:
        text = message.get(name)
        if isinstance(text, str) and text:
            return text
    details = message.get("reasoning_details")
    if not detailed or not isinstance(details, list):
        return ""
    shown = (detail.get("text") or detail.get("summary") for detail in details if isinstance(detail, dict))
    return "".join(text for text in shown if isinstance(text, str))


def thought(item: JsonObject) -> str:
    """The words of a thinking part: a string, or a list of text parts (Mistral's `thinking`, Databricks' `summary`)."""
    words = item.get("thinking") or item.get("reasoning") or item.get("summary") or item.get("text")
    if not isinstance(words, list):
        return words if isinstance(words, str) else ""
    texts = (one.get("text") if isinstance(one, dict) else one for one in words)
    return "".join(text for text in texts if isinstance(text, str))


def logprobs(told: Json) -> Iterator[TokenLogprob]:
    """The tokens of a choice's `logprobs`, those of a refusal after those of the content."""
    for name in ("content", "refusal"):
        tokens = told.get(name) if isinstance(told, dict) else None
        for entry in tokens if isinstance(tokens, list) else ():
            known = _likelihood(entry)
            if known is not None and isinstance(entry, dict):
                likeliest = entry.get("top_logprobs")
                tops = map(_likelihood, likeliest if isinstance(likeliest, list) else ())
                yield TokenLogprob(*known, tuple(top for top in tops if top is not None))


def _likelihood(entry: Json) -> tuple[str, float] | None:
    if not isinstance(entry, dict):
        return None
    token, value = entry.get("token"), entry.get("logprob")
    if not isinstance(token, str) or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return token, float(value)


def called(entry: JsonObject) -> JsonObject | None:
    """The function that a tool call calls; the input of a custom tool stands where others have arguments."""
    function, custom = entry.get("function"), entry.get("custom")
    if isinstance(custom, dict):
        return {"name": custom.get("name"), "arguments": custom.get("input")}
    return function if isinstance(function, dict) else None


def call_state(entry: JsonObject) -> JsonObject:
    """What of a tool call only its provider knows: Gemini's signature behind Google's compatible endpoint, and that
    the tool is a custom one of OpenAI's, whose input is no JSON.
    """
    extra = entry.get("extra_content")
    signed: JsonObject = {"extra_content": extra} if isinstance(extra, dict) and extra else {}
    return {"type": "custom", **signed} if isinstance(entry.get("custom"), dict) else signed


def arguments_text(arguments: Json) -> str:
    """A call's arguments as JSON text; some servers give them parsed, or not at all."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else json_text(arguments)


def json_text(value: Json) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise MalformedResponseError(f"JSON in the answer cannot be written as text: {error}") from error
