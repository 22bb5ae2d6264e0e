"""What the Messages API is sent for a canonical request, and what it is not sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from corpus import needs_corpora
from wire_recordings import everything

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.fitting import blames_schema
from unified_api.gateway import Gateway
from unified_api.in_words import is_about_this_call
from unified_api.providers import builtin_rows
from unified_api.settings import Environment, Settings
from unified_api.testing import FaultyTransport, HttpAnswer, ManualClock
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
from unified_api.wire.anthropic import UNSUPPORTED, encode
from unified_api.wire.base import WireProfile, WireRequest

PNG = b"\x89PNG\r\n\x1a\n...."
HI = Message.user("hi")
CALL = Message("assistant", (ToolCallPart("t1", "f", '{"a": 1}'),))


def written(
    *messages: Message, model: str = "m", profile: WireProfile | None = None, stream: bool = False, **fields: Any
) -> WireRequest:
    request = Request(model="m", messages=messages or (HI,), **fields)
    return encode(request, provider="anthropic", model=model, profile=profile or WireProfile(), stream=stream)


def body(*messages: Message, **fields: Any) -> dict[str, Any]:
    return dict(json.loads(written(*messages, **fields).body))


def content(*parts: Part, role: str = "user") -> list[dict[str, Any]]:
    messages = (Message(role, parts),) if role == "user" else (HI, Message(role, parts), HI)  # type: ignore[arg-type]  # a role
    turns = [turn for turn in body(*messages)["messages"] if turn["role"] == role]
    return [block for turn in turns for block in turn["content"]]


def own(**state: Any) -> ProviderState:
    return ProviderState("anthropic", state)


def foreign(**state: Any) -> ProviderState:
    return ProviderState("google", state)


def refused(param: str, match: str, *messages: Message, **fields: Any) -> None:
    with pytest.raises(InvalidRequestError, match=match) as raised:
        written(*messages, **fields)
    assert raised.value.param == param


def claude(model: str) -> WireProfile:
    """What the built-in row says of a model."""
    row = builtin_rows()["anthropic"]
    return row.profile.for_wire(row.unsupported_by(model))


def told(model: str, **fields: Any) -> dict[str, Any]:
    return body(model=model, profile=claude(model), **fields)


def test_the_address_the_headers_and_the_least_body() -> None:
    request = written(model="claude-x")
    assert (request.method, request.path) == ("POST", "/messages")
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["accept"] == "application/json"
    said = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    assert json.loads(request.body) == {"model": "claude-x", "max_tokens": 4096, "messages": [said]}


def test_a_stream_is_asked_for() -> None:
    request = written(stream=True)
    assert json.loads(request.body)["stream"] is True
    assert request.headers["accept"] == "text/event-stream"


def test_scalars_have_their_names_here() -> None:
    sent = body(max_tokens=7, temperature=0.5, top_p=0.9, top_k=4, stop=("a", "b"), user="u-1")
    assert (sent["max_tokens"], sent["temperature"], sent["top_p"], sent["top_k"]) == (7, 0.5, 0.9, 4)
    assert (sent["stop_sequences"], sent["metadata"]) == (["a", "b"], {"user_id": "u-1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1),
        ("logprobs", 0),
        ("n", 2),
        ("frequency_penalty", 0.1),
        ("presence_penalty", 0.1),
        ("metadata", {"a": "b"}),
    ],
)
def test_a_field_without_words_here_is_refused_by_name(name: str, value: object) -> None:
    assert name in UNSUPPORTED
    refused(name, name, **{name: value})


def test_a_field_that_the_model_cannot_take_is_refused_by_name() -> None:
    refused("top_k", "top_k", top_k=3, profile=WireProfile(unsupported=frozenset({"top_k"})))


def test_the_system_messages_before_all_others_are_the_system_field() -> None:
    sent = body(Message.system("one"), Message("system", (TextPart("two", cache=CacheMark("1h")),)), HI)
    assert sent["system"] == [
        {"type": "text", "text": "one"},
        {"type": "text", "text": "two", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert [turn["role"] for turn in sent["messages"]] == ["user"]


def test_a_later_system_message_is_a_turn_of_its_own_where_the_model_takes_it() -> None:
    talk = (Message.system("be kind"), HI, Message.assistant("hello"), Message.system("be brief"), Message.user("bye"))
    sent = body(*talk, profile=WireProfile(system_turns=("claude-opus-4-8*",)), model="claude-opus-4-8")
    assert [(turn["role"], turn["content"][0]["text"]) for turn in sent["messages"]] == [
        ("user", "hi"), ("assistant", "hello"), ("user", "bye"), ("system", "be brief"),
    ]  # fmt: skip
    assert sent["system"] == [{"type": "text", "text": "be kind"}]


def test_a_later_system_message_is_told_in_the_turn_beside_it_where_the_model_does_not() -> None:
    talk = (HI, Message.assistant("hello"), Message.system("be brief"), Message.user("bye"))
    last = body(*talk, profile=WireProfile(system_turns=("claude-opus-4-8*",)), model="claude-3-haiku")["messages"][-1]
    assert [block["text"] for block in last["content"]] == ["<system>be brief</system>", "bye"]
    alone = body(HI, Message.assistant("a"), Message.system("go on"), profile=WireProfile(system_turns=("*",)))
    assert alone["messages"][-1] == {"role": "user", "content": [{"type": "text", "text": "<system>go on</system>"}]}


def test_one_role_without_a_pause_is_one_turn_with_tool_results_first() -> None:
    results = (ToolResultPart("t1", "one"), ToolResultPart("t2", "two", failed=True))
    sent = body(HI, CALL, Message.user("and?"), Message("tool", results[:1]), Message("tool", results[1:]))["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "user"]
    assert sent[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
        {"type": "tool_result", "tool_use_id": "t2", "content": "two", "is_error": True},
        {"type": "text", "text": "and?"},
    ]


def test_images_are_sent_as_bytes_addresses_and_files() -> None:
    encoded = base64.b64encode(PNG).decode()
    sent = content(
        ImagePart(data=PNG),
        ImagePart(url="https://a.example/b.png", cache=CacheMark()),
        ImagePart(url=f"data:image/webp;base64,{encoded}"),
        ImagePart(state=own(file_id="file_1")),
    )
    assert [block["source"] for block in sent] == [
        {"type": "base64", "media_type": "image/png", "data": encoded},
        {"type": "url", "url": "https://a.example/b.png"},
        {"type": "base64", "media_type": "image/webp", "data": encoded},
        {"type": "file", "file_id": "file_1"},
    ]
    assert sent[1]["cache_control"] == {"type": "ephemeral"}


def test_documents_are_sent_as_pdf_address_text_and_file_with_what_they_are_called() -> None:
    sent = content(
        DocumentPart(data=b"%PDF-1.7", name="a.pdf", state=own(citations={"enabled": True}, context="old")),
        DocumentPart(url="https://a.example/b.pdf", media_type="application/pdf"),
        DocumentPart(text="words"),
        DocumentPart(data="Wörter".encode(), media_type="text/markdown"),
        DocumentPart(state=own(file_id="file_1")),
        DocumentPart(state=own(source={"type": "content", "content": []})),
    )
    pdf = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF-1.7").decode()}
    named = {"title": "a.pdf", "citations": {"enabled": True}, "context": "old"}
    assert sent[0] == {"type": "document", "source": pdf, **named}
    assert [block["source"] for block in sent[1:]] == [
        {"type": "url", "url": "https://a.example/b.pdf"},
        {"type": "text", "media_type": "text/plain", "data": "words"},
        {"type": "text", "media_type": "text/plain", "data": "Wörter"},
        {"type": "file", "file_id": "file_1"},
        {"type": "content", "content": []},
    ]


@pytest.mark.parametrize(
    ("part", "match"),
    [
        (AudioPart(data=b"x", media_type="audio/wav"), "takes no AudioPart"),
        (VideoPart(url="https://a.example/v.mp4"), "takes no VideoPart"),
        (ImagePart(data=PNG, detail="low"), "detail 'low'"),
        (ImagePart(data=b"??"), "media_type"),
        (ImagePart(url="gs://bucket/a.png"), "cannot fetch 'gs://bucket/a.png'"),
        (ImagePart(url="data:image/png,raw"), "data address"),
        (ImagePart(), "either a url or data"),
        (ImagePart(state=foreign(file_uri="x")), "either a url or data"),
        (DocumentPart(data=b"PK..", media_type="application/msword"), "application/msword"),
        (DocumentPart(data=b"\xff", media_type="text/plain"), "UTF-8"),
        (DocumentPart(), "either a url or data"),
        (ToolResultPart("t", (AudioPart(data=b"x"),)), "takes no AudioPart"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_named(part: Part, match: str) -> None:
    refused("messages", match, Message("user", (part,)))


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("system", ImagePart(data=PNG)), ("user", ToolCallPart("t", "f")), ("assistant", ImagePart(data=PNG)),
        ("assistant", ToolResultPart("t", "x")), ("tool", TextPart("x")), ("user", ReasoningPart("hm")),
    ],
)  # fmt: skip
def test_a_part_in_a_role_that_cannot_hold_it_is_refused(role: Any, part: Part) -> None:
    refused("messages", type(part).__name__, HI, Message(role, (part,)))


def test_the_name_of_a_speaker_is_refused() -> None:
    refused("messages", "'bob'", Message("user", (TextPart("hi"),), name="bob"))


def test_a_request_needs_something_to_say() -> None:
    with pytest.raises(InvalidRequestError, match="at least one message"):
        encode(Request(model="m", messages=()), provider="anthropic", model="m", profile=WireProfile())
    refused("messages", "nothing to send", Message.system("alone"))
    refused("temperature", "finite", temperature=float("nan"))


def test_a_tool_result_may_hold_text_images_and_documents() -> None:
    parts = (TextPart("seen:"), ImagePart(data=PNG), DocumentPart(text="words"))
    sent = body(HI, CALL, Message("tool", (ToolResultPart("t1", parts, cache=CacheMark("5m")),)))
    block = sent["messages"][-1]["content"][0]
    assert [inner["type"] for inner in block["content"]] == ["text", "image", "document"]
    assert block["cache_control"] == {"type": "ephemeral", "ttl": "5m"}


def test_a_call_goes_back_as_the_object_it_was() -> None:
    call = ToolCallPart("t1", "f", '{"a": [1]}', own(caller={"type": "direct"}), CacheMark())
    assert content(call, role="assistant") == [
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1]}, "caller": {"type": "direct"},
         "cache_control": {"type": "ephemeral"}},
    ]  # fmt: skip
    assert content(ToolCallPart("t1", "f", ""), role="assistant")[0]["input"] == {}
    assert content(ToolCallPart("t1", "f", '{"a": '), role="assistant")[0]["input"] == {"INVALID_JSON": '{"a": '}
    assert content(ToolCallPart("t1", "f", "[1]"), role="assistant")[0]["input"] == {"INVALID_JSON": "[1]"}


def test_opaque_state_goes_home_only() -> None:
    mine = (
        ReasoningPart("so", own(signature="SIG")),
        ReasoningPart("", own(data="XXX")),
        BuiltinToolPart("anthropic", "server_tool_use", {"type": "server_tool_use", "id": "s"}),
    )
    theirs = (
        ReasoningPart("so", foreign(thoughtSignature="S")),
        ReasoningPart("bare"),
        BuiltinToolPart("google", "executableCode", {"executableCode": {}}),
        ToolCallPart("t1", "f", "{}", foreign(thoughtSignature="S")),
        TextPart("a", (Citation(url="https://a.example", state=foreign(x=1)),), foreign(thoughtSignature="S")),
    )
    assert content(*mine, role="assistant") == [
        {"type": "thinking", "thinking": "so", "signature": "SIG"},
        {"type": "redacted_thinking", "data": "XXX"},
        {"type": "server_tool_use", "id": "s"},
    ]
    assert content(*theirs, role="assistant") == [
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        {"type": "text", "text": "a"},
    ]


def test_a_turn_of_nothing_but_foreign_state_is_left_out() -> None:
    sent = body(HI, Message("assistant", (ReasoningPart("bare"),)), Message.user("well?"))["messages"]
    assert sent == [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "well?"}]}]


def test_a_refusal_goes_back_as_its_words() -> None:
    assert content(RefusalPart("No."), role="assistant") == [{"type": "text", "text": "No."}]


def test_citations_go_back_on_the_piece_of_text_that_they_support() -> None:
    one, two = own(type="page_location", start_page_number=1), own(type="page_location", start_page_number=2)
    part = TextPart(
        "A fact. And more.\n",
        (
            Citation(start=0, end=7, state=one),
            Citation(start=0, end=7, state=two),
            Citation(start=8, end=17, state=two),
        ),
        cache=CacheMark(),
    )
    assert content(part, role="assistant") == [
        {"type": "text", "text": "A fact. ", "citations": [one.content, two.content]},
        {"type": "text", "text": "And more.\n", "citations": [two.content], "cache_control": {"type": "ephemeral"}},
    ]


@pytest.mark.parametrize("span", [(None, None), (0, 99), (3, 3), (-2, 2)])
def test_a_citation_that_spans_no_piece_supports_the_whole_text(span: tuple[int | None, int | None]) -> None:
    part = TextPart("a fact", (Citation(start=span[0], end=span[1], state=own(type="char_location")),))
    assert content(part, role="assistant") == [
        {"type": "text", "text": "a fact", "citations": [{"type": "char_location"}]},
    ]


def test_blank_text_is_left_out_because_the_server_refuses_it() -> None:
    assert content(TextPart("\n"), TextPart("a"), TextPart("")) == [{"type": "text", "text": "a"}]


def test_the_container_of_the_last_answer_is_asked_for_again() -> None:
    answer = Message("assistant", (TextPart("a"), BuiltinToolPart("anthropic", "container", {"id": "c_1"})))
    sent = body(HI, answer, Message.user("go on"))
    assert sent["container"] == "c_1"
    assert sent["messages"][1]["content"] == [{"type": "text", "text": "a"}]
    assert body(HI, answer, HI, extra={"anthropic": {"container": "c_2"}})["container"] == "c_2"
    assert "container" not in body(HI, answer, HI, Message.assistant("b"), HI)


def test_tools_of_ones_own_and_of_the_provider() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    sent = body(
        tools=(Tool("f", "does f", {"type": "object"}, strict=True, cache=CacheMark()), Tool("g")),
        builtin_tools=(BuiltinTool("anthropic", search),),
    )
    assert sent["tools"] == [
        {"name": "f", "description": "does f", "input_schema": {"type": "object"}, "strict": True,
         "cache_control": {"type": "ephemeral"}},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
        search,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("none", False, {"type": "none"}),
        (NamedTool("f"), False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", True, {"type": "any", "disable_parallel_tool_use": False}),
    ],
)
def test_tool_choices(choice: Any, parallel: bool | None, expected: object) -> None:
    sent = body(tools=(Tool("f"),), tool_choice=choice, parallel_tool_calls=parallel)
    assert sent.get("tool_choice") == expected


def test_tools_that_cannot_be_are_refused() -> None:
    refused("tools", "no name of a tool", tools=(Tool("a b"),))
    refused("tools", "two tools", tools=(Tool("f"), Tool("f")))
    refused("tool_choice", "'g'", tools=(Tool("f"),), tool_choice=NamedTool("g"))
    refused("tool_choice", "no tools", tool_choice="required")
    refused("builtin_tools", "'google' runs", builtin_tools=(BuiltinTool("google", {"type": "google_search"}),))


def test_a_named_tool_may_be_one_that_the_provider_runs() -> None:
    tool = BuiltinTool("anthropic", {"type": "web_search_20250305", "name": "web_search"})
    sent = body(builtin_tools=(tool,), tool_choice=NamedTool("web_search"))
    assert sent["tool_choice"] == {"type": "tool", "name": "web_search"}
    servers = [{"type": "url", "name": "wiki", "url": "https://mcp.example"}]
    assert body(extra={"anthropic": {"mcp_servers": servers}}, tool_choice="required")["tool_choice"] == {"type": "any"}


def test_extra_parameters_go_to_their_provider_and_override_nothing() -> None:
    sent = body(
        extra={"anthropic": {"service_tier": "auto", "output_config": {"task_budget": 9}}, "google": {"x": 1}},
        output_schema=OutputSchema({"type": "object", "properties": {}}),
    )
    assert sent["service_tier"] == "auto"
    assert sent["output_config"].keys() == {"task_budget", "format"}
    assert "x" not in sent
    refused("extra", "'temperature'", extra={"anthropic": {"temperature": 1}}, temperature=0.5)
    refused("extra", "'metadata'", extra={"anthropic": {"metadata": {"user_id": "b"}}}, user="a")
    for name in ("model", "messages", "stream", "max_tokens"):
        refused("extra", name, extra={"anthropic": {name: 1}})


def test_beta_features_are_a_header() -> None:
    request = written(extra={"anthropic": {"anthropic_beta": ["mcp-client-2025-11-20", "files-api-2025-04-14"]}})
    assert request.headers["anthropic-beta"] == "mcp-client-2025-11-20,files-api-2025-04-14"
    assert "anthropic_beta" not in json.loads(request.body)
    for betas in ("one", ["a\r\nx-evil: 1"], ["ü"], ["\ud800"], [""], ["a", 1], [[["x"] * 9] * 900]):
        refused("extra", "anthropic_beta", extra={"anthropic": {"anthropic_beta": betas}})


def test_half_an_emoji_is_refused_in_words() -> None:
    with pytest.raises(InvalidRequestError, match="Unicode"):
        written(Message.user("\ud83d"))


@pytest.mark.parametrize(
    ("model", "wish", "thinking", "effort", "max_tokens"),
    [
        ("claude-sonnet-4-5", {}, None, None, 16_000),
        ("claude-3-haiku-20240307", {}, None, None, 4096),
        ("claude-sonnet-4-5", {"reasoning_budget": 3000}, {"type": "enabled", "budget_tokens": 3000}, None, 19_000),
        ("claude-sonnet-4-5", {"reasoning_effort": "low"}, {"type": "enabled", "budget_tokens": 2048}, None, 18_048),
        ("claude-opus-4-1", {"reasoning_effort": "xhigh"}, {"type": "enabled", "budget_tokens": 24_000}, None, 32_000),
        ("claude-haiku-4-5", {"reasoning_effort": "high", "max_tokens": 6000},
         {"type": "enabled", "budget_tokens": 3000}, None, 6000),
        ("claude-haiku-4-5", {"reasoning_effort": "high", "reasoning_budget": 1024, "show_reasoning": False},
         {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}, None, 17_024),
        ("claude-haiku-4-5", {"show_reasoning": True},
         {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}, None, 17_024),
        ("claude-haiku-4-5", {"show_reasoning": False}, None, None, 16_000),
        ("claude-3-haiku-20240307", {"reasoning_effort": "none", "show_reasoning": False}, None, None, 4096),
        ("claude-opus-4-6", {"reasoning_effort": "minimal"}, {"type": "adaptive"}, "low", 16_000),
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"type": "between_tools"}, None, 16_000),
        ("claude-sonnet-5-5", {"reasoning_effort": "xhigh"}, {"type": "adaptive"}, "xhigh", 16_000),
        ("claude-haiku-5-5", {"reasoning_effort": "none"}, {"type": "disabled"}, None, 16_000),
        ("claude-haiku-4-5", {"reasoning_effort": "none"}, {"type": "disabled"}, None, 16_000),
        ("claude-haiku-4-5", {"reasoning_budget": 0}, {"type": "disabled"}, None, 16_000),
        ("claude-opus-4-8", {"reasoning_effort": "xhigh", "show_reasoning": True},
         {"type": "adaptive", "display": "summarized"}, "xhigh", 16_000),
        ("claude-opus-4-8", {"reasoning_effort": "minimal", "max_tokens": 100}, {"type": "adaptive"}, "low", 100),
        ("claude-opus-4-8", {"show_reasoning": True}, {"type": "adaptive", "display": "summarized"}, None, 16_000),
        ("claude-opus-4-8", {"show_reasoning": False}, None, None, 16_000),
        ("claude-opus-4-8", {"reasoning_effort": "none"}, {"type": "disabled"}, None, 16_000),
        ("claude-sonnet-4-6", {"reasoning_effort": "medium", "reasoning_budget": 2000},
         {"type": "enabled", "budget_tokens": 2000}, "medium", 18_000),
    ],
)  # fmt: skip
def test_each_model_is_told_to_think_in_its_own_way(
    model: str, wish: dict[str, Any], thinking: object, effort: str | None, max_tokens: int
) -> None:
    sent = told(model, **wish)
    assert sent.get("thinking") == thinking
    assert sent.get("output_config", {}).get("effort") == effort
    assert sent["max_tokens"] == max_tokens


def test_wishes_for_thinking_that_cannot_be_told_are_refused() -> None:
    def no(param: str, match: str, model: str, **fields: Any) -> None:
        refused(param, match, model=model, profile=claude(model), **fields)

    no("reasoning_budget", "must be less than max_tokens", "claude-haiku-4-5", reasoning_budget=4000, max_tokens=4000)
    no("reasoning_budget", "1024 or more", "claude-haiku-4-5", reasoning_budget=100)
    no("reasoning_budget", "contradicts", "claude-haiku-4-5", reasoning_budget=2000, reasoning_effort="none")
    no("reasoning_effort", "raise max_tokens", "claude-haiku-4-5", reasoning_effort="low", max_tokens=1024)
    no("show_reasoning", "raise max_tokens", "claude-haiku-4-5", show_reasoning=True, max_tokens=1024)
    no("reasoning_effort", "always thinks", "claude-fable-5", reasoning_effort="none")
    no("reasoning_effort", "'xhigh'.*'high', 'low', 'medium'", "claude-opus-4-6", reasoning_effort="xhigh")
    no("reasoning_effort", "'xhigh'", "claude-mythos-preview", reasoning_effort="xhigh")
    for name, value in {"reasoning_effort": "low", "reasoning_budget": 2000, "show_reasoning": True}.items():
        for model in ("claude-3-haiku-20240307", "claude-3-5-sonnet-latest", "claude-3-opus-latest"):
            no(name, f"cannot think: leave {name} out", model, **{name: value})
    no("reasoning_budget", "reasoning_budget", "claude-opus-4-8", reasoning_budget=2000)
    no("reasoning_effort", "reasoning_effort", "claude-3-5-haiku-latest", reasoning_effort="low")
    no("temperature", "temperature", "claude-opus-5", temperature=0.3)
    profile = WireProfile(reasoning_style={"*": "adaptive"}, efforts={"*": {"high": "high"}})
    refused("reasoning_effort", "no word for the effort 'low'", reasoning_effort="low", profile=profile)


@pytest.mark.parametrize(
    ("param", "value", "good"),
    [("temperature", 0.2, 1.0), ("top_k", 5, None), ("top_p", 0.5, 0.95), ("tool_choice", "required", "auto")],
)
def test_what_counted_thinking_cannot_stand_beside_is_refused(param: str, value: object, good: object) -> None:
    asked = {"model": "claude-haiku-4-5", "profile": claude("claude-haiku-4-5"), "tools": (Tool("f"),)}
    refused(param, "while it thinks", reasoning_budget=2000, **{param: value}, **asked)
    assert body(reasoning_budget=2000, **{param: good}, **asked)["thinking"]["type"] == "enabled"
    assert body(reasoning_effort="none", **{param: value}, **asked)["thinking"] == {"type": "disabled"}
    assert told("claude-sonnet-5", reasoning_effort="low", tools=(Tool("f"),), tool_choice="required")["tool_choice"]


@pytest.mark.parametrize(
    ("param", "value", "good"), [("temperature", 0.2, 1.0), ("top_k", 5, None), ("top_p", 0.5, 0.95)]
)
def test_what_thinking_by_effort_cannot_stand_beside_is_refused(param: str, value: object, good: object) -> None:
    asked = {"model": "claude-sonnet-4-6", "profile": claude("claude-sonnet-4-6"), "tools": (Tool("f"),)}
    refused(param, "while it thinks", reasoning_effort="low", **{param: value}, **asked)
    assert (
        body(reasoning_effort="low", tool_choice="required", **{param: good}, **asked)["thinking"]["type"] == "adaptive"
    )
    assert body(reasoning_effort="none", **{param: value}, **asked)[param] == value


def test_a_model_that_cannot_be_made_to_call_a_tool_is_not_asked_to() -> None:
    tools = (Tool("f"),)
    for model in ("claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1", "claude-mythos-5-1"):
        for choice in ("required", NamedTool("f")):
            fields: dict[str, Any] = {"model": model, "profile": claude(model), "tools": tools, "tool_choice": choice}
            refused("tool_choice", f"'{model}' cannot be made to call a tool", **fields)
        assert told(model, tools=tools, tool_choice="auto")["tool_choice"] == {"type": "auto"}
        assert told(model, tools=tools, tool_choice="none", parallel_tool_calls=False)["tool_choice"] == {
            "type": "none"
        }
    for model in ("claude-opus-5", "claude-sonnet-5", "claude-fable-5", "claude-haiku-5-5", "claude-opus-4-8"):
        assert told(model, tools=tools, tool_choice="required")["tool_choice"] == {"type": "any"}


async def test_a_schema_that_such_a_model_cannot_be_held_to_is_asked_for_in_words_at_once() -> None:
    said = {"type": "message", "content": [{"type": "text", "text": '{"a": {}}'}], "stop_reason": "end_turn"}
    backend = FaultyTransport([HttpAnswer(pieces=(json.dumps(said).encode(),))], clock=ManualClock())
    settings = Settings(environment=Environment({"ANTHROPIC_API_KEY": "sk-test"}))
    free = OutputSchema({"type": "object", "properties": {"a": {"type": "object"}}})
    async with Gateway(settings, backend=backend, clock=ManualClock()) as gateway:
        request = Request(model="anthropic/claude-opus-5-5", messages=(HI,), tools=(Tool("f"),), output_schema=free)
        response = await gateway.chat(request)
    (sent,) = backend.requests
    assert "tool_choice" not in json.loads(sent.content)
    assert (response.structured_by, response.text) == ("words", '{"a": {}}')


def test_a_model_that_takes_one_of_two_samplers_is_not_sent_both() -> None:
    for model in ("claude-opus-4-1", "claude-haiku-4-5-20251001", "claude-opus-4-5", "claude-sonnet-4-6"):
        refused("top_p", "not both", model=model, profile=claude(model), temperature=0.5, top_p=0.9)
        assert told(model, top_p=0.9)["top_p"] == 0.9
    both = told("claude-sonnet-4-20250514", temperature=0.5, top_p=0.9)
    assert (both["temperature"], both["top_p"]) == (0.5, 0.9)


def test_an_answer_begun_by_the_caller_goes_only_to_models_that_go_on_with_it() -> None:
    begun = (HI, Message.assistant("{"))
    for model in ("claude-opus-4-6", "claude-sonnet-5", "claude-haiku-5-5", "claude-mythos-preview"):
        profile = claude(model)
        refused("messages", "prefill", *begun, model=model, profile=profile)
        refused("messages", "prefill", *begun, Message.user(" "), model=model, profile=profile)
        assert body(*begun, Message.user("go on"), model=model, profile=profile)["messages"][-1]["role"] == "user"
        assert body(HI, Message.assistant(" "), model=model, profile=profile)["messages"][-1]["role"] == "user"
    assert (
        body(*begun, model="claude-sonnet-4-5", profile=claude("claude-sonnet-4-5"))["messages"][-1]["role"]
        == "assistant"
    )


def test_an_answer_that_the_provider_paused_goes_back_to_be_continued() -> None:
    step = BuiltinToolPart("anthropic", "server_tool_use", {"type": "server_tool_use", "id": "s", "name": "web_search"})
    paused = Message("assistant", (TextPart("I shall look."), step))
    sent = body(HI, paused, model="claude-opus-4-8", profile=claude("claude-opus-4-8"))
    assert [block["type"] for block in sent["messages"][-1]["content"]] == ["text", "server_tool_use"]
    foreign_step = Message("assistant", (TextPart("I shall look."), BuiltinToolPart("google", "search", {})))
    refused("messages", "prefill", HI, foreign_step, model="claude-opus-4-8", profile=claude("claude-opus-4-8"))


@needs_corpora
def test_every_recorded_model_is_told_to_think_as_its_entry_in_the_list_says() -> None:
    listed = [
        model
        for one in everything()
        if one.provider == "anthropic" and one.path.endswith("/models")
        for model in json.loads(one.body)["data"]
        if "capabilities" in model
    ]
    assert len(listed) >= 10
    for model in listed:
        able = model["capabilities"]
        assert takes(model["id"], reasoning_budget=2000) is able["thinking"]["types"]["enabled"]["supported"]
        for effort in ("low", "medium", "high", "xhigh") if able["thinking"]["types"]["adaptive"]["supported"] else ():
            assert takes(model["id"], reasoning_effort=effort) is able["effort"][effort]["supported"], model["id"]


def takes(model: str, **fields: Any) -> bool:
    try:
        told(model, **fields)
    except UnsupportedParameterError:
        return False
    return True


def test_interleaved_thinking_may_have_more_than_the_answer() -> None:
    betas = {"anthropic": {"anthropic_beta": ["interleaved-thinking-2025-05-14"]}}
    assert told("claude-sonnet-4-5", reasoning_budget=9000, max_tokens=4000, extra=betas)["max_tokens"] == 4000


def schema_of(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return dict(body(output_schema=OutputSchema(schema, **more))["output_config"]["format"]["schema"])


def test_a_schema_that_the_server_takes_is_sent_as_it_is() -> None:
    schema = {
        "type": "object", "title": "T", "additionalProperties": False, "required": ["a"],
        "properties": {
            "a": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
            "b": {"type": "array", "items": {"$ref": "#/$defs/B"}, "minItems": 1},
            "minimum": {"type": "integer", "enum": [1, 2], "default": 1},
        },
        "$defs": {"B": {"type": ["string", "null"], "pattern": "^x"}},
    }  # fmt: skip
    assert schema_of(schema) == schema


def test_what_the_server_refuses_in_a_schema_is_told_in_words_and_objects_are_closed() -> None:
    sent = schema_of(
        {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "minimum": 1, "maximum": 9, "description": "how many"},
                "s": {"type": "string", "format": "phone"},
                "o": {"oneOf": [{"type": "object", "properties": {"x": {"type": "number"}}}, {"type": "null"}]},
                "l": {"type": "array", "items": {"type": "string"}, "minItems": 2},
                "p": {"type": "string", "pattern": "^(?!a)"},
                "u": {"type": "object", "allOf": [{"$ref": "#/$defs/U"}]},
            },
            "$defs": {"U": {"type": "object", "properties": {}}},
        },
        description="What to give",
    )
    assert (sent["additionalProperties"], sent["description"]) == (False, "What to give")
    assert sent["properties"] == {
        "n": {"type": "integer", "description": "how many\n(minimum: 1, maximum: 9)"},
        "s": {"type": "string", "description": '(format: "phone")'},
        "o": {"anyOf": [{"type": "object", "properties": {"x": {"type": "number"}}, "additionalProperties": False},
                        {"type": "null"}]},
        "l": {"type": "array", "items": {"type": "string"}, "description": "(minItems: 2)"},
        "p": {"type": "string", "description": '(pattern: "^(?!a)")'},
        "u": {"type": "object", "allOf": [{"$ref": "#/$defs/U"}]},
    }  # fmt: skip


def test_a_schema_whose_root_is_no_object_is_put_into_one() -> None:
    sent = schema_of({"type": "array", "items": {"type": "string"}})
    assert (sent["type"], sent["required"], sent["additionalProperties"]) == ("object", ["value"], False)


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object"},
        {"type": "object", "properties": {"x": {"type": "null"}}, "anyOf": [{"required": ["x"]}]},
        {"$ref": "#/$defs/Node"},
        {"$ref": "https://a.example/schema.json"},
        {"type": "object", "patternProperties": {"^x": {}}},
        {"anyOf": [True, {"type": "string"}]},
        {},
    ],
)
def test_a_schema_that_no_answer_can_be_held_to_is_refused_so_that_it_is_asked_for_in_words(inner: Any) -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = {"type": "object", "properties": {"a": inner}, "$defs": {"Node": node}}
    with pytest.raises(UnsupportedParameterError, match="unsupported JSON schema") as raised:
        written(output_schema=OutputSchema(schema))
    assert raised.value.param == "output_schema"
    assert blames_schema(raised.value)
    assert is_about_this_call(raised.value)


def test_an_endlessly_nested_schema_is_refused() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(InvalidRequestError):
        written(output_schema=OutputSchema({"type": "object", "properties": {"a": schema}}))
