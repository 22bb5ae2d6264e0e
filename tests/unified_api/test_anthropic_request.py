"""Request bodies of the Messages API, read as canonical requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import InvalidRequestError
from unified_api.types import (
    BuiltinTool,
    BuiltinToolPart,
    CacheMark,
    Citation,
    DocumentPart,
    ImagePart,
    Message,
    NamedTool,
    OutputSchema,
    ProviderState,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.anthropic import encode, read_request
from unified_api.wire.base import WireProfile

ADAPTIVE = WireProfile(reasoning_style={"*": "adaptive"}, system_turns=("*",))


def read(*blocks: Any, role: str = "user", **fields: Any) -> Request:
    turns = [{"role": role, "content": list(blocks) or "hi"}]
    return read_request({"model": "m", "max_tokens": 9, "messages": turns, **fields}, provider="anthropic")


def again(request: Request, profile: WireProfile = ADAPTIVE) -> dict[str, Any]:
    return dict(json.loads(encode(request, provider="anthropic", model="m", profile=profile).body))


def parts(*blocks: Any, role: str = "user") -> list[object]:
    return [part for message in read(*blocks, role=role).messages for part in message.parts]


def own(**content: Any) -> ProviderState:
    return ProviderState("anthropic", content)


def test_blocks_become_the_parts_they_are() -> None:
    location = {"type": "char_location", "cited_text": "q", "document_title": "T"}
    assert parts(
        {"type": "text", "text": "a", "citations": [location], "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "thinking", "thinking": "hm", "signature": "S"},
        {"type": "redacted_thinking", "data": "X"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        role="assistant",
    ) == [
        TextPart("a", (Citation(title="T", quote="q", start=0, end=1, state=own(**location)),), cache=CacheMark("1h")),
        ReasoningPart("hm", own(signature="S")),
        ReasoningPart("", own(data="X")),
        ToolCallPart("t", "f", '{"a":1}', own(caller={"type": "direct"})),
        BuiltinToolPart("anthropic", "server_tool_use", {"type": "server_tool_use", "id": "s", "name": "web_search",
                                                         "input": {}}),
    ]  # fmt: skip


def test_media_become_the_parts_they_are() -> None:
    def source(kind: str, **more: str) -> dict[str, Any]:
        return {"type": kind, **more}

    assert parts(
        {"type": "image", "source": source("base64", media_type="image/png", data="YWI=")},
        {"type": "image", "source": source("url", url="https://a.example/b.png")},
        {"type": "image", "source": source("file", file_id="f1")},
        {"type": "document", "title": "T", "source": source("base64", media_type="application/pdf", data="YW\nI=")},
        {"type": "document", "source": source("text", media_type="text/plain", data="ab"), "context": "old"},
        {"type": "document", "source": source("content", content="ab")},
        {"type": "container_upload", "file_id": "f2"},
    ) == [
        ImagePart(data=b"ab", media_type="image/png"),
        ImagePart(url="https://a.example/b.png"),
        ImagePart(state=own(file_id="f1")),
        DocumentPart(data=b"ab", media_type="application/pdf", name="T"),
        DocumentPart(text="ab", state=own(context="old")),
        DocumentPart(state=own(source={"type": "content", "content": "ab"})),
        BuiltinToolPart("anthropic", "container_upload", {"type": "container_upload", "file_id": "f2"}),
    ]  # fmt: skip


def test_results_of_tools_are_messages_of_their_own() -> None:
    request = read(
        {"type": "tool_result", "tool_use_id": "t1", "content": "ok"},
        {"type": "tool_result", "tool_use_id": "t2", "is_error": True, "content": [{"type": "text", "text": "no"}]},
        {"type": "text", "text": "and?"},
    )
    results = (ToolResultPart("t1", "ok"), ToolResultPart("t2", (TextPart("no"),), failed=True))
    assert request.messages == (Message("tool", results), Message.user("and?"))


def test_a_result_that_no_part_can_hold_stays_whole_and_in_its_place() -> None:
    found = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "tool_reference", "tool_name": "f"}]}
    request = read(found, {"type": "text", "text": "and?"})
    assert request.messages[0] == Message("tool", (BuiltinToolPart("anthropic", "tool_result", found),))
    assert again(request)["messages"][0]["content"] == [found, {"type": "text", "text": "and?"}]


def test_system_prompts_and_system_turns() -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "system", "content": "be brief"}]
    body = {"model": "m", "system": [{"type": "text", "text": "be kind"}], "messages": turns}
    request = read_request(body, provider="anthropic")
    assert request.messages == (Message.system("be kind"), Message.user("hi"), Message.system("be brief"))


def test_tools_and_what_says_more_than_they_can() -> None:
    plain = {"type": "custom", "name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}
    deferred = {"name": "g", "input_schema": {"type": "object"}, "defer_loading": True}
    search = {"type": "web_search_20250305", "name": "web_search"}
    request = read(tools=[plain, deferred, search], tool_choice={"type": "tool", "name": "f"})
    assert request.tools == (Tool("f", "d", {"type": "object"}, strict=True),)
    assert request.builtin_tools == (BuiltinTool("anthropic", deferred), BuiltinTool("anthropic", search))
    assert (request.tool_choice, request.parallel_tool_calls) == (NamedTool("f"), None)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}, {"reasoning_budget": 1024}),
        ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
        ({"thinking": {"type": "between_tools"}}, {"reasoning_effort": "none"}),
        ({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}},
         {"reasoning_effort": "xhigh", "show_reasoning": True}),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, {"show_reasoning": True}),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
         {"output_schema": OutputSchema({"type": "object"})}),
        ({"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
         {"tool_choice": "required", "parallel_tool_calls": False}),
        ({"metadata": {"user_id": "u"}}, {"user": "u"}),
        ({"stop_sequences": ["x"], "top_k": 3, "temperature": 1, "top_p": 0.5},
         {"stop": ("x",), "top_k": 3, "temperature": 1, "top_p": 0.5}),
    ],
)  # fmt: skip
def test_fields_that_ours_can_say_are_read_into_ours(body: dict[str, Any], fields: dict[str, Any]) -> None:
    request = read(**body)
    assert {name: getattr(request, name) for name in fields} == fields
    assert not request.extra


@pytest.mark.parametrize(
    "kept",
    [
        {"thinking": {"type": "adaptive"}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "someday"}},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        {"output_config": {"effort": "high"}},
        {"metadata": {"trace": "x"}},
        {"service_tier": "auto", "container": "c_1", "mcp_servers": [], "cache_control": {"type": "ephemeral"}},
    ],
)  # fmt: skip
def test_what_ours_cannot_say_stays_as_it_is_and_goes_back_so(kept: dict[str, Any]) -> None:
    request = read(**kept)
    assert request.extra == {"anthropic": kept}
    sent = again(request)
    assert {name: sent[name] for name in kept} == kept


def test_what_is_half_ours_is_divided_and_joined_again() -> None:
    body = {"metadata": {"user_id": "u", "trace": "x"},
            "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": CLOSED}}}  # fmt: skip
    request = read(**body)
    assert request.extra == {"anthropic": {"metadata": {"trace": "x"}, "output_config": {"effort": "max"}}}
    sent = again(request)
    assert {name: sent[name] for name in body} == body


CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}


def test_a_body_of_another_cloud_names_its_model_elsewhere() -> None:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    request = read_request(body, provider="bedrock", model="anthropic.claude-x")
    assert request.model == "bedrock/anthropic.claude-x"
    assert request.extra == {"bedrock": {"anthropic_version": "bedrock-2023-05-31"}}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"model": 3}, "model"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, r"messages\[0\]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, r"messages\[0\].role"),
        ({"messages": [{"role": "user", "content": "x", "weight": 1}]}, r"messages\[0\].weight"),
        ({"messages": [{"role": "user", "content": 5}]}, r"messages\[0\].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, r"messages\[0\].content\[0\]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, r"content\[0\].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, r"content\[0\].source"),
        ({"messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "%"}}]}]}, "base64"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "q"}}]}]},
         "cache_control"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": "x"}]}]},
         "input"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"name": "f"}]}, r"tools\[0\].input_schema"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": []}}, "tool_choice"),
        ({"thinking": True}, "thinking"),
        ({"output_config": {"format": "json"}}, "output_config.format"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"stop_sequences": [1]}, "stop_sequences"),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_by_its_place(body: dict[str, Any], place: str) -> None:
    good = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(InvalidRequestError, match=place):
        read_request({**good, **body}, provider="anthropic")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "name", "x"]), inner),
    max_leaves=6,
)
KINDS = ["text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result"]
BLOCKS = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional=dict.fromkeys(
        ("text", "source", "id", "name", "input", "content", "citations", "cache_control", "signature"), JSON
    ),
)
BODIES = st.fixed_dictionaries(
    {"messages": st.lists(st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.lists(BLOCKS, max_size=3) | JSON}
    ), max_size=4)},
    optional=dict.fromkeys(
        ("system", "tools", "tool_choice", "thinking", "output_config", "metadata", "stop_sequences"), JSON
    ),
)  # fmt: skip


@given(BODIES)
def test_a_body_of_any_shape_is_read_or_refused_in_words(body: dict[str, Any]) -> None:
    try:
        request = read_request(body, provider="anthropic", model="m")
        sent = again(request)
    except InvalidRequestError:
        return
    assert again(read_request(sent, provider="anthropic")) == sent


TEXTS = st.text(st.sampled_from("ab c"), min_size=1, max_size=5).filter(str.strip)
PARTS = st.one_of(
    st.builds(TextPart, TEXTS),
    st.builds(lambda text: TextPart(text, cache=CacheMark("5m")), TEXTS),
    st.builds(lambda text, sign: ReasoningPart(text, own(signature=sign)), TEXTS, TEXTS),
    st.builds(lambda text: ToolCallPart("t", "f", json.dumps({"a": text}, separators=(",", ":"))), TEXTS),
    st.builds(lambda text: BuiltinToolPart("anthropic", "compaction", {"type": "compaction", "content": text}), TEXTS),
)


@given(st.lists(PARTS, min_size=1, max_size=5), st.lists(TEXTS, max_size=3))
def test_what_is_written_is_read_back_as_it_was(said: list[Any], results: list[str]) -> None:
    answers = tuple(ToolResultPart(f"t{number}", text) for number, text in enumerate(results))
    messages = (
        Message.system("be kind"),
        Message.user("hi"),
        Message("assistant", tuple(said)),
        *((Message("tool", answers),) if answers else ()),
        Message.user("go on"),
    )
    request = Request(model="anthropic/m", messages=messages, max_tokens=50, tools=(Tool("f", "d"),))
    assert read_request(again(request), provider="anthropic") == request
