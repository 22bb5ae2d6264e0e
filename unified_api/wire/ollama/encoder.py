"""A chat request as Ollama's native API takes it (https://github.com/ollama/ollama/blob/main/docs/api.md)."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import orjson

from unified_api.types import (
    BuiltinToolPart,
    ImagePart,
    Json,
    JsonObject,
    Message,
    OutputSchema,
    Part,
    ReasoningPart,
    RefusalPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import first_match
from unified_api.wire.object_root import needs_object, wrapped
from unified_api.wire.ollama.decoder import THINKING
from unified_api.wire.request_writer import RequestWriter

__all__ = ["UNSUPPORTED", "encode"]

UNSUPPORTED: frozenset[str] = frozenset({
    "builtin_tools", "metadata", "n", "parallel_tool_calls", "reasoning_budget", "show_reasoning", "user",
})  # fmt: skip
_THINK: dict[str, Json] = {"none": False, "low": "low", "medium": "medium", "high": "high"}


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request for `request`, addressed to the provider's own name `model`.

    A schema goes as `format`, which Ollama makes a grammar of. `tool_choice` "none" sends no tools; Ollama has no word
    for forcing one.
    """
    writer = RequestWriter(provider=provider, model=model, profile=profile)
    writer.check(request, UNSUPPORTED)
    body: JsonObject = {"model": model, "messages": _messages(request.messages, writer), "stream": stream}
    body.update((profile.renamed.get(name, name), value) for name, value in _parameters(request, writer))
    options: JsonObject = {profile.renamed.get(name, name): value for name, value in _options(request)}
    if options:
        body["options"] = options
    writer.merge(body, request.extra.get(provider, {}))
    headers = {
        "content-type": "application/json",
        "accept": "application/x-ndjson" if stream else "application/json",
    }
    return WireRequest("POST", "/api/chat", headers, dump_json(body, provider=provider, model=model))


def _parameters(request: Request, writer: RequestWriter) -> Iterator[tuple[str, Json]]:
    if request.tool_choice not in (None, "auto", "none"):
        problem = "cannot be made to call a tool: leave tool_choice out, or 'auto', or choose another model"
        writer.cannot(problem, "tool_choice")
    if request.tools and request.tool_choice != "none":
        yield "tools", _tools(request, writer)
    if request.output_schema is not None:
        yield "format", _format(request.output_schema)
    if request.reasoning_effort is not None:
        yield "think", _think(request.reasoning_effort, writer)
    if request.logprobs is not None:
        yield "logprobs", True
    if request.logprobs:
        yield "top_logprobs", request.logprobs


def _format(wanted: OutputSchema) -> JsonObject:
    """The schema as it is, for a grammar takes any root; inside an object where its answer could look like that."""
    kinds = wanted.schema.get("type", "object")
    looks_wrapped = "object" in kinds if isinstance(kinds, list) else kinds == "object"
    return wrapped(wanted.schema) if needs_object(wanted) and looks_wrapped else wanted.schema


def _options(request: Request) -> Iterator[tuple[str, Json]]:
    options: dict[str, Json] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "num_predict": request.max_tokens,
        "seed": request.seed,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "stop": list(request.stop) or None,
    }
    yield from ((name, value) for name, value in options.items() if value is not None)


def _tools(request: Request, writer: RequestWriter) -> list[Json]:
    strict = next((tool.name for tool in request.tools if tool.strict), None)
    if strict is not None:
        problem = f"cannot hold the arguments of {strict!r} to their schema: leave `strict` out"
        writer.cannot(problem, "tools")
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in request.tools
    ]


def _think(effort: str, writer: RequestWriter) -> Json:
    own = first_match(writer.profile.efforts, writer.model)
    words = _THINK if own is None else own
    if effort not in words:
        known = ", ".join(words) or "none at all"
        writer.cannot(f"takes the reasoning efforts {known} and not {effort!r}", "reasoning_effort")
    return words[effort]


