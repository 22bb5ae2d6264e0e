"""Recorded Responses requests, read as ours and written again: they must mean the same."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from corpus import needs_corpora
from wire_recordings import Recording, everything

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    AudioPart,
    BuiltinTool,
    BuiltinToolPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Message,
    NamedTool,
    OutputSchema,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_responses import encode, read_request

Body = dict[str, Any]


def requests() -> list[Recording]:
    return [one for one in everything() if one.path.endswith("/responses") and isinstance(one.request, dict)]


def written(request: Request, *, provider: str = "p", stream: bool = False, **profile: Any) -> Body:
    model = request.model.partition("/")[2]
    wire = encode(request, provider=provider, model=model, profile=WireProfile(**profile), stream=stream)
    body: Body = json.loads(wire.body)
    return body


def meaning(body: Body) -> Body:
    """The body in one spelling. What counts as the same, and nothing else:

    * a key that is null, and a key that is absent; `stream: false` and no `stream`; empty `tools`, `include` or
      `metadata` and none; an empty `description` and none; an empty `tool_choice`-less list of tools and `tool_choice`
      "auto" or "none" without any tools (there is nothing to choose);
    * `input` as a text, and as one message of the user; content as a text, and as a list of one `input_text`;
    * `instructions`, and a first message of the system in the input; the roles `developer` and `system`
      (OpenAI turns one into the other, as the model has it);
    * a message with and without `type: message`; `status: completed` and none on what is sent back; ids and
      statuses of messages of the user and the system;
    * an answer without an id as a text, and as a list of `output_text`s; an empty one and none;
    * `output_text` with and without empty `annotations` and `logprobs`;
    * `detail: auto` of an image, and no detail; base64 with and without white space;
    * functions before built-in tools (the order of tools says nothing);
    * `strict: null` and `false` of an output format; and `strict: true` of one that strict decoding does not take by
      OpenAI's documentation, which is sent as guidance (`strict: false`) rather than lost to a refusal;
    * the order of keys and of `include`.
    """
    body = bare({key: value for key, value in body.items() if key not in {"input", "instructions", "stream"}}) | {
        "stream": bool(body.get("stream")),
        "input": items(body),
    }
    tools = sorted(body.get("tools", []), key=lambda tool: tool["type"] != "function")
    body["tools"] = [{key: value for key, value in tool.items() if key != "description" or value} for tool in tools]
    body["include"] = sorted(body.get("include", []))
    if body.get("tool_choice") in ("auto", "none") and not tools and "prompt" not in body:
        del body["tool_choice"]
    form = body.get("text", {}).get("format", {})
    if form.get("type") == "json_schema":
        form["strict"] = bool(form.get("strict"))
    return {key: value for key, value in body.items() if value not in ([], {})}


def items(body: Body) -> list[Body]:
    given = body.get("input") or []
    found = [{"role": "user", "content": given}] if isinstance(given, str) else list(given)
    if body.get("instructions") is not None:
        found.insert(0, {"role": "system", "content": body["instructions"]})
    return [one for one in map(item, found) if one.get("content") != []]


def item(given: Body) -> Body:
    one = bare(given)
    if one.get("status") == "completed":
        del one["status"]
    if "content" not in one or one.get("type", "message") != "message":
        one["output"] = content(one["output"]) if isinstance(one.get("output"), list) else one.get("output")
        return bare(one)
    one.pop("type", None)
    one["role"] = "system" if one["role"] == "developer" else one["role"]
    parts = content(one["content"])
    if one["role"] != "assistant":
        one.pop("id", None)
        one.pop("status", None)
    elif "id" not in one:
        text = "".join(part["text"] for part in parts)
        parts = [{"type": "input_text", "text": text}] if text else []
    return {**one, "content": parts}


def content(given: Any) -> list[Body]:
    return [part(one) for one in ([{"type": "input_text", "text": given}] if isinstance(given, str) else given)]


def part(given: Body) -> Body:
    one = {key: value for key, value in given.items() if value is not None}
    one = {key: value for key, value in one.items() if key not in {"annotations", "logprobs"} or value}
    if one.get("detail") == "auto":
        del one["detail"]
    for key in ("image_url", "file_data"):
        head, comma, tail = one.get(key, "").partition(";base64,")
        if comma:
            one[key] = f"{head};base64,{base64.b64encode(base64.b64decode(tail)).decode()}"
    return one


def bare(value: Any) -> Any:
    """Without keys that are null, at any depth."""
    if isinstance(value, dict):
        return {key: bare(one) for key, one in value.items() if one is not None}
    return [bare(one) for one in value] if isinstance(value, list) else value


@needs_corpora
def test_every_recorded_request_means_the_same_when_it_was_read_and_written() -> None:
    compared = 0
    for recording in requests():
        body: Body = recording.request  # type: ignore[assignment]  # looked at in requests()
        request = read_request(body, provider=recording.provider)
        again = written(request, provider=recording.provider, stream=bool(body.get("stream")))
        assert meaning(again) == meaning(body), recording.id
        compared += 1
    assert compared > 170
