"""A chat request as an OpenAI-compatible server takes it (https://platform.openai.com/docs/api-reference/chat/create)."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable
from typing import NoReturn

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    ImagePart,
    Json,
    JsonObject,
    Message,
    NamedTool,
    Part,
    ReasoningPart,
    RefusalPart,
    Request,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.base import WireProfile, WireRequest, check_supported, dump_json, sniff_media_type
from unified_api.wire.object_root import needs_object, wrapped
from unified_api.wire.strict_schema import fits_strict

__all__ = ["encode"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALLOWED: dict[Role, tuple[type[Part], ...]] = {
    "system": (TextPart,),
    "user": (TextPart, ImagePart),
    # Shown thinking stays with us: it is never sent back to another provider.
    "assistant": (TextPart, RefusalPart, ToolCallPart, ReasoningPart),
    "tool": (ToolResultPart,),
}


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request for `request`, addressed to the provider's own name `model`.

    Raises UnsupportedParameterError for a field that `profile.unsupported` names, InvalidRequestError for a request
    that no server could take (no message, a part in the wrong role, text that is not Unicode ...).
    """
    _check(request, provider=provider, model=model, profile=profile)
    body: JsonObject = {"model": model, "messages": _messages(request.messages, model=model)}
    body.update((profile.renamed.get(name, name), value) for name, value in _parameters(request, profile))
    if stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    accept = "text/event-stream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accept}
    return WireRequest("POST", "/chat/completions", headers, dump_json(body, model=model))


def _parameters(request: Request, profile: WireProfile) -> Iterable[tuple[str, Json]]:
    if request.tools:
        yield "tools", [_tool(tool.name, tool.description, tool.parameters) for tool in request.tools]
        # Without tools these two say nothing, and OpenAI refuses them.
        if request.tool_choice is not None:
            yield "tool_choice", _tool_choice(request.tool_choice)
        if request.parallel_tool_calls is not None:
            yield "parallel_tool_calls", request.parallel_tool_calls
    if request.output_schema is not None:
        wanted = request.output_schema
        schema = wrapped(wanted.schema) if needs_object(wanted) else wanted.schema
        # A schema that strict decoding would refuse guides the model instead of failing the call.
        strict = wanted.strict and fits_strict(schema)
        json_schema: JsonObject = {"name": wanted.name, "schema": schema, "strict": strict}
        yield "response_format", {"type": "json_schema", "json_schema": json_schema}
    scalars: dict[str, Json] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        profile.max_tokens_field: request.max_tokens,
        "seed": request.seed,
        "reasoning_effort": request.reasoning_effort,
        "user": request.user,
    }
    yield from ((name, value) for name, value in scalars.items() if value is not None)
    if request.stop:
        yield "stop", list(request.stop)


def _check(request: Request, *, provider: str, model: str, profile: WireProfile) -> None:
    check_supported(request, provider=provider, model=model, profile=profile)
    if not request.messages:
        _refuse("a chat request needs at least one message", "messages", model)
    for name in ("temperature", "top_p"):
        value = getattr(request, name)
        if value is not None and not math.isfinite(value):
            _refuse(f"{name} is {value!r}: give a finite number", name, model)
    _check_names(request, model)
    _check_tool_choice(request, model)


