"""The old text completions of OpenAI and its like: a prompt in, text out (https://platform.openai.com/docs/api-reference/completions)."""

from __future__ import annotations

from collections.abc import Iterator

from unified_api.types import (
    BuiltinToolPart,
    Json,
    JsonObject,
    Message,
    ReasoningPart,
    RefusalPart,
    Request,
    TextPart,
)
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.json_text import dump_json
from unified_api.wire.openai_completions_answer import StreamDecoder, decode
from unified_api.wire.openai_completions_request import read_request
from unified_api.wire.request_writer import RequestWriter

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "encode", "read_request"]

UNSUPPORTED = frozenset({
    "builtin_tools", "metadata", "output_schema", "parallel_tool_calls", "reasoning_budget", "reasoning_effort",
    "show_reasoning", "tool_choice", "tools", "top_k",
})  # fmt: skip
"""What the API has no field for."""

_SCALARS = (
    "max_tokens", "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "logprobs", "n", "user",
)  # fmt: skip


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request whose prompt is the text of the messages, a blank line between two of them.

    Who said what is not part of a prompt. Raises UnsupportedParameterError for whatever is no text.
    """
    writer = RequestWriter(provider=provider, model=model, profile=profile)
    writer.check(request, UNSUPPORTED)
    prompt = "\n\n".join("".join(_texts(message, place, writer)) for place, message in enumerate(request.messages))
    body: JsonObject = {"model": model, "prompt": prompt}
    values: list[tuple[str, Json]] = [(name, getattr(request, name)) for name in _SCALARS]
    values.append(("stop", list(request.stop) or None))
    body.update((profile.renamed.get(name, name), value) for name, value in values if value is not None)
    if stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    writer.merge(body, request.extra.get(provider, {}))
    accept = "text/event-stream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accept}
    return WireRequest("POST", "/completions", headers, dump_json(body, provider=provider, model=model))


def _texts(message: Message, place: int, writer: RequestWriter) -> Iterator[str]:
    for part in message.parts:
        if isinstance(part, TextPart | RefusalPart):
            yield part.text
        elif not isinstance(part, ReasoningPart | BuiltinToolPart):
            what = f"is sent text alone, and messages[{place}] holds {type(part).__name__}: leave it out"
            writer.cannot(f"{what} or choose a model that chats", "messages")
