"""Requests of the family read as ours and written again: what was meant must come through."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from corpus import needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from openai_rules import strict_faults
from wire_recordings import Recording, everything

from unified_api.errors import GatewayError, InvalidRequestError
from unified_api.providers import builtin_rows
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
    VideoPart,
)
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_chat import encode, read_request

Body = dict[str, Any]
MARKED = {"openai-chat-360b50eca25b": "prompt_cache_breakpoint"}
"""Recordings of models newer than what their provider's row may say of all: marks in the cache of gpt-5.6."""


def profile_of(recording: Recording) -> WireProfile:
    row = builtin_rows().get(recording.provider)
    if row is None or row.wire != "openai_chat":
        return WireProfile()
    told = row.profile.model_dump(exclude={"unsupported"})
    return WireProfile(**{**told, "cache_mark": MARKED.get(recording.id, told["cache_mark"])})


def chats() -> list[Recording]:
    """Every recorded chat request of the family, whatever was answered."""
    paths = ("/chat/completions", "/v1/chat")
    found = (one for one in everything() if one.path.endswith(paths) and one.provider != "cohere")
    return [one for one in found if isinstance(one.request, dict) and isinstance(one.request.get("messages"), list)]


def meaning(body: Body, *, renumber: bool) -> Body:
    """The request without the freedom that the wire leaves in saying the same. Equal are:

    a key with null or an empty list and none at all; `stream: false` and none; the wish for usage in
    `stream_options`, which is our own, and none; `max_tokens` and its newer name; one stop word and a list of it;
    `developer` and `system`; `any` and `required`; a type `function` said or not; an empty description and none;
    content null, "", [] and none; parts of only text and their texts in one string (lines where people, tools and
    systems speak, joined as they are where models do); an empty text beside other parts and none; an address said
    bare and in an object; arguments with other white space; a `prefix` of false and none; a choice among no tools
    and none; empty lists of annotations and none; a schema without a name and one named `output`; `strict` left
    out, false, and true for a schema that strict decoding refuses. The `index` of a whole call says nothing, and
    agno's own two keys of a function are not part of any server's API. With `renumber`, the ids of calls are
    numbered in order: Mistral prescribes their form and Writer has none.
    """
    body = {name: value for name, value in copy.deepcopy(body).items() if value not in (None, [])}
    body.pop("model", None)
    if body.get("stream_options", {}).pop("include_usage", None) is not None and not body["stream_options"]:
        del body["stream_options"]
    if not body.get("stream"):
        body.pop("stream", None)
    if "max_completion_tokens" in body:
        body["max_tokens"] = body.pop("max_completion_tokens")
    if isinstance(body.get("stop"), str):
        body["stop"] = [body["stop"]]
    if body.get("tool_choice") == "any":
        body["tool_choice"] = "required"
    if not body.get("tools"):
        body.pop("tool_choice", None)
        body.pop("parallel_tool_calls", None)
    if isinstance(body.get("tool_choice"), dict):
        body["tool_choice"].setdefault("type", "function")
    body["tools"] = [_tool(tool) for tool in body.get("tools") or ()]
    if "response_format" in body:
        body["response_format"] = _format(body["response_format"])
    ids: dict[Any, str] = {}
    body["messages"] = [_message(message, ids, renumber=renumber) for message in body["messages"]]
    return body


def _tool(tool: Body) -> Body:
    tool.setdefault("type", "function")
    function = tool.get("function")
    if function is not None:
        for key in ("external_execution", "requires_confirmation"):
            function.pop(key, None)
        if not function.get("description"):
            function.pop("description", None)
    return tool


def _format(wanted: Body) -> Body:
    if wanted["type"] == "json_schema":
        said = wanted["json_schema"]
        said.setdefault("name", "output")
        if not said.get("description"):
            said.pop("description", None)
        said["strict"] = bool(said.get("strict")) and not strict_faults(said["schema"])
    return wanted


def _message(message: Body, ids: dict[Any, str], *, renumber: bool) -> Body:
    message = {name: value for name, value in message.items() if value not in (None, [], False)}
    message["role"] = "system" if message["role"] == "developer" else message["role"]
    content = message.get("content") or ""
    if isinstance(content, list):
        parts = [_part(part) for part in content]
        parts = [part for part in parts if part != {"type": "text", "text": ""}]
        between = "" if message["role"] == "assistant" else "\n"
        plain = all(part.keys() == {"type", "text"} for part in parts)
        content = between.join(part["text"] for part in parts) if plain else parts
    message["content"] = content
    for call in message.get("tool_calls", ()):
        call.setdefault("type", "function")
        call.pop("index", None)
        call["function"]["arguments"] = json.loads(call["function"]["arguments"] or "{}")
        if renumber:
            call["id"] = ids.setdefault(call.get("id"), f"call {len(ids)}")
    if message["role"] == "tool" and renumber:
        message["tool_call_id"] = ids.get(message.get("tool_call_id"), "call 0")
    return message


