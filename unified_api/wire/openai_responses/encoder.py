"""A chat request as the Responses API takes it (https://platform.openai.com/docs/api-reference/responses/create)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import (
    BuiltinTool,
    Json,
    JsonObject,
    NamedTool,
    OutputSchema,
    Request,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import first_match
from unified_api.wire.openai_responses.input import InputWriter
from unified_api.wire.strict_schema import as_sent

__all__ = ["UNSUPPORTED", "encode"]

UNSUPPORTED = frozenset({
    "frequency_penalty", "n", "presence_penalty", "reasoning_budget", "seed", "stop", "top_k",
})  # fmt: skip
"""What the API has no field for."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEPT_BY_PROVIDER = frozenset({"previous_response_id", "conversation", "prompt"})
"""With one of these, part of the conversation is not in the request."""
_NEEDS_STORE = frozenset({"store", "previous_response_id", "conversation", "background"})
_LOGPROBS = "message.output_text.logprobs"
_ENCRYPTED = "reasoning.encrypted_content"


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request for `request`, addressed to the provider's own name `model`.

    A first system message is the `instructions`, later ones are input items of role `system`. Where the profile is
    `stateless`, nothing is left with the provider (`store: false`) and a model that reasons is asked for its reasoning
    encrypted, so that it survives in the ReasoningPart's state; `extra` that sets `store` or builds on something stored
    takes that back. Raises UnsupportedParameterError for what the model or the wire cannot take, InvalidRequestError
    for a request that no server could.
    """
    supported = replace(profile, unsupported=profile.unsupported | UNSUPPORTED)
    check_supported(request, provider=provider, model=model, profile=supported)
    extra = request.extra.get(provider, {})
    _check(request, model)
    keeps_nothing = profile.stateless and not extra.keys() & _NEEDS_STORE
    marks_cache = profile.cache_mark == "prompt_cache_breakpoint"
    writer = InputWriter(provider, model, marks_cache=marks_cache, keeps_nothing=keeps_nothing)
    instructions, messages = writer.instructions(request.messages)
    # A stored prompt names its own model.
    body: JsonObject = {"model": model} if model else {}
    if instructions is not None:
        body["instructions"] = instructions
    items = writer.items(messages, offset=len(request.messages) - len(messages))
    if items:
        body["input"] = items
    if not extra.keys() & _KEPT_BY_PROVIDER:
        _check_results(request, model)
        if not items:
            _refuse("the messages hold nothing to send", "messages", model)
    for name, value in _parameters(request, provider=provider, model=model, profile=profile):
        body[profile.renamed.get(name, name)] = value
    if keeps_nothing:
        body["store"] = False
        if "reasoning_effort" not in profile.unsupported:
            body["include"] = [*_list(body.get("include")), _ENCRYPTED]
    if stream:
        body["stream"] = True
    _add_extra(body, extra, provider=provider, model=model)
    accept = "text/event-stream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accept}
    return WireRequest("POST", "/responses", headers, dump_json(body, provider=provider, model=model))


def _parameters(request: Request, *, provider: str, model: str, profile: WireProfile) -> Iterator[tuple[str, Json]]:
    tools: list[Json] = [_tool(tool) for tool in request.tools]
    tools += [_builtin(tool, provider=provider, model=model) for tool in request.builtin_tools]
    if tools:
        yield "tools", tools
    # Without tools, of the request or of a stored prompt, these two say nothing.
    if tools or "prompt" in request.extra.get(provider, {}):
        if request.tool_choice is not None:
            yield "tool_choice", _tool_choice(request, model)
        if request.parallel_tool_calls is not None:
            yield "parallel_tool_calls", request.parallel_tool_calls
    if request.output_schema is not None:
        yield "text", {"format": _format(request.output_schema)}
    reasoning = _reasoning(request, provider=provider, model=model, profile=profile)
    if reasoning:
        yield "reasoning", reasoning
    if request.logprobs is not None:
        yield "include", [_LOGPROBS]
    scalars: dict[str, Json] = {
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_logprobs": request.logprobs,
        "user": request.user,
        "metadata": dict(request.metadata) or None,
    }
    yield from ((name, value) for name, value in scalars.items() if value is not None)


def _reasoning(request: Request, *, provider: str, model: str, profile: WireProfile) -> JsonObject:
    reasoning: JsonObject = {"summary": "auto"} if request.show_reasoning else {}
    effort = request.reasoning_effort
    if effort is not None:
        known = first_match(profile.efforts, model)
        meant = effort if known is None else known.get(effort)
        if not isinstance(meant, str):
            words = ", ".join(known or ()) or "none at all"
            raise UnsupportedParameterError(
                f"{model!r} takes the reasoning efforts {words} and not {effort!r}",
                provider=provider,
                model=f"{provider}/{model}",
                param="reasoning_effort",
            )
        reasoning["effort"] = meant
    return reasoning


def _tool(tool: Tool) -> JsonObject:
    """A function. Of a `strict` that says nothing OpenAI makes true, and every property required
    (https://platform.openai.com/docs/guides/function-calling#strict-mode): not where that would change the schema.
    """
    strict = False if tool.strict is None and _bends(tool.parameters) else tool.strict
    function: JsonObject = {"type": "function", "name": tool.name, "parameters": tool.parameters, "strict": strict}
    if tool.description:
        function["description"] = tool.description
    return function


def _bends(schema: JsonObject) -> bool:
    """Whether the schema has an optional property or an open object, which strict decoding knows nothing of."""
    left: list[Json] = [schema]
    while left:
        one = left.pop()
        if isinstance(one, list):
            left.extend(one)
        elif isinstance(one, dict):
            properties, required = one.get("properties"), _list(one.get("required"))
            closed = one.get("additionalProperties") in (None, False)
            optional = isinstance(properties, dict) and any(name not in required for name in properties)
            if optional or not closed or (one.get("type") == "object" and properties is None):
                return True
            left.extend(one.values())
    return False


def _builtin(tool: BuiltinTool, *, provider: str, model: str) -> JsonObject:
    if tool.provider != provider:
        raise UnsupportedParameterError(
            f"{tool.definition.get('type')!r} is a tool of {tool.provider!r}, which {provider!r} does not run: "
            "leave it out or choose a model of its provider",
            provider=provider,
            model=f"{provider}/{model}",
            param="builtin_tools",
        )
    return tool.definition


def _tool_choice(request: Request, model: str) -> Json:
    """The choice; a forced tool that is no function is named by its type, label or name as its definition is."""
    choice = request.tool_choice
    if not isinstance(choice, NamedTool):
        return choice
    if any(tool.name == choice.name for tool in request.tools):
        return {"type": "function", "name": choice.name}
    for tool in request.builtin_tools:
        definition = tool.definition
        if choice.name == definition.get("name"):
            return {"type": definition.get("type"), "name": choice.name}
        if choice.name == definition.get("server_label"):
            return {"type": definition.get("type"), "server_label": choice.name}
        if choice.name == definition.get("type"):
            return {"type": choice.name}
    known = ", ".join(repr(tool.name) for tool in request.tools) or "none"
    return _refuse(f"tool_choice names {choice.name!r}, which is not among the tools ({known})", "tool_choice", model)


def _format(wanted: OutputSchema) -> JsonObject:
    schema, strict = as_sent(wanted)
    described: JsonObject = {"description": wanted.description} if wanted.description else {}
    return {"type": "json_schema", "name": wanted.name, "schema": schema, "strict": strict, **described}


def _add_extra(body: JsonObject, extra: JsonObject, *, provider: str, model: str) -> None:
    """The provider's own parameters. `include` and the fields of `text` and `reasoning` are joined to ours."""
    for name, value in extra.items():
        ours = body.get(name)
        if name == "stream_options" and "stream" not in body:
            continue  # they say how to stream, and are refused where nothing is streamed
        if name == "include" and isinstance(ours, list) and isinstance(value, list):
            body[name] = [*value, *(one for one in ours if one not in value)]
        elif isinstance(ours, dict) and isinstance(value, dict) and not ours.keys() & value.keys():
            body[name] = {**ours, **value}
        elif name == "stream" or (name in body and ours != value):
            what = f"extra[{provider!r}] sets {name!r}, which the request itself says; leave it out of extra"
            _refuse(what, "extra", model)
        else:
            body[name] = value


def _check(request: Request, model: str) -> None:
    for name in ("temperature", "top_p"):
        value = getattr(request, name)
        if value is not None and not math.isfinite(value):
            _refuse(f"{name} is {value!r}: give a finite number", name, model)
    names = [tool.name for tool in request.tools]
    wanted = [] if request.output_schema is None else [request.output_schema.name]
    for name in (*names, *wanted):
        if not _NAME.fullmatch(name):
            _refuse(
                f"{name!r} is no name of a tool or schema: give 1 to 64 of the letters a-z and A-Z, digits, _ and -",
                "tools" if name in names else "output_schema",
                model,
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        _refuse(f"two tools are called {twice!r}", "tools", model)
    if request.tool_choice == "required" and not (request.tools or request.builtin_tools):
        _refuse("tool_choice is 'required' but the request has no tools", "tool_choice", model)
    if isinstance(request.tool_choice, NamedTool) and not (request.tools or request.builtin_tools):
        _refuse(f"tool_choice names {request.tool_choice.name!r} but the request has no tools", "tool_choice", model)


def _check_results(request: Request, model: str) -> None:
    """Every call is answered by a result that comes after it, and no result answers anything else."""
    waiting: set[str] = set()
    for place, message in enumerate(request.messages):
        results = {part.call_id for part in message.parts if isinstance(part, ToolResultPart)}
        if results - waiting:
            what = f"messages[{place}]: the tool results {sorted(results - waiting)} answer no call before them"
            _refuse(what, "messages", model)
        waiting -= results
        waiting |= {part.id for part in message.parts if isinstance(part, ToolCallPart)}
    if waiting:
        _refuse(f"the tool calls {sorted(waiting)} have no result after them", "messages", model)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _refuse(message: str, param: str, model: str) -> NoReturn:
    raise InvalidRequestError(message, model=model, param=param)
