"""A chat request as an OpenAI-compatible server takes it (https://platform.openai.com/docs/api-reference/chat/create)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import NoReturn

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import Json, JsonObject, NamedTool, OutputSchema, Request, Tool
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import first_match
from unified_api.wire.openai_chat.messages import begins_answer, write_messages
from unified_api.wire.openai_chat.parts import PartWriter
from unified_api.wire.own_path import own_path
from unified_api.wire.strict_schema import as_sent

__all__ = ["NEED_A_NAME", "encode"]

NEED_A_NAME = frozenset({"reasoning_budget", "show_reasoning"})
"""Fields that each provider calls otherwise, if it has them at all: sent where the profile's `renamed` says."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_LEAST = {"n": 1, "logprobs": 0, "reasoning_budget": 0}


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request for `request`, addressed to the provider's own name `model`.

    Raises UnsupportedParameterError for what the model cannot take by its profile, InvalidRequestError for a request
    that no server could take (no message, a part in the wrong role, text that is not Unicode ...).
    """
    check_supported(request, provider=provider, model=model, profile=profile)
    writer = PartWriter(provider=provider, model=model, profile=profile)
    _check(request, writer)
    body: JsonObject = {"model": model, "messages": write_messages(request.messages, writer)}
    for name, value in _parameters(request, writer):
        _put(body, profile.renamed.get(name, name), value)
    _merge(body, _effort(request, writer), writer)
    if stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    extra = request.extra.get(provider, {})
    if begins_answer(request.messages):
        body.update({name: value for name, value in profile.prefill_fields.items() if name not in extra})
    _merge(body, extra, writer)
    accept = "text/event-stream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accept}
    path = own_path("/chat/completions", body, profile)
    return WireRequest("POST", path, headers, dump_json(body, provider=provider, model=model))


def _parameters(request: Request, writer: PartWriter) -> Iterator[tuple[str, Json]]:
    tools: list[Json] = [_tool(tool, writer) for tool in request.tools]
    tools += [tool.definition for tool in request.builtin_tools]
    if tools:
        yield "tools", tools
        # Without tools these two say nothing, and OpenAI refuses them.
        if request.tool_choice is not None:
            yield "tool_choice", _tool_choice(request.tool_choice)
        if request.parallel_tool_calls is not None:
            yield "parallel_tool_calls", request.parallel_tool_calls
    if request.output_schema is not None:
        yield "response_format", _response_format(request.output_schema)
    scalars: dict[str, Json] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        writer.profile.max_tokens_field: request.max_tokens,
        "seed": request.seed,
        "reasoning_budget": request.reasoning_budget,
        "show_reasoning": request.show_reasoning,
        "logprobs": None if request.logprobs is None else True,
        "top_logprobs": request.logprobs or None,
        "n": request.n,
        "user": request.user,
        "metadata": dict(request.metadata) or None,
    }
    yield from ((name, value) for name, value in scalars.items() if value is not None)
    if request.stop:
        yield "stop", list(request.stop)


def _response_format(wanted: OutputSchema) -> JsonObject:
    schema, strict = as_sent(wanted)
    json_schema: JsonObject = {"name": wanted.name, "schema": schema, "strict": strict}
    if wanted.description:
        json_schema["description"] = wanted.description
    return {"type": "json_schema", "json_schema": json_schema}


def _effort(request: Request, writer: PartWriter) -> JsonObject:
    """What a wished effort adds to the body."""
    wished, known = request.reasoning_effort, first_match(writer.profile.efforts, writer.model)
    if wished is None:
        return {}
    meant = wished if known is None else known.get(wished)
    if meant is None:
        words = ", ".join(known or ()) or "none at all"
        _cannot(f"takes the reasoning efforts {words} and not {wished!r}", "reasoning_effort", writer)
    if not isinstance(meant, str):
        return meant
    added: JsonObject = {}
    _put(added, writer.profile.renamed.get("reasoning_effort", "reasoning_effort"), meant)
    return added


def _put(body: JsonObject, path: str, value: Json) -> None:
    """Sets what is at `path` (`a.b`), or its opposite (`!a.b`)."""
    *outer, name = path.removeprefix("!").split(".")
    for step in outer:
        inner = body.setdefault(step, {})
        if not isinstance(inner, dict):
            raise InvalidRequestError(f"the profile puts {path!r} inside {step!r}, which holds a value", param=step)
        body = inner
    body[name] = not value if path.startswith("!") else value


def _merge(body: JsonObject, more: Mapping[str, Json], writer: PartWriter) -> None:
    """Adds `more` to the body; objects of one name are joined, and nothing that is there already is changed."""
    for name, value in more.items():
        before = body.get(name)
        if isinstance(before, dict) and isinstance(value, dict) and not before.keys() & value.keys():
            body[name] = {**before, **value}
        elif name in body or name == "stream":
            _refuse(f"extra sets {name!r}, which the request says itself: leave it out of one of them", "extra", writer)
        else:
            body[name] = value


def _check(request: Request, writer: PartWriter) -> None:
    if not request.messages:
        _refuse("a chat request needs at least one message", "messages", writer)
    for name in _NUMBERS:
        value = getattr(request, name)
        if value is not None and not math.isfinite(value):
            _refuse(f"{name} is {value!r}: give a finite number", name, writer)
    for name, least in _LEAST.items():
        value = getattr(request, name)
        if value is not None and value < least:
            _refuse(f"{name} is {value!r}: give {least} or more", name, writer)
    for name in sorted(NEED_A_NAME - writer.profile.renamed.keys()):
        if getattr(request, name) is not None:
            _cannot(f"has no word for {name!r}: leave it out or choose another model", name, writer)
    for name, beside in sorted(writer.profile.needs_extra.items()):
        if getattr(request, name) and request.extra.get(writer.provider, {}).get(beside) is not True:
            place = f"extra[{writer.provider!r}][{beside!r}]"
            _cannot(f"takes {name!r} only where {place} is True: set that, or leave {name!r} out", name, writer)
    foreign = next((tool for tool in request.builtin_tools if tool.provider != writer.provider), None)
    if foreign is not None:
        what = f"cannot use a built-in tool of {foreign.provider!r}: leave it out or choose a model of that provider"
        _cannot(what, "builtin_tools", writer)
    _check_names(request, writer)
    _check_tool_choice(request, writer)


def _check_names(request: Request, writer: PartWriter) -> None:
    names = [tool.name for tool in request.tools]
    wanted = request.output_schema
    for name in (*names, *(() if wanted is None else (wanted.name,))):
        if not _NAME.fullmatch(name):
            _refuse(
                f"{name!r} is no name of a tool or schema: give 1 to 64 of the letters a-z and A-Z, digits, _ and -",
                "tools" if name in names else "output_schema",
                writer,
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        _refuse(f"two tools are called {twice!r}", "tools", writer)


def _check_tool_choice(request: Request, writer: PartWriter) -> None:
    choice, names = request.tool_choice, [tool.name for tool in request.tools]
    if choice == "required" and not (names or request.builtin_tools):
        _refuse("tool_choice is 'required' but the request has no tools", "tool_choice", writer)
    if isinstance(choice, NamedTool) and choice.name not in names:
        known = ", ".join(map(repr, names)) or "none"
        _refuse(f"tool_choice names {choice.name!r}, which is not among the tools ({known})", "tool_choice", writer)


def _refuse(message: str, param: str, writer: PartWriter) -> NoReturn:
    raise InvalidRequestError(message, provider=writer.provider, model=writer.model, param=param)


def _cannot(what: str, param: str, writer: PartWriter) -> NoReturn:
    model = f"{writer.provider}/{writer.model}"
    raise UnsupportedParameterError(f"{writer.model!r} {what}", provider=writer.provider, model=model, param=param)


def _tool(tool: Tool, writer: PartWriter) -> JsonObject:
    function: JsonObject = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    mark = writer.mark(tool.cache) if writer.profile.cache_mark == "cache_control" else {}
    return {"type": "function", "function": function, **mark}


def _tool_choice(choice: str | NamedTool) -> Json:
    if isinstance(choice, NamedTool):
        return {"type": "function", "function": {"name": choice.name}}
    return choice