def _part(part: Body) -> Body:
    part = {name: value for name, value in part.items() if value is not None}
    if isinstance(part.get("image_url"), str):
        part["image_url"] = {"url": part["image_url"]}
    return part


@needs_corpora
def test_every_recorded_request_means_the_same_when_it_is_read_and_written_again() -> None:
    known = chats()
    for recording in known:
        body, profile = recording.request, profile_of(recording)
        assert isinstance(body, dict)
        request = read_request(body, provider=recording.provider, model=recording.model, profile=profile)
        stream = body.get("stream") is True
        wire = encode(request, provider=recording.provider, model=request.model, profile=profile, stream=stream)
        renumber = profile.call_id_length is not None or recording.provider == "writer"
        written = json.loads(wire.body)
        assert meaning(written, renumber=renumber) == meaning(body, renumber=renumber), recording.id
        assert written["model"] == (body.get("model") or recording.model)
    assert len(known) > 300


@needs_corpora
def test_a_recorded_request_is_read_into_the_canonical_fields_and_not_into_the_rest() -> None:
    ours = {"model", "messages", "tools", "tool_choice", "parallel_tool_calls", "temperature", "top_p", "max_tokens",
            "max_completion_tokens", "stop", "seed", "reasoning_effort", "n", "user", "frequency_penalty",
            "presence_penalty", "logprobs", "top_logprobs", "stream", "stream_options"}  # fmt: skip
    for recording in chats():
        body = recording.request
        assert isinstance(body, dict)
        request = read_request(body, provider="p", model="m", profile=profile_of(recording))
        assert not ours & request.extra.get("p", {}).keys(), recording.id
        assert len(request.messages) == len(body["messages"])
        assert len(request.tools) + len(request.builtin_tools) == len(body.get("tools") or ())


def read(profile: WireProfile | None = None, /, **body: Any) -> Request:
    return read_request({"model": "m", "messages": [], **body}, provider="p", profile=profile)


def read_message(message: Body, profile: WireProfile | None = None) -> Message:
    return read(profile, messages=[message]).messages[0]


def state(**content: Any) -> ProviderState:
    return ProviderState("p", content)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a"}, TextPart("a")),
        ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
         TextPart("a", cache=CacheMark("1h"))),
        ({"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
         TextPart("a", cache=CacheMark())),
        ({"type": "image_url", "image_url": {"url": "https://x.example/a", "detail": "low"}},
         ImagePart(url="https://x.example/a", detail="low")),
        ({"type": "image_url", "image_url": "data:image/png;base64,AA=="}, ImagePart(url="data:image/png;base64,AA==")),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
         AudioPart(data=b"\0\0\0", media_type="audio/wav")),
        ({"type": "input_audio", "input_audio": "https://x.example/a.mp3"}, AudioPart(url="https://x.example/a.mp3")),
        ({"type": "video_url", "video_url": {"url": "https://x.example/v"}}, VideoPart(url="https://x.example/v")),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
         DocumentPart(data=b"\0\0\0", media_type="application/pdf", name="a.pdf")),
        ({"type": "file", "file": {"file_data": "AAAA"}}, DocumentPart(data=b"\0\0\0", media_type="application/pdf")),
        ({"type": "file", "file": {"file_data": "https://x.example/a.pdf"}}, DocumentPart(url="https://x.example/a.pdf")),
        ({"type": "file", "file": {"file_id": "file-1"}}, DocumentPart(state=state(file_id="file-1"))),
        ({"type": "file", "file_id": "f1"}, DocumentPart(state=state(file_id="f1"))),
        ({"type": "document_url", "document_url": "https://x.example/a", "document_name": "A"},
         DocumentPart(url="https://x.example/a", name="A")),
        ({"type": "mystery", "x": 1}, BuiltinToolPart("p", "mystery", {"type": "mystery", "x": 1})),
    ],
)  # fmt: skip
def test_parts_of_a_message_are_read(part: Body, expected: object) -> None:
    assert read_message({"role": "user", "content": [part]}).parts == (expected,)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://x.example/a"}, "max_pixels": 9},
        {"type": "image_url", "image_url": {"url": "https://x.example/a", "format": "image/png"}},
        {"type": "video_url", "video_url": {"url": "https://x.example/a"}, "fps": 2},
        {"type": "text", "text": "a", "citations": True},
    ],
)
def test_what_a_part_says_beyond_our_fields_goes_back_to_its_provider_alone(part: Body) -> None:
    request = read(messages=[{"role": "user", "content": [{"type": "text", "text": "x"}, part]}])
    profile = WireProfile(video_url=True)

    def written(provider: str) -> Body:
        body: Body = json.loads(encode(request, provider=provider, model="m", profile=profile).body)
        return body["messages"][0]["content"]

    assert written("p") == [{"type": "text", "text": "x"}, part]
    assert written("other") != written("p")


