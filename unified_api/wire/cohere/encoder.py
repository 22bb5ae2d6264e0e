"""A chat request as Cohere's API v2 takes it (https://docs.cohere.com/reference/chat)."""

from __future__ import annotations

from collections.abc import Iterator

from unified_api.types import Json, JsonObject, NamedTool, Request, Tool
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.cohere.messages import write_documents, write_messages
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import first_match
from unified_api.wire.object_root import needs_object, wrapped
from unified_api.wire.request_writer import RequestWriter

__all__ = ["UNSUPPORTED", "encode"]

UNSUPPORTED: frozenset[str] = frozenset({
    "builtin_tools", "metadata", "n", "parallel_tool_calls", "show_reasoning", "user",
})  # fmt: skip


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request for `request`, addressed to the provider's own name `model`.

    A tool choice that names one tool goes as that tool alone, which must be called: Cohere has no other word for it.
    Documents of user messages go as `documents`, which the whole conversation may cite.
    """
    writer = RequestWriter(provider=provider, model=model, profile=profile)
    writer.check(request, UNSUPPORTED)
    body: JsonObject = {"model": model, "messages": write_messages(request.messages, writer), "stream": stream}
    body.update((profile.renamed.get(name, name), value) for name, value in _parameters(request, writer))
    body.update(_thinking(request, writer))
    writer.merge(body, request.extra.get(provider, {}))
    accept = "text/event-stream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accept}
    return WireRequest("POST", "/chat", headers, dump_json(body, provider=provider, model=model))


def _parameters(request: Request, writer: RequestWriter) -> Iterator[tuple[str, Json]]:
    if request.tools:
        yield from _tools(request, writer)
    documents = write_documents(request.messages, writer)
    if documents:
        yield "documents", documents
    if request.output_schema is not None:
        wanted = request.output_schema
        schema = wrapped(wanted.schema) if needs_object(wanted) else wanted.schema
        yield "response_format", {"type": "json_object", "json_schema": schema}
    scalars: dict[str, Json] = {
        "temperature": request.temperature,
        "p": request.top_p,
        "k": request.top_k,
        "max_tokens": request.max_tokens,
        "stop_sequences": list(request.stop) or None,
        "seed": request.seed,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "logprobs": _logprobs(request, writer),
    }
    yield from ((name, value) for name, value in scalars.items() if value is not None)


def _logprobs(request: Request, writer: RequestWriter) -> Json:
    if request.logprobs:
        writer.cannot("tells no alternatives of a token: ask for logprobs=0, those of the chosen ones", "logprobs")
    return None if request.logprobs is None else True


def _tools(request: Request, writer: RequestWriter) -> Iterator[tuple[str, Json]]:
    choice = request.tool_choice
    offered = [tool for tool in request.tools if not isinstance(choice, NamedTool) or tool.name == choice.name]
    yield "tools", [_tool(tool) for tool in offered]
    strict = {tool.strict for tool in offered} - {None}
    if len(strict) > 1:
        writer.cannot("is strict with all tools or with none: set `strict` alike on each", "tools")
    if strict:
        yield "strict_tools", strict.pop()
    if choice == "none":
        yield "tool_choice", "NONE"
    elif choice not in (None, "auto"):
        yield "tool_choice", "REQUIRED"


def _tool(tool: Tool) -> JsonObject:
    function: JsonObject = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _thinking(request: Request, writer: RequestWriter) -> JsonObject:
    """Thinking is on or off, and may be given a number of tokens (https://docs.cohere.com/docs/reasoning)."""
    effort, budget = request.reasoning_effort, request.reasoning_budget
    if effort is not None and budget is not None:
        writer.refuse("give a reasoning_effort or a reasoning_budget, not both", "reasoning_budget")
    if effort == "none" or budget == 0:
        return {"thinking": {"type": "disabled"}}
    if budget is not None:
        return {"thinking": {"type": "enabled", "token_budget": budget}}
    if effort is None:
        return {}
    meant = (first_match(writer.profile.efforts, writer.model) or {}).get(effort)
    if meant is None:
        problem = f"takes no reasoning effort such as {effort!r}: give reasoning_budget, a number of tokens, or 'none'"
        writer.cannot(problem, "reasoning_effort")
    return {"reasoning_effort": meant} if isinstance(meant, str) else dict(meant)
