"""What goes out to the Responses API, judged by OpenAI's own document, and what comes home with the next turn."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from corpus import needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from openai_rules import responses_faults, strict_faults
from wire_recordings import everything

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import (
    AudioPart,
    BuiltinTool,
    BuiltinToolPart,
    CacheMark,
    Citation,
    DocumentPart,
    ImagePart,
    Message,
    NamedTool,
    OutputSchema,
    Part,
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
from unified_api.wire.openai_responses import UNSUPPORTED, decode, encode, read_request

Body = dict[str, Any]
PNG = b"\x89PNG\r\n\x1a\n...."
ASK = Message.user("Hi")
LOOK = Tool("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})


def sent(
    *messages: Message, provider: str = "openai", stream: bool = False, profile: Any = None, **fields: Any
) -> Body:
    request = Request(model=f"{provider}/m", messages=messages or (ASK,), **fields)
    wire = encode(request, provider=provider, model="m", profile=profile or WireProfile(), stream=stream)
    assert (wire.method, wire.path) == ("POST", "/responses")
    body: Body = json.loads(wire.body)
    return body


def own(**content: Any) -> ProviderState:
    return ProviderState("openai", content)


def answered(*output: Body, provider: str = "openai") -> Message:
    body = json.dumps({"status": "completed", "output": output}).encode()
    return Message("assistant", decode(body, provider=provider, model="m", profile=WireProfile()).parts)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
names = st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")
_media = st.one_of(
    st.just(ImagePart(url="https://example.com/a.png", detail="low")),
    st.just(ImagePart(data=PNG)),
    st.just(ImagePart(state=own(file_id="file-1"))),
    st.just(DocumentPart(data=b"%PDF-1.4")),
    st.just(DocumentPart(url="https://example.com/a.pdf", name="a.pdf")),
    st.just(DocumentPart(text="words", name="a.txt")),
    st.just(DocumentPart(state=own(file_id="file-2"))),
)
_told = st.lists(st.builds(TextPart, texts, cache=st.none() | st.just(CacheMark())) | _media, min_size=1, max_size=3)
_made = st.one_of(
    st.builds(TextPart, texts),
    st.builds(TextPart, texts, state=st.just(own(id="msg_1", status="completed", phase="commentary"))),
    st.builds(TextPart, texts, state=st.just(ProviderState("other", {"signature": "x"}))),
    st.builds(RefusalPart, texts),
    st.builds(ReasoningPart, texts),
    st.just(ReasoningPart("Hm.", own(type="reasoning", id="rs_1", summary=[], encrypted_content="gAAA"))),
    st.just(BuiltinToolPart("other", "server_tool_use", {"id": 1})),
    st.just(BuiltinToolPart("openai", "web_search_call", {
        "type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}})),
)  # fmt: skip


@st.composite
def turns(draw: st.DrawFn) -> tuple[Message, ...]:
    """A few turns, in which every call is answered."""
    messages = [Message("system", (TextPart(text),)) for text in draw(st.lists(texts, max_size=2))]
    for number in range(draw(st.integers(1, 3))):
        messages.append(Message("user", tuple(draw(_told))))
        calls = [ToolCallPart(f"call_{number}_{at}", "look", "{}", draw(st.none() | st.just(own(id="fc_1"))))
                 for at in range(draw(st.integers(0, 2)))]  # fmt: skip
        messages.append(Message("assistant", (*draw(st.lists(_made, max_size=3)), *calls)))
        contents = texts | _told.map(tuple)
        if calls:
            messages.append(Message("tool", tuple(ToolResultPart(call.id, draw(contents)) for call in calls)))
    return (*messages, ASK)


@st.composite
def wished(draw: st.DrawFn) -> Request:
    schema: Body = {"type": "object", "properties": {"a": {"type": "string"}}}
    schemas = [schema, {**schema, "required": ["a"], "additionalProperties": False}, {"type": "array", "items": schema}]
    maybe = st.none()
    return Request(
        model="openai/m",
        messages=draw(turns()),
        tools=tuple(Tool(name, draw(texts), schema, draw(maybe | st.booleans()))
                    for name in draw(st.lists(names, max_size=2, unique=True))),
        builtin_tools=tuple(draw(st.lists(st.just(BuiltinTool("openai", {"type": "web_search"})), max_size=1))),
        tool_choice=draw(maybe | st.sampled_from(["auto", "none"])),
        parallel_tool_calls=draw(maybe | st.booleans()),
        output_schema=draw(maybe | st.builds(OutputSchema, st.sampled_from(schemas), names, st.booleans(), texts)),
        temperature=draw(maybe | st.floats(0, 2)),
        top_p=draw(maybe | st.floats(0, 1)),
        max_tokens=draw(maybe | st.integers(16, 9999)),
        reasoning_effort=draw(maybe | st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"])),
        show_reasoning=draw(maybe | st.booleans()),
        logprobs=draw(maybe | st.integers(0, 20)),
        user=draw(maybe | texts),
        metadata=draw(st.dictionaries(texts, texts, max_size=2)),
        extra=draw(st.just({}) | st.just({"openai": {"text": {"verbosity": "low"}, "store": True, "include": [
            "reasoning.encrypted_content"]}})),
    )  # fmt: skip


@needs_corpora
@given(wished(), st.booleans(), st.booleans())
def test_whatever_is_wished_is_a_request_by_openais_document(request: Request, stateless: bool, stream: bool) -> None:
    profile = WireProfile(stateless=stateless, cache_mark="prompt_cache_breakpoint")
    body = json.loads(encode(request, provider="openai", model="gpt-5.1", profile=profile, stream=stream).body)
    assert responses_faults(body) == []
    wanted = body.get("text", {}).get("format", {})
    assert not wanted.get("strict") or strict_faults(wanted["schema"]) == []
    assert len(body.get("include", [])) == len(set(body.get("include", [])))


@needs_corpora
def test_a_recorded_request_that_openais_document_allows_is_one_after_reading_and_writing() -> None:
    judged = 0
    for recording in everything():
        if not recording.path.endswith("/responses") or not isinstance(recording.request, dict):
            continue
        request = read_request(recording.request, provider=recording.provider)
        model = request.model.partition("/")[2]
        body = json.loads(encode(request, provider=recording.provider, model=model, profile=WireProfile()).body)
        if not responses_faults(recording.request):
            assert responses_faults(body) == [], recording.id
            judged += 1
    assert judged > 120


@needs_corpora
@pytest.mark.parametrize(
    "change",
    [
        {"temperature": "hot"},
        {"stop": ["x"]},
        {"tools": [{"type": "function", "function": {"name": "x"}}]},
        {"input": [{"role": "tool", "content": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        {"text": {"format": {"type": "json_schema", "json_schema": {}}}},
        {"reasoning_effort": "low"},
    ],
)
def test_the_document_finds_what_is_wrong(change: Body) -> None:
    body = {"model": "gpt-5.1", "input": [{"role": "user", "content": "x"}]}
    assert responses_faults(body) == []
    assert responses_faults({**body, **change}) != []


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


def test_an_answer_goes_home_as_it_came() -> None:
    turn = (ASK, answered(*OUTPUT), Message("tool", (ToolResultPart("call_1", "seen"),)))
    assert sent(*turn)["input"][1:-1] == OUTPUT


def test_nothing_that_a_provider_wants_back_goes_to_another() -> None:
    parts = tuple(part for part in answered(*OUTPUT).parts if not isinstance(part, ImagePart))
    turn = (ASK, Message("assistant", parts), Message("tool", (ToolResultPart("call_1", "seen"),)))
    assert sent(*turn, provider="xai")["input"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "So.No."},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
    ]


def test_what_a_model_made_can_be_shown_to_it_again() -> None:
    shown = Message("user", tuple(part for part in answered(*OUTPUT).parts if isinstance(part, TextPart | ImagePart)))
    assert sent(shown)["input"][0]["content"] == [
        {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{DRAWN['result']}"},
        {"type": "input_text", "text": "So."},
    ]


def test_what_came_through_another_api_of_the_provider_stays_behind() -> None:
    parts = (ReasoningPart("Hm.", own(reasoning_details=[])), TextPart("So.", state=own(annotations=[])),
             ToolCallPart("call_1", "look", state=own(extra_content={})))  # fmt: skip
    turn = (ASK, Message("assistant", parts), Message("tool", (ToolResultPart("call_1", "seen"),)))
    assert sent(*turn)["input"][1:3] == [
        {"role": "assistant", "content": "So."},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
    ]


def test_texts_of_two_messages_stay_two_and_those_of_one_stay_together() -> None:
    def message(identity: str, *words: str) -> Body:
        parts = [{"type": "output_text", "text": word, "annotations": [], "logprobs": []} for word in words]
        return {"type": "message", "id": identity, "role": "assistant", "status": "completed", "content": parts}

    both = [message("msg_1", "a", "b"), message("msg_2", "c")]
    assert sent(ASK, answered(*both), ASK)["input"][1:-1] == both


def test_an_image_or_sound_of_the_assistant_that_is_no_step_of_a_tool_is_refused() -> None:
    for part in (ImagePart(url="https://a/b.png"), AudioPart(data=b"x", media_type="audio/wav")):
        with pytest.raises(UnsupportedParameterError, match=r"messages\[1\]"):
            sent(ASK, Message("assistant", (part,)), ASK)


def test_a_first_system_message_is_the_instructions_and_a_later_one_part_of_the_input() -> None:
    body = sent(Message.system("Be short."), ASK, Message.system("Now long."), ASK)
    assert body["instructions"] == "Be short."
    assert [item["role"] for item in body["input"]] == ["user", "system", "user"]
    assert sent(Message.system("Alone."))["input"] == [{"role": "system", "content": "Alone."}]


def test_a_tool_may_give_images_and_files() -> None:
    parts = (TextPart("see"), ImagePart(data=PNG), DocumentPart(data=b"%PDF-1", name="a.pdf"))
    call = Message("assistant", (ToolCallPart("call_1", "look"),))
    body = sent(ASK, call, Message("tool", (ToolResultPart("call_1", parts),)))
    shown = base64.b64encode(PNG).decode()
    assert body["input"][-1]["output"] == [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{shown}"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"},
    ]


def test_a_document_by_address_is_sent_as_one_and_by_a_data_address_as_a_file() -> None:
    held = DocumentPart(url="data:application/pdf;base64,JVBERi0x")
    linked = DocumentPart(url="https://a/b.pdf", name="b.pdf")
    assert sent(Message("user", (held, linked)))["input"][0]["content"] == [
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"},
        {"type": "input_file", "filename": "b.pdf", "file_url": "https://a/b.pdf"},
    ]


def test_sound_is_sent_as_data_and_video_is_refused() -> None:
    body = sent(Message("user", (AudioPart(data=b"RIFF", media_type="audio/wav"),)))
    assert body["input"][0]["content"] == [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    ]
    for part in (VideoPart(url="https://a/b.mp4"), AudioPart(url="https://a/b.wav", media_type="audio/wav")):
        with pytest.raises(UnsupportedParameterError):
            sent(Message("user", (part,)))


@pytest.mark.parametrize(
    "part",
    [
        ImagePart(),
        ImagePart(url="https://a", data=PNG),
        ImagePart(data=b"?"),
        ImagePart(state=ProviderState("other", {"file_id": "f"})),
        DocumentPart(),
        DocumentPart(data=b"?"),
        ToolCallPart("call_1", "look"),
        RefusalPart("No."),
    ],
)
def test_a_part_that_no_server_could_be_shown_is_refused(part: Part) -> None:
    with pytest.raises(InvalidRequestError, match=r"messages\[1\]"):
        sent(ASK, Message("user", (part,)))


def test_cache_marks_are_sent_where_the_profile_has_them_and_left_out_elsewhere() -> None:
    marked = Message("user", (TextPart("long", cache=CacheMark("1h")), TextPart("short")))
    assert sent(marked)["input"][0]["content"] == [
        {"type": "input_text", "text": "long"}, {"type": "input_text", "text": "short"}]  # fmt: skip
    body = sent(marked, profile=WireProfile(cache_mark="prompt_cache_breakpoint"))
    assert body["input"][0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}


def test_a_stateless_provider_keeps_nothing_and_gives_its_reasoning_encrypted() -> None:
    body = sent(profile=WireProfile(stateless=True))
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    plain = sent(profile=WireProfile(stateless=True, unsupported=frozenset({"reasoning_effort"})), logprobs=2)
    assert (plain["store"], plain["include"]) == (False, ["message.output_text.logprobs"])
    assert not sent().keys() & {"store", "include"}


@pytest.mark.parametrize("extra", [{"store": True}, {"previous_response_id": "resp_1"}, {"background": True}])
def test_who_builds_on_what_is_stored_is_not_made_stateless(extra: Body) -> None:
    body = sent(profile=WireProfile(stateless=True), extra={"openai": extra})
    assert body.get("store") is extra.get("store")
    assert "include" not in body


def test_parameters_of_the_provider_are_joined_to_ours_and_change_none() -> None:
    schema = OutputSchema({"type": "object", "properties": {}})
    extra = {
        "text": {"verbosity": "low"},
        "reasoning": {"context": "all_turns"},
        "include": ["file_search_call.results"],
    }
    body = sent(output_schema=schema, reasoning_effort="low", logprobs=1, extra={"openai": extra, "other": {"x": 1}})
    assert body["text"].keys() == {"format", "verbosity"}
    assert body["reasoning"] == {"effort": "low", "context": "all_turns"}
    assert body["include"] == ["file_search_call.results", "message.output_text.logprobs"]
    assert "x" not in body
    for more in ({"model": "other"}, {"input": "x"}, {"stream": True}, {"reasoning": {"effort": "high"}}):
        with pytest.raises(InvalidRequestError, match="extra"):
            sent(reasoning_effort="low", extra={"openai": more})


def test_options_of_a_stream_go_with_a_stream_alone() -> None:
    extra = {"openai": {"stream_options": {"include_obfuscation": False}}}
    assert sent(stream=True, extra=extra)["stream_options"] == {"include_obfuscation": False}
    assert not sent(extra=extra).keys() & {"stream", "stream_options"}


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_what_the_api_has_no_field_for_is_refused_by_its_name(name: str) -> None:
    value = ("x",) if name == "stop" else 2
    with pytest.raises(UnsupportedParameterError) as caught:
        sent(**{name: value})
    assert caught.value.param == name


def test_an_optional_argument_stays_optional_and_what_is_said_of_strict_is_kept() -> None:
    """OpenAI makes every property required where nothing is said; recorded: openai-responses-20ce4a5934e2."""
    at = {"at": {"type": "string"}}
    open_map = {"type": "object", "properties": {"m": {"type": "object"}}, "required": ["m"]}
    nested = {"type": "object", "properties": {"l": {"type": "array", "items": {"properties": at}}}, "required": ["l"]}
    schemas: list[tuple[Body, bool | None]] = [
        ({"type": "object", "properties": at}, False),
        ({"type": "object", "properties": at, "required": ["at"]}, None),
        ({"type": "object", "properties": {}}, None),
        ({"type": "object", "properties": {}, "additionalProperties": True}, False),
        (open_map, False),
        (nested, False),
    ]
    for schema, meant in schemas:
        for strict in (None, True, False):
            tool = sent(tools=(Tool("look", "", schema, strict),))["tools"][0]
            assert tool["strict"] is (meant if strict is None else strict), schema


def test_tools_of_the_provider_stand_beside_functions_and_can_be_forced() -> None:
    label = BuiltinTool("openai", {"type": "mcp", "server_label": "docs", "server_url": "https://a"})
    custom = BuiltinTool("openai", {"type": "custom", "name": "shout"})
    search = BuiltinTool("openai", {"type": "web_search_preview"})
    forced = {
        "look": {"type": "function", "name": "look"},
        "docs": {"type": "mcp", "server_label": "docs"},
        "shout": {"type": "custom", "name": "shout"},
        "web_search_preview": {"type": "web_search_preview"},
    }
    for name, choice in forced.items():
        body = sent(tools=(LOOK,), builtin_tools=(label, custom, search), tool_choice=NamedTool(name))
        assert body["tool_choice"] == choice
        assert [tool["type"] for tool in body["tools"]] == ["function", "mcp", "custom", "web_search_preview"]
    with pytest.raises(UnsupportedParameterError) as caught:
        sent(builtin_tools=(search,), provider="xai")
    assert caught.value.param == "builtin_tools"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": NamedTool("other"), "tools": (LOOK,)}, "tool_choice"),
        ({"tool_choice": NamedTool("other")}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": (LOOK, LOOK)}, "tools"),
        ({"tools": (replace(LOOK, name="a b"),)}, "tools"),
        ({"output_schema": OutputSchema({}, name="a b")}, "output_schema"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": float("inf")}, "top_p"),
    ],
)
def test_what_no_server_could_take_is_refused_by_its_name(fields: Body, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        sent(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (Message("assistant", ()),),
        (Message("tool", (ToolResultPart("call_1", "x"),)),),
        (ASK, Message("assistant", (ToolCallPart("call_1", "look"),))),
        (Message("user", (TextPart("Hi"),), name="Ann"),),
        (Message("tool", (TextPart("Hi"),)),),
        (Message("assistant", (ToolResultPart("call_1", "x"),)),),
    ],
)
def test_messages_that_no_server_could_take_are_refused(messages: tuple[Message, ...]) -> None:
    with pytest.raises((InvalidRequestError, UnsupportedParameterError)) as caught:
        encode(Request(model="openai/m", messages=messages), provider="openai", model="m", profile=WireProfile())
    assert caught.value.param == "messages"


def test_a_result_may_answer_a_call_that_the_provider_keeps() -> None:
    result = Message("tool", (ToolResultPart("call_1", "x"),))
    body = sent(result, extra={"openai": {"previous_response_id": "resp_1"}})
    assert body["input"] == [{"type": "function_call_output", "call_id": "call_1", "output": "x"}]


def test_reasoning_that_is_only_an_id_is_not_sent_to_who_kept_nothing() -> None:
    """Azure has been seen to stream reasoning without its encrypted content, and answers its bare id with a 400."""
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    whole = {**bare, "id": "rs_2", "encrypted_content": "x"}
    shown = {**bare, "id": "rs_3", "content": [{"type": "reasoning_text", "text": "hm"}]}
    parts = tuple(ReasoningPart("", ProviderState("openai", item)) for item in (bare, whole, shown))
    turn = Message("assistant", (*parts, TextPart("a")))

    def thoughts(**more: object) -> list[object]:
        return [item for item in sent(ASK, turn, ASK, **more)["input"] if item.get("type") == "reasoning"]

    assert thoughts(profile=WireProfile(stateless=True)) == [whole, shown]
    assert thoughts(profile=WireProfile()) == [bare, whole, shown]
    assert thoughts(profile=WireProfile(stateless=True), extra={"openai": {"store": True}}) == [bare, whole, shown]


def test_other_words_of_a_provider_come_from_its_profile() -> None:
    profile = WireProfile(renamed={"user": "safety_identifier"}, efforts={"*": {"xhigh": "max"}})
    body = sent(profile=profile, user="u", reasoning_effort="xhigh")
    assert (body["safety_identifier"], body["reasoning"]) == ("u", {"effort": "max"})
    with pytest.raises(UnsupportedParameterError) as caught:
        sent(profile=profile, reasoning_effort="low")
    assert caught.value.param == "reasoning_effort"


def test_a_schema_whose_root_is_no_object_is_asked_for_inside_one() -> None:
    form = sent(output_schema=OutputSchema({"type": "array", "items": {"type": "string"}}, "words"))["text"]["format"]
    assert (form["type"], form["name"], form["strict"]) == ("json_schema", "words", True)
    assert form["schema"]["properties"]["value"]["type"] == "array"


def test_citations_of_another_provider_stay_behind() -> None:
    cited = TextPart("So.", (Citation(url="https://a", state=ProviderState("other", {"x": 1})),), own(id="msg_1"))
    assert sent(ASK, Message("assistant", (cited,)), ASK)["input"][1]["content"][0]["annotations"] == []