def test_calls_of_custom_tools_keep_their_plain_input() -> None:
    tool = {"type": "custom", "custom": {"name": "sql", "description": "runs SQL"}}
    call = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    turns = [{"role": "assistant", "content": "", "tool_calls": [call]},
             {"role": "tool", "tool_call_id": "c1", "content": "1"}]  # fmt: skip
    request = read(messages=turns, tools=[tool])
    assert request.builtin_tools == (BuiltinTool("p", tool),)
    assert request.messages[0].parts == (ToolCallPart("c1", "sql", "select 1", state(type="custom")),)
    body = json.loads(encode(request, provider="p", model="m", profile=WireProfile()).body)
    assert body["messages"][0]["tool_calls"] == [call]


def test_old_functions_are_tools_and_their_results_answer_the_call_before() -> None:
    request = read(
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
        messages=[
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
            {"role": "function", "name": "f", "content": "1"},
        ],
    )
    assert request.tools == (Tool("f", parameters={"type": "object"}),)
    assert request.tool_choice == NamedTool("f")
    assert request.messages == (
        Message("assistant", (ToolCallPart("call_0", "f", '{"a":1}'),)),
        Message("tool", (ToolResultPart("call_0", "1"),)),
    )


def test_calls_and_results_without_ids_are_matched_in_their_order() -> None:
    calls = [{"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g", "arguments": {"a": 1}}}]
    results = [{"role": "tool", "content": "one"}, {"role": "tool", "content": [{"type": "text", "text": "two"}]}]
    turn, *answers = read(messages=[{"role": "assistant", "tool_calls": calls}, *results]).messages
    assert [part.id for part in turn.parts if isinstance(part, ToolCallPart)] == ["call_0", "call_1"]
    assert [answer.parts for answer in answers] == [
        (ToolResultPart("call_0", "one"),),
        (ToolResultPart("call_1", (TextPart("two"),)),),
    ]


def test_an_assistants_turn_keeps_its_thinking_refusal_sound_and_what_only_its_provider_knows() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    message = {"role": "assistant", "content": "a", "reasoning": "hm", "reasoning_details": details, "refusal": "no",
               "audio": {"id": "audio_1"}, "annotations": [{"type": "file", "file": {"hash": "h"}}]}  # fmt: skip
    assert read_message(message).parts == (
        ReasoningPart("hm", state(reasoning_details=details, reasoning="hm")),
        TextPart("a"),
        RefusalPart("no"),
        AudioPart(state=state(id="audio_1")),
        TextPart("", state=state(annotations=message["annotations"])),
    )


