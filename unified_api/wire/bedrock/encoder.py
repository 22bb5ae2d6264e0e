"""A chat request for Converse (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unified_api.types import Json, JsonObject, NamedTool, OutputSchema, Request, Tool, ToolCallPart, ToolResultPart
from unified_api.wire.anthropic.refusals import check_model
from unified_api.wire.anthropic.schema import UnheldSchemaError, held_schema
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.bedrock.messages import MessageWriter
from unified_api.wire.bedrock.thinking import thinking
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import any_matches, first_match
from unified_api.wire.object_root import needs_object, wrapped
from unified_api.wire.own_path import quoted_model

__all__ = ["UNSUPPORTED", "encode", "model_path"]

UNSUPPORTED = frozenset({
    "seed", "logprobs", "n", "frequency_penalty", "presence_penalty", "user", "parallel_tool_calls",
})  # fmt: skip
_SENT_BARE = ":@!$&'()*+,;="
"""What may stand in a path as it is (RFC 3986, 3.3)."""
_MODEL_FIELDS = "additionalModelRequestFields"
_ALONE = ("max_tokens", "temperature", "top_p", "top_k")
"""What Nova refuses beside its highest effort
(https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html)."""


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request for `request`, addressed to a model by its id, its inference profile or its ARN.

    Raises UnsupportedParameterError for what the model or Converse has no words for, InvalidRequestError for a
    request that no server could take.
    """
    writer = MessageWriter(provider=provider, model=model, profile=profile)
    writer.check(request, UNSUPPORTED)
    check_model(request, provider=provider, model=model, profile=profile)
    _check_effort(request, writer)
    system, messages = writer.write(request.messages)
    body: JsonObject = {"messages": messages}
    if system:
        body["system"] = system
    for name, value in _parameters(request, writer):
        if value:
            body[name] = value
    writer.merge(body, thinking(request, writer))
    writer.merge(body, _extra(request, writer))
    accept = "application/vnd.amazon.eventstream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accept}
    operation = "converse-stream" if stream else "converse"
    return WireRequest("POST", model_path(model, operation), headers, dump_json(body, provider=provider, model=model))


def model_path(model: str, operation: str) -> str:
    """The path of an operation on a model, in the very bytes that are sent, because a signature covers them.

    A slash, as in ARNs, is quoted. A colon is not: Bedrock takes both, and HTTP clients take such quotes off again.
    """
    return f"/model/{quoted_model(model, safe=_SENT_BARE)}/{operation}"


def _check_effort(request: Request, writer: MessageWriter) -> None:
    style = first_match(writer.profile.reasoning_style, writer.model)
    if style != "reasoningConfig" or request.reasoning_effort != "high":
        return
    name = next((name for name in _ALONE if getattr(request, name) is not None), None)
    if name is not None:
        writer.cannot(f"takes no {name} beside reasoning_effort='high': leave it out, or give a lower effort", name)


def _parameters(request: Request, writer: MessageWriter) -> Iterator[tuple[str, JsonObject]]:
    settings: dict[str, Json] = {
        "maxTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": list(request.stop) or None,
    }
    yield "inferenceConfig", {name: value for name, value in settings.items() if value is not None}
    yield "toolConfig", _tool_config(request, writer)
    if request.output_schema is not None:
        yield "outputConfig", {"textFormat": _text_format(request.output_schema, writer)}
    yield "requestMetadata", dict(request.metadata)
    if request.top_k is not None:
        yield _MODEL_FIELDS, _top_k(request.top_k, writer)


def _tool_config(request: Request, writer: MessageWriter) -> JsonObject:
    if request.tool_choice == "none":
        _check_none(request, writer)
        return {}
    tools: list[Json] = [block for tool in request.tools for block in _tool(tool, writer)]
    for tool in request.builtin_tools:
        if tool.provider != writer.provider:
            writer.cannot(
                f"cannot use a built-in tool of {tool.provider!r}: leave it out or choose a model of that provider",
                "builtin_tools",
            )
        tools.append(tool.definition)
    if not tools:
        return {}
    choice = _tool_choice(request.tool_choice)
    return {"tools": tools, "toolChoice": choice} if choice else {"tools": tools}


def _check_none(request: Request, writer: MessageWriter) -> None:
    """Without tools none is called; but once calls were made, Converse wants their tools and has no word for `none`."""
    parts = (part for message in request.messages for part in message.parts)
    if any(isinstance(part, ToolCallPart | ToolResultPart) for part in parts):
        writer.cannot("cannot be told to call no tool after tools were called: leave tool_choice out", "tool_choice")


def _tool(tool: Tool, writer: MessageWriter) -> Iterator[JsonObject]:
    spec: JsonObject = {"name": tool.name, "inputSchema": {"json": _parameters_of(tool, writer)}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict is not None:
        spec["strict"] = tool.strict
    yield {"toolSpec": spec}
    if any_matches(writer.profile.tool_cache_points, writer.model):
        yield from writer.cache_point(tool.cache)


def _parameters_of(tool: Tool, writer: MessageWriter) -> JsonObject:
    if not tool.strict:
        return tool.parameters
    try:
        return held_schema(tool.parameters)
    except UnheldSchemaError as error:
        writer.cannot(f"cannot be held to the parameters of {tool.name!r}: {error}; leave strict out", "tools")


def _tool_choice(choice: str | NamedTool | None) -> JsonObject | None:
    if isinstance(choice, NamedTool):
        return {"tool": {"name": choice.name}}
    return None if choice is None else {"any" if choice == "required" else "auto": {}}


def _text_format(wanted: OutputSchema, writer: MessageWriter) -> JsonObject:
    """The schema as every model there can be held to it.

    https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html has the limits of the Messages API.
    """
    try:
        schema = held_schema(wrapped(wanted.schema) if needs_object(wanted) else wanted.schema)
    except UnheldSchemaError as error:
        writer.cannot(f"cannot be held to this JSON schema: {error}; simplify it or ask in words", "output_schema")
    definition: JsonObject = {"schema": dump_json(schema).decode(), "name": wanted.name}
    if wanted.description:
        definition["description"] = wanted.description
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}


def _top_k(count: int, writer: MessageWriter) -> JsonObject:
    path = first_match(writer.profile.top_k_field, writer.model)
    if path is None:
        writer.cannot(
            "has no known field for top_k: leave it out, or name the field as profile.top_k_field of the provider",
            "top_k",
        )
    *outer, name = path.split(".")
    field: JsonObject = {name: count}
    for step in reversed(outer):
        field = {step: field}
    return field


def _extra(request: Request, writer: MessageWriter) -> Mapping[str, Json]:
    extra = request.extra.get(writer.provider, {})
    taken = next((name for name in ("messages", "system", "modelId") if name in extra), None)
    if taken is not None:
        writer.refuse(f"extra sets {taken!r}, which the request says itself: leave it out", "extra")
    return extra
