"""A request body of Ollama's native chat API, read as a canonical request."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import cast

from unified_api.types import (
    ImagePart,
    Json,
    JsonObject,
    Message,
    OutputSchema,
    Part,
    ProviderState,
    ReasoningEffort,
    ReasoningPart,
    Request,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.base import call_id, sniff_media_type
from unified_api.wire.json_text import dump_json
from unified_api.wire.ollama.decoder import THINKING
from unified_api.wire.request_body import function_at, list_at, read_tools, refuse

__all__ = ["read_request"]

_OPTIONS = {
    "temperature": ("temperature", (int, float)),
    "top_p": ("top_p", (int, float)),
    "top_k": ("top_k", (int,)),
    "num_predict": ("max_tokens", (int,)),
    "seed": ("seed", (int,)),
    "frequency_penalty": ("frequency_penalty", (int, float)),
    "presence_penalty": ("presence_penalty", (int, float)),
}
"""Option -> field of a Request, and its kind."""
_EFFORTS: dict[Json, ReasoningEffort] = {"low": "low", "medium": "medium", "high": "high"}
_ONLY_GENERATE = ("suffix", "template", "context", "raw")
_READ = frozenset({"model", "messages", "stream", "tools", "options", "format", "think", "logprobs", "top_logprobs"})


def read_request(body: JsonObject, *, provider: str) -> Request:
    """The request in `body`; what it has no field for stays in `extra[provider]`. `stream` is the caller's affair.

    A body of /api/generate is read as the conversation it means. Calls without ids, which only newer servers give, are
    numbered, and results answer the calls before them in order.
    """
    if "messages" not in body:
        body = _conversation(body)
    model, messages = body.get("model"), list_at(body, "messages")
    if not isinstance(model, str) or not model:
        refuse("model", "is no name", model)
    if not messages:
        refuse("messages", "holds no message", messages)
    extra: JsonObject = {name: value for name, value in body.items() if name not in _READ and value is not None}
    fields = {**_options(body, extra), **_format(body, extra), **_think(body, extra), **_logprobs(body)}
    return Request(
        model=f"{provider}/{model}",
        messages=tuple(_messages(messages, provider)),
        tools=tuple(read_tools(body)),
        extra={provider: extra} if extra else {},
        **fields,  # type: ignore[arg-type]  # each value was looked at where it was read
    )


def _conversation(body: JsonObject) -> JsonObject:
    """A body of /api/generate as /api/chat has it; what only the former can do is refused."""
    only = next((name for name in _ONLY_GENERATE if body.get(name)), None)
    if only is not None:
        refuse(only, "is no part of a conversation", body[only])
    system, prompt, images = body.get("system"), body.get("prompt"), body.get("images")
    messages: list[Json] = [{"role": "system", "content": system}] if system else []
    if prompt or images:
        messages.append({"role": "user", "content": prompt, "images": images})
    gone = {"prompt", "system", "images", *_ONLY_GENERATE}
    return {**{name: value for name, value in body.items() if name not in gone}, "messages": messages}


def _options(body: JsonObject, extra: JsonObject) -> dict[str, object]:
    options = body.get("options")
    if options is None:
        return {}
    if not isinstance(options, dict):
        refuse("options", "is no object", options)
    found: dict[str, object] = {}
    rest: JsonObject = {}
    for name, value in options.items():
        field, kinds = _OPTIONS.get(name, (None, ()))
        if name == "stop":
            found["stop"] = _stop(value)
        elif field is None or (field == "max_tokens" and type(value) is int and value < 0):
            rest[name] = value  # -1 and -2 are words of Ollama: no end, and until the context is full
        elif value is not None:
            if type(value) not in kinds:
                refuse(f"options.{name}", "is no number", value)
            found[field] = value
    if rest:
        extra["options"] = rest
    return found


def _stop(value: Json) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        refuse("options.stop", "is no list of texts", value)
    return tuple(str(word) for word in words)


def _format(body: JsonObject, extra: JsonObject) -> dict[str, object]:
    wanted = body.get("format")
    if isinstance(wanted, dict):
        return {"output_schema": OutputSchema(wanted)}
    if wanted not in (None, ""):
        extra["format"] = wanted  # "json": any JSON, which no schema says
    return {}


def _think(body: JsonObject, extra: JsonObject) -> dict[str, object]:
    think = body.get("think")
    if think is False:
        return {"reasoning_effort": "none"}
    if isinstance(think, str) and think in _EFFORTS:
        return {"reasoning_effort": _EFFORTS[think]}
    if think is not None:
        extra["think"] = think  # `true`: as hard as the model likes
    return {}


def _logprobs(body: JsonObject) -> dict[str, object]:
    top = body.get("top_logprobs")
    if body.get("logprobs") is not True:
        return {}
    if top is not None and type(top) is not int:
        refuse("top_logprobs", "is no whole number", top)
    return {"logprobs": top or 0}


def _messages(entries: list[Json], provider: str) -> Iterator[Message]:
    waiting: dict[str, str] = {}
    made = 0
    for number, entry in enumerate(entries):
        place = f"messages[{number}]"
        if not isinstance(entry, dict):
            refuse(place, "is no object", entry)
        role, content = entry.get("role"), entry.get("content")
        if role not in ("system", "user", "assistant", "tool"):
            refuse(f"{place}.role", "is none of system, user, assistant and tool", role)
        if content is not None and not isinstance(content, str):
            refuse(f"{place}.content", "is no text", content)
        if role == "tool":
            if entry.get("images"):
                refuse(f"{place}.images", "are given for a tool's result, which is text", entry["images"])
            yield Message("tool", (ToolResultPart(_answered(entry, waiting) or call_id(made), content or ""),))
            continue
        parts = list(_parts(entry, content or "", place, provider))
        for call in _calls(entry, place, made):
            made += 1
            waiting[call.id] = call.name
            parts.append(call)
        yield Message(cast("Role", role), tuple(parts or [TextPart("")]))


def _answered(entry: JsonObject, waiting: dict[str, str]) -> str | None:
    """The id of the call that a result answers: as it says, else the first waiting one of its name, else the first."""
    given, name = entry.get("tool_call_id"), entry.get("tool_name")
    found: str | None = given if isinstance(given, str) and given else None
    if found is None:
        named = (identity for identity, called in waiting.items() if called == name)
        found = next(named, None) or next(iter(waiting), None)
    waiting.pop(found or "", None)
    return found


def _parts(entry: JsonObject, content: str, place: str, provider: str) -> Iterator[Part]:
    thought = entry.get("thinking")
    if isinstance(thought, str) and thought:
        yield ReasoningPart(thought, ProviderState(provider, THINKING))
    if content:
        yield TextPart(content)
    for number, image in enumerate(list_at(entry, "images", place)):
        try:
            data = base64.b64decode(image if isinstance(image, str) else "?", validate=True)
        except ValueError:
            refuse(f"{place}.images[{number}]", "is no base64", image)
        yield ImagePart(data=data, media_type=sniff_media_type(data))


def _calls(entry: JsonObject, place: str, made: int) -> Iterator[ToolCallPart]:
    for number, call in enumerate(list_at(entry, "tool_calls", place)):
        function, name = function_at(call, f"{place}.tool_calls[{number}]")
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, dict):
            refuse(f"{place}.tool_calls[{number}].function.arguments", "is no object", arguments)
        given = call.get("id") if isinstance(call, dict) else None
        identity = given if isinstance(given, str) and given else call_id(made + number)
        yield ToolCallPart(identity, name, dump_json(arguments or {}).decode())
