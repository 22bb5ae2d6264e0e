"""Recorded Responses requests, read as ours and written again: they must mean the same."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any, cast

import pytest
from corpus import needs_corpora
from hypothesis import example, given
from hypothesis import strategies as st
from wire_recordings import Recording, everything

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    BuiltinTool,
    BuiltinToolPart,
    Message,
    NamedTool,
    OutputSchema,
    Request,
    TextPart,
    Tool,
    ToolResultPart,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_responses import decode, encode, read_request

Body = dict[str, Any]


PNG = b"\x89PNG\r\n\x1a\n...."
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}],
           "encrypted_content": "gAAA", "status": "completed"}  # fmt: skip
CITED = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
        "content": [{"type": "output_text", "text": "So.", "annotations": [CITED], "logprobs": []},
                    {"type": "refusal", "refusal": "No."}]}  # fmt: skip
CALLED = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}",
          "status": "completed", "namespace": "n"}  # fmt: skip
DRAWN = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "revised_prompt": "a cat",
         "result": base64.b64encode(PNG).decode()}  # fmt: skip
SEARCHED = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
OUTPUT = [THOUGHT, SEARCHED, DRAWN, SAID, CALLED]


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
        body = cast("Body", recording.request)
        request = read_request(body, provider=recording.provider)
        again = written(request, provider=recording.provider, stream=bool(body.get("stream")))
        assert meaning(again) == meaning(body), recording.id
        compared += 1
    assert compared > 170


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"input": 7}, "input"),
        ({"input": [7]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [7]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0].input_audio"),
        ({"input": [{"x": 1}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": ["input_text"]}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": 7}]}, "input[0].output"),
        ({"tools": 7}, "tools"),
        ({"tools": [{"name": "x"}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "x", "parameters": 7}]}, "tools[0].parameters"),
        ({"tools": [{"type": "function", "name": "x", "strict": 7}]}, "tools[0].strict"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"parallel_tool_calls": "yes"}, "parallel_tool_calls"),
        ({"metadata": {"a": 1}}, "metadata"),
    ],
)
def test_a_body_that_is_none_is_refused_by_its_place(change: Body, place: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_request({"model": "m", "input": "Hi", **change}, provider="openai")
    assert caught.value.param == place


def test_the_fields_of_a_body_are_ours_and_the_rest_is_the_providers() -> None:
    request = read_request(
        {"model": "m", "instructions": "Be short.", "input": "Hi", "stream": True, "previous_response_id": "resp_1",
         "tools": [{"type": "function", "name": "look", "parameters": {}, "strict": True}, {"type": "web_search"},
                   {"type": "function", "name": "late", "parameters": {}, "defer_loading": True}],
         "tool_choice": {"type": "function", "name": "look"}, "max_output_tokens": 99, "temperature": 0.5,
         "reasoning": {"effort": "low", "summary": "auto", "context": "all_turns"},
         "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}, "verbosity": "low"},
         "include": ["message.output_text.logprobs", "reasoning.encrypted_content"], "top_logprobs": 2,
         "metadata": {"a": "b"}, "user": "u"},
        provider="openai",
    )  # fmt: skip
    assert request == Request(
        model="openai/m",
        messages=(Message.system("Be short."), Message.user("Hi")),
        tools=(Tool("look", "", {}, True),),
        builtin_tools=(
            BuiltinTool("openai", {"type": "web_search"}),
            BuiltinTool("openai", {"type": "function", "name": "late", "parameters": {}, "defer_loading": True}),
        ),
        tool_choice=NamedTool("look"),
        output_schema=OutputSchema({}, "n"),
        max_tokens=99,
        temperature=0.5,
        reasoning_effort="low",
        show_reasoning=True,
        logprobs=2,
        user="u",
        metadata={"a": "b"},
        extra={"openai": {"previous_response_id": "resp_1", "reasoning": {"context": "all_turns"},
                          "text": {"verbosity": "low"}, "include": ["reasoning.encrypted_content"]}},
    )  # fmt: skip


def test_what_the_model_made_of_one_turn_is_read_as_one_message() -> None:
    shot = {"type": "computer_call_output", "call_id": "call_2", "output": {"type": "computer_screenshot"}}
    body: Body = {"model": "m", "input": [{"role": "user", "content": "Hi"}, *OUTPUT,
                                          {"type": "function_call_output", "call_id": "call_1", "output": "seen"}, shot,
                                          {"type": "message", "role": "assistant", "content": "Done."}]}  # fmt: skip
    messages = read_request(body, provider="openai").messages
    assert [message.role for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[1] == Message(
        "assistant",
        decode(json.dumps({"output": OUTPUT}).encode(), provider="openai", model="m", profile=WireProfile()).parts,
    )
    assert messages[2].parts == (
        ToolResultPart("call_1", "seen"), BuiltinToolPart("openai", "computer_call_output", shot))  # fmt: skip
    assert messages[3].parts == (TextPart("Done."),)


keys = ["type", "role", "content", "name", "call_id", "output", "text", "image_url", "format", "schema"]
fields = ["input", "tools", "text", "reasoning", "include", "metadata", "tool_choice", "instructions", "top_logprobs"]
words = st.sampled_from(["", "user", "message", "function", "assistant", "input_text", "json_schema"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=5),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(fields), values))
@example({"input": [{"type": "x", "role": ["system"]}]})
def test_a_body_of_any_shape_is_read_or_refused(body: Body) -> None:
    with suppress(InvalidRequestError):
        assert read_request({"model": "m", **body}, provider="openai").model == "openai/m"
