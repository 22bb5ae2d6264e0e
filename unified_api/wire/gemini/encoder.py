"""A chat request as Google takes it (https://ai.google.dev/api/generate-content#request-body)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import Json, JsonObject, NamedTool, OutputSchema, Request, Tool
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.gemini.content import encode_contents, encode_system
from unified_api.wire.gemini.media import camel_keys
from unified_api.wire.gemini.target import Target, model_path, target_of
from unified_api.wire.gemini.thinking import thinking
from unified_api.wire.json_text import dump_json
from unified_api.wire.object_root import needs_object, wrapped

__all__ = ["UNSUPPORTED", "encode"]

UNSUPPORTED: frozenset[str] = frozenset({"parallel_tool_calls", "user"})
_FLOATS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request for `request`, addressed to the provider's own name `model`.

    Raises UnsupportedParameterError for what the model has no words for, InvalidRequestError for a request that no
    model could take.
    """
    beyond = replace(profile, unsupported=profile.unsupported | UNSUPPORTED)
    check_supported(request, provider=provider, model=model, profile=beyond)
    target = target_of(model, provider, profile)
    _check(request, target)
    body: JsonObject = {"contents": encode_contents(request.messages, target)}
    system = encode_system(request.messages)
    if system:
        body["systemInstruction"] = {"parts": system}
    mixed = profile.told_tool_steps and not target.former and bool(request.tools and request.builtin_tools)
    body.update(_tools(request, target, mixed=mixed))
    generation: JsonObject = {name: value for name, value in _generation(request) if value is not None}
    if generation:
        body["generationConfig"] = generation
    for wish in thinking(request, target, profile):
        _merge(body, wish, "", target)
    if request.metadata:
        labels: JsonObject = {**request.metadata}
        body["labels"] = labels
    _merge(body, _camel_extra(request.extra.get(provider, {})), "", target)
    if mixed:  # https://ai.google.dev/gemini-api/docs/tool-combination; the caller's own word for it stands
        body["toolConfig"] = {"includeServerSideToolInvocations": True, **_object(body.get("toolConfig"))}
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    accept = "text/event-stream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accept}
    return WireRequest(
        "POST", f"{model_path(model)}:{method}", headers, dump_json(body, provider=provider, model=model)
    )


def _check(request: Request, target: Target) -> None:
    if not request.messages:
        _refuse("a chat request needs at least one message", "messages", target)
    for name in _FLOATS:
        value = getattr(request, name)
        if value is not None and not math.isfinite(value):
            _refuse(f"{name} is {value!r}: give a finite number", name, target)
    names = [tool.name for tool in request.tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        _refuse(f"two tools are called {twice!r}", "tools", target)
    if target.former and request.output_schema is not None and (names or request.builtin_tools):
        # "Function calling with a response mime type: 'application/json' is unsupported", says the server.
        _unsupported(f"{target.model!r} takes no output_schema beside tools: leave one out", "output_schema", target)
    choice = request.tool_choice
    if choice == "required" and not names:
        _refuse("tool_choice is 'required' but the request has no tools", "tool_choice", target)
    if isinstance(choice, NamedTool) and choice.name not in names:
        known = ", ".join(map(repr, names)) or "none"
        _refuse(f"tool_choice names {choice.name!r}, which is not among the tools ({known})", "tool_choice", target)


def _tools(request: Request, target: Target, *, mixed: bool) -> Iterator[tuple[str, Json]]:
    tools: list[Json] = []
    if request.tools:
        tools.append({"functionDeclarations": [_declaration(tool) for tool in request.tools]})
    for builtin in request.builtin_tools:
        if builtin.provider != target.provider:
            _unsupported(
                f"the built-in tool {sorted(builtin.definition)} is one of {builtin.provider!r}, not of "
                f"{target.provider!r}: leave it out or choose a model of {builtin.provider!r}",
                "builtin_tools",
                target,
            )
        tools.append(builtin.definition)
    if tools:
        yield "tools", tools
    calling = _calling(request, mixed=mixed) if request.tools else {}
    if calling:
        yield "toolConfig", {"functionCallingConfig": calling}


def _declaration(tool: Tool) -> JsonObject:
    declaration: JsonObject = {"name": tool.name, "parametersJsonSchema": tool.parameters}
    if tool.description:
        declaration["description"] = tool.description
    return declaration


def _calling(request: Request, *, mixed: bool) -> JsonObject:
    # VALIDATED holds calls to their schemas and still lets the model talk; ANY does so too. Beside built-in tools there
    # is no AUTO.
    strict = any(tool.strict for tool in request.tools)
    choice = request.tool_choice
    if isinstance(choice, NamedTool):
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    if choice == "required":
        return {"mode": "ANY"}
    if choice == "none":
        return {"mode": "NONE"}
    if strict or (mixed and choice == "auto"):
        return {"mode": "VALIDATED"}
    return {"mode": "AUTO"} if choice == "auto" else {}


def _generation(request: Request) -> Iterator[tuple[str, Json]]:
    yield "temperature", request.temperature
    yield "topP", request.top_p
    yield "topK", request.top_k
    yield "maxOutputTokens", request.max_tokens
    yield "stopSequences", list(request.stop) or None
    yield "seed", request.seed
    yield "candidateCount", request.n
    yield "presencePenalty", request.presence_penalty
    yield "frequencyPenalty", request.frequency_penalty
    yield "responseLogprobs", None if request.logprobs is None else True
    yield "logprobs", request.logprobs or None
    if request.output_schema is not None:
        yield "responseMimeType", "application/json"
        yield "responseJsonSchema", _schema(request.output_schema)


def _schema(wanted: OutputSchema) -> Json:
    """The schema as it is, for Gemini takes any root; inside an object where an answer of it could look like that."""
    root = wanted.schema.get("type", ["object"])
    may_be_object = "object" in root if isinstance(root, list) else root == "object"
    schema = wrapped(wanted.schema) if needs_object(wanted) and may_be_object else wanted.schema
    if wanted.description and "description" not in schema:
        return {"description": wanted.description, **schema}
    return schema


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _camel_extra(extra: JsonObject) -> JsonObject:
    """The caller's own parameters, with the two upper levels of keys as Google documents them."""
    return {
        name: camel_keys(value) if isinstance(value, dict) and name != "labels" else value
        for name, value in camel_keys(extra).items()
    }


def _merge(body: JsonObject, extra: JsonObject, path: str, target: Target) -> None:
    """Adds what the caller gives in Google's own words; objects are joined, nothing that is there is overridden."""
    for name, value in extra.items():
        here, place = body.get(name), f"{path}{name}"
        if name not in body:
            body[name] = value
        elif isinstance(here, dict) and isinstance(value, dict):
            body[name] = dict(here)
            _merge(body[name], value, f"{place}.", target)  # type: ignore[arg-type]  # just made a dict
        else:
            _refuse(f"extra holds {place!r}, which the request's own fields say already", "extra", target)


def _refuse(message: str, param: str, target: Target) -> NoReturn:
    raise InvalidRequestError(message, provider=target.provider, model=f"{target.provider}/{target.model}", param=param)


def _unsupported(message: str, param: str, target: Target) -> NoReturn:
    raise UnsupportedParameterError(
        message, provider=target.provider, model=f"{target.provider}/{target.model}", param=param
    )