def test_plain_thinking_is_plain_where_the_model_wants_it_back_and_opaque_elsewhere() -> None:
    message = {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    wanted = read_message(message, WireProfile(reasoning_back="reasoning_content"))
    assert wanted.parts == (ReasoningPart("hm"), TextPart("a"))
    assert read_message(message).parts == (ReasoningPart("hm", state(reasoning_content="hm")), TextPart("a"))


def test_thinking_shown_by_the_system_goes_back_as_it_came() -> None:
    block = {"type": "thinking", "thinking": [{"type": "text", "text": "..."}], "closed": True}
    message = {"role": "system", "content": [{"type": "text", "text": "Think:"}, block]}
    assert read_message(message).parts == (TextPart("Think:"), BuiltinToolPart("p", "thinking", block))
    request = read(messages=[message])
    written = json.loads(encode(request, provider="p", model="m", profile=WireProfile()).body)
    assert written["messages"] == [message]


def test_what_is_no_field_of_ours_stays_for_its_provider() -> None:
    request = read(response_format={"type": "json_object"}, prompt_cache_key="k", tool_choice={"type": "allowed_tools"})
    assert request.extra == {
        "p": {
            "response_format": {"type": "json_object"},
            "prompt_cache_key": "k",
            "tool_choice": {"type": "allowed_tools"},
        }
    }
    assert read(response_format={"type": "text"}, stream_options={"include_usage": True}, stream=True).extra == {}
    assert read(stream_options={"include_obfuscation": False}).extra == {
        "p": {"stream_options": {"include_obfuscation": False}}
    }


def test_parameters_are_read_from_where_the_profile_puts_them() -> None:
    profile = WireProfile(
        renamed={
            "seed": "random_seed",
            "reasoning_budget": "reasoning.max_tokens",
            "show_reasoning": "!reasoning.exclude",
        },
        efforts={"*": {"none": {"thinking": {"type": "disabled"}}, "high": "max"}},
    )
    request = read(profile, random_seed=3, reasoning={"max_tokens": 9, "exclude": True, "enabled": True})
    assert (request.seed, request.reasoning_budget, request.show_reasoning) == (3, 9, False)
    assert request.extra == {"p": {"reasoning": {"enabled": True}}}
    assert read(profile, thinking={"type": "disabled"}).reasoning_effort == "none"
    assert read(profile, reasoning_effort="max").reasoning_effort == "high"
    for said in ({"reasoning_effort": "max"}, {"reasoning": {"effort": "max", "exclude": True}}):
        unknown = read(WireProfile(renamed={"reasoning_effort": "reasoning.effort"}), **said)
        assert (unknown.reasoning_effort, unknown.extra) == (None, {"p": said})


def test_parameters_are_read_into_their_fields() -> None:
    request = read(
        tools=[{"function": {"name": "f", "strict": True}}, {"type": "web_search"}], tool_choice="any", stop="END",
        response_format={"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}, logprobs=True,
        top_logprobs=2, n=2, top_k=3, max_completion_tokens=4.0, temperature=1, metadata={"a": "b"}, user="u",
    )  # fmt: skip
    assert request == Request(
        model="m", messages=(), tools=(Tool("f", strict=True),), tool_choice="required", stop=("END",),
        builtin_tools=(BuiltinTool("p", {"type": "web_search"}),), logprobs=2, n=2, top_k=3, max_tokens=4,
        output_schema=OutputSchema({"type": "object"}, strict=False), temperature=1.0, metadata={"a": "b"}, user="u",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, r"messages\[0\]"),
        ({"messages": [{"role": "robot"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "user", "content": 7}]}, r"messages\[0\].content"),
        ({"messages": [{"role": "user", "content": [{"text": "a"}]}]}, r"messages\[0\].content\[0\].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, r"content\[0\].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, r"content\[0\].image_url"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, r"content\[0\].file"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "?!"}}]}]},
            "base64",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"type": "custom"}]}]}, r"tool_calls\[0\]"),
        ({"model": 7}, "model"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stop": [1]}, "stop"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, r"tools\[0\]"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"response_format": "json"}, "response_format"),
        ({"metadata": []}, "metadata"),
    ],
)
def test_what_is_no_request_is_refused_with_its_place(body: Body, place: str) -> None:
    with pytest.raises(InvalidRequestError, match=place):
        read(**body)


def test_a_request_without_a_model_needs_to_be_told_one() -> None:
    with pytest.raises(InvalidRequestError, match="model is missing"):
        read_request({"messages": []}, provider="p")
    assert read_request({"messages": []}, provider="p", model="deployment").model == "deployment"


KEYS = st.sampled_from(
    ["role", "content", "type", "text", "image_url", "input_audio", "file", "tool_calls", "function", "name", "id",
     "reasoning_details", "audio", "url", "data", "arguments", "tool_call_id", "annotations"]
)  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "user", "assistant", "tool", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
NAMES = ["messages", "tools", "tool_choice", "response_format", "stop", "metadata", "logprobs", "stream_options"]


@given(st.dictionaries(st.sampled_from(NAMES), JUNK), st.sampled_from(["user", "assistant", "tool"]), JUNK)
def test_no_shape_of_request_makes_the_reader_crash(body: Body, role: str, content: Any) -> None:
    more = content if isinstance(content, dict) else {}
    for given_ in ({"model": "m", **body}, {"model": "m", "messages": [{**more, "role": role, "content": content}]}):
        with suppress(GatewayError):
            request = read_request(given_, provider="p")
            encode(request, provider="p", model="m", profile=WireProfile())