def _check_names(request: Request, model: str) -> None:
    names = [tool.name for tool in request.tools]
    wanted = request.output_schema
    for name in (*names, *(() if wanted is None else (wanted.name,))):
        if not _NAME.fullmatch(name):
            _refuse(
                f"{name!r} is no name of a tool or schema: give 1 to 64 of the letters a-z and A-Z, digits, _ and -",
                "tools" if name in names else "output_schema",
                model,
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        _refuse(f"two tools are called {twice!r}", "tools", model)


def _check_tool_choice(request: Request, model: str) -> None:
    choice, names = request.tool_choice, [tool.name for tool in request.tools]
    if choice == "required" and not names:
        _refuse("tool_choice is 'required' but the request has no tools", "tool_choice", model)
    if isinstance(choice, NamedTool) and choice.name not in names:
        known = ", ".join(map(repr, names)) or "none"
        _refuse(f"tool_choice names {choice.name!r}, which is not among the tools ({known})", "tool_choice", model)


def _check_order(messages: tuple[Message, ...], model: str) -> None:
    """Results stand right after the turn that called for them, all of them and no others."""
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        results = {part.call_id for part in message.parts if isinstance(part, ToolResultPart)}
        if results - waiting:
            what = f"messages[{place}]: the tool results {sorted(results - waiting)} answer no call just before them"
            _refuse(what, "messages", model)
        waiting -= results
        if waiting and message.role != "tool":
            break
        waiting |= {part.id for part in message.parts if isinstance(part, ToolCallPart)}
    if waiting:
        _refuse(f"the tool calls {sorted(waiting)} have no result right after them", "messages", model)


def _refuse(message: str, param: str, model: str) -> NoReturn:
    raise InvalidRequestError(message, model=model, param=param)


def _tool(name: str, description: str, parameters: JsonObject) -> JsonObject:
    function: JsonObject = {"name": name, "parameters": parameters}
    if description:
        function["description"] = description
    return {"type": "function", "function": function}


def _tool_choice(choice: str | NamedTool) -> Json:
    if isinstance(choice, NamedTool):
        return {"type": "function", "function": {"name": choice.name}}
    return choice


def _messages(messages: tuple[Message, ...], *, model: str) -> list[Json]:
    encoded: list[Json] = []
    for place, message in enumerate(messages):
        for part in message.parts:
            if not isinstance(part, _ALLOWED[message.role]):
                kind = type(part).__name__
                _refuse(f"messages[{place}]: a message of role {message.role!r} cannot hold {kind}", "messages", model)
        if message.role == "tool":
            encoded.extend(_tool_result(part) for part in message.parts if isinstance(part, ToolResultPart))
        elif message.role == "assistant":
            encoded.append(_assistant(message.parts))
        else:
            encoded.append({"role": message.role, "content": _content(message.parts, f"messages[{place}]", model)})
    if not encoded:
        _refuse("the messages hold nothing to send", "messages", model)
    _check_order(messages, model)
    return encoded


def _tool_result(part: ToolResultPart) -> JsonObject:
    return {"role": "tool", "tool_call_id": part.call_id, "content": part.text}


def _assistant(parts: tuple[Part, ...]) -> JsonObject:
    # A refusal goes back as the text it is: only OpenAI has a field for it, and templates fail over a null content.
    text = "".join(part.text for part in parts if isinstance(part, TextPart | RefusalPart))
    calls: list[Json] = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments or "{}"}}
        for part in parts
        if isinstance(part, ToolCallPart)
    ]
    message: JsonObject = {"role": "assistant", "content": text or (None if calls else "")}
    if calls:
        message["tool_calls"] = calls
    return message


def _content(parts: tuple[Part, ...], place: str, model: str) -> Json:
    """Plain text as one string, which every server takes; a list only where there is an image to show."""
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) == len(parts):
        return "\n".join(texts)
    return [
        _image(part, f"{place}.parts[{index}]", model)
        if isinstance(part, ImagePart)
        else {"type": "text", "text": part.text}
        for index, part in enumerate(parts)
        if isinstance(part, ImagePart) or (isinstance(part, TextPart) and part.text)
    ]


def _image(part: ImagePart, place: str, model: str) -> JsonObject:
    if (part.url is None) == (part.data is None):
        _refuse(f"{place}: an image has either a url or data", "messages", model)
    url = part.url
    if part.data is not None:
        media_type = part.media_type or sniff_media_type(part.data)
        if media_type is None:
            _refuse(f"{place}: the image's media_type is not given and its bytes do not tell it", "messages", model)
        url = f"data:{media_type};base64,{base64.b64encode(part.data).decode('ascii')}"
    image: JsonObject = {"url": url}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}