def _messages(messages: tuple[Message, ...], writer: RequestWriter) -> list[Json]:
    encoded: list[Json] = []
    names: dict[str, str] = {}
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        if message.name is not None:
            writer.cannot(f"has no word for who speaks ({place}.name): put it into the text", "messages")
        names.update((part.id, part.name) for part in message.parts if isinstance(part, ToolCallPart))
        if message.role == "tool":
            encoded.extend(_results(message, names, writer, place))
        else:
            encoded.append(_message(message, writer, place))
    return encoded


def _results(message: Message, names: dict[str, str], writer: RequestWriter, place: str) -> Iterator[JsonObject]:
    for part in message.parts:
        if not isinstance(part, ToolResultPart):
            writer.refuse(f"{place}: a message of role 'tool' cannot hold {type(part).__name__}", "messages")
        if part.media:
            writer.cannot(f"takes tool results of text alone ({place}): give the media in a user message", "messages")
        result: JsonObject = {"role": "tool", "content": part.in_words().text, "tool_call_id": part.call_id}
        if part.call_id in names:
            # Servers that know no ids find the call by its name.
            result["tool_name"] = names[part.call_id]
        yield result


def _message(message: Message, writer: RequestWriter, place: str) -> JsonObject:
    texts: list[str] = []
    thoughts: list[str] = []
    images: list[Json] = []
    calls: list[Json] = []
    for number, part in enumerate(message.parts):
        spot = f"{place}.parts[{number}]"
        _check_role(part, message, writer, spot)
        if isinstance(part, TextPart | RefusalPart):
            texts.append(part.text)
        elif isinstance(part, ReasoningPart):
            if part.state is not None and writer.own(part.state) and part.state.content == THINKING:
                thoughts.append(part.text)
        elif isinstance(part, ToolCallPart):
            calls.append(_call(part, writer, spot))
        elif isinstance(part, ImagePart):
            images.append(_image(part, writer, spot))
    whole: JsonObject = {"role": message.role, "content": _joined(texts, message)}
    for name, value in (("thinking", "".join(thoughts)), ("images", images), ("tool_calls", calls)):
        if value:
            whole[name] = value
    return whole


def _joined(texts: list[str], message: Message) -> str:
    """The model's own texts are pieces of one; those of others stand beside each other."""
    return ("" if message.role == "assistant" else "\n").join(texts)


def _check_role(part: Part, message: Message, writer: RequestWriter, place: str) -> None:
    kind = type(part).__name__
    if isinstance(part, TextPart | RefusalPart) or (message.role == "user" and isinstance(part, ImagePart)):
        return
    if message.role == "assistant" and isinstance(part, ReasoningPart | ToolCallPart | BuiltinToolPart):
        return  # a step of another provider's tool is left out, as its thinking is
    if isinstance(part, ToolCallPart | ToolResultPart | ReasoningPart | BuiltinToolPart):
        writer.refuse(f"{place}: a message of role {message.role!r} cannot hold {kind}", "messages")
    writer.cannot(f"cannot be shown {kind} in a message of role {message.role!r} ({place}): leave it out", "messages")


def _image(part: ImagePart, writer: RequestWriter, place: str) -> str:
    if part.detail not in (None, "auto"):
        writer.cannot(f"has no word for an image's detail ({place}): leave it out", "messages")
    url, data = writer.image(part, place)
    if data is None:
        writer.cannot(f"fetches no images ({place}: {url!r}): give the image's bytes", "messages")
    return base64.b64encode(data).decode("ascii")


def _call(part: ToolCallPart, writer: RequestWriter, place: str) -> JsonObject:
    try:
        arguments: Json = orjson.loads(part.arguments or "{}")
    except orjson.JSONDecodeError as error:
        writer.refuse(f"{place}: the arguments of the call to {part.name!r} are no JSON ({error})", "messages")
    if not isinstance(arguments, dict):
        writer.refuse(f"{place}: the arguments of the call to {part.name!r} are no JSON object", "messages")
    return {"id": part.id, "function": {"name": part.name, "arguments": arguments}}
