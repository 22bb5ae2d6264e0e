from __future__ import annotations

import json

import pytest
from corpus import ROOT, needs_corpora
from hypothesis import given
from hypothesis import strategies as st

from unified_api.needs import least_tokens, needs_of, parameters_of, tools_of, worst_tokens
from unified_api.types import (
    AudioPart,
    BuiltinTool,
    DocumentPart,
    EmbedRequest,
    ImagePart,
    ImageRequest,
    Message,
    ModerationRequest,
    OutputSchema,
    ProviderState,
    ReasoningPart,
    Request,
    RerankRequest,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)


def ask(*parts: object, **more: object) -> Request:
    return Request(model="m", messages=(Message("user", tuple(parts)),), **more)


def test_the_kind_of_request_and_what_it_holds_say_what_it_needs() -> None:
    assert needs_of(EmbedRequest(model="m", inputs=("x",))) == {"embeddings"}
    assert needs_of(ImageRequest(model="m", prompt="x")) == {"image_output"}
    assert needs_of(ask(TextPart("x"))) == {"chat"}
    full = ask(ImagePart(url="https://x.example"), tools=(Tool("f"),), output_schema=OutputSchema({}))
    assert needs_of(full) == {"chat", "vision", "tools"}
    assert needs_of(ModerationRequest(model="m", inputs=("x", ImagePart(data=b"")))) == {"moderation"}
    assert needs_of(RerankRequest(model="m", query="x", documents=("y",))) == {"rerank"}


def test_what_is_shown_in_any_message_or_result_must_be_seen_heard_or_read() -> None:
    shown = ask(AudioPart(data=b"x"), VideoPart(url="https://x.example"), DocumentPart(data=b"%PDF"))
    assert needs_of(shown) == {"chat", "audio", "video", "documents"}
    assert needs_of(ask(DocumentPart(text="plain words"))) == {"chat"}
    result = ToolResultPart("c", (TextPart("see"), ImagePart(data=b"x"), DocumentPart(text="plain")))
    assert needs_of(Request(model="m", messages=(Message("tool", (result,)),))) == {"chat", "vision"}
    spoken = Message("assistant", (AudioPart(data=b"x", transcript="hello"),))
    assert needs_of(Request(model="m", messages=(spoken,))) == {"chat"}


def test_the_providers_of_built_in_tools_are_told() -> None:
    brought = ask(builtin_tools=(BuiltinTool("a", {"type": "search"}), BuiltinTool("b", {})))
    assert tools_of(brought) == {"a", "b"}
    assert tools_of(EmbedRequest(model="m", inputs=())) == frozenset()


def test_only_fields_that_are_set_are_parameters() -> None:
    assert parameters_of(ask()) == frozenset()
    assert parameters_of(ask(temperature=0.0, stop=("x",), parallel_tool_calls=False)) == {
        "temperature",
        "stop",
        "parallel_tool_calls",
    }
    assert parameters_of(EmbedRequest(model="m", inputs=("x",), dimensions=8)) == {"dimensions"}


_parts = st.one_of(
    st.builds(TextPart, st.text()),
    st.builds(ToolResultPart, st.just("c"), st.text()),
    st.builds(ToolCallPart, st.just("c"), st.text(), st.text()),
    st.builds(ImagePart, st.just("https://x.example")),
)


@given(st.lists(_parts), st.text())
def test_every_part_counts_and_the_worst_is_never_less_than_the_least(parts: list, text: str) -> None:
    request = ask(*parts)
    assert 0 <= least_tokens(request) <= worst_tokens(request)
    more = ask(*parts, TextPart(text))
    assert worst_tokens(more) >= worst_tokens(request)
    described = ask(
        *parts, tools=(Tool("f", text, {"description": text}),), output_schema=OutputSchema({"title": text})
    )
    assert worst_tokens(described) > worst_tokens(request)
    assert worst_tokens(ask(*parts, ImagePart(url="https://x.example"))) >= worst_tokens(request) + 1000


@pytest.mark.parametrize("text", ["0123456789" * 50, "1,2,3\n" * 50, "🦊🜁🐉" * 50, "𒀀𒁀𒂀" * 50, bytes(range(256)).hex()])
def test_the_worst_count_holds_for_texts_of_which_each_byte_is_a_token(text: str) -> None:
    assert worst_tokens(ask(TextPart(text))) >= len(text.encode())


def test_shown_thinking_is_counted_only_where_its_provider_wants_it_back() -> None:
    assert worst_tokens(ask(ReasoningPart("x" * 1000))) == worst_tokens(ask())
    assert worst_tokens(ask(ReasoningPart("x" * 1000, ProviderState("a", {})))) > worst_tokens(ask()) + 1000


@pytest.mark.parametrize(
    ("part", "tokens"),
    [  # what the dearest provider counts for it
        (AudioPart(data=bytes(16_000 * 2 * 60)), 32 * 60),
        (AudioPart(data=bytes(4_000 * 60)), 32 * 60),
        (AudioPart(url="https://x.example"), 32 * 60),
        (VideoPart(data=bytes(60_000 * 60)), 300 * 60),
        (DocumentPart(data=bytes(2_000)), 4_500),
        (DocumentPart(url="https://x.example"), 4_500 * 10),
        (DocumentPart(text="words " * 100), 100),
    ],
)
def test_what_is_no_text_counts_at_its_dearest(part: object, tokens: int) -> None:
    assert worst_tokens(ask(part)) >= worst_tokens(ask()) + tokens
    assert worst_tokens(ask(ToolResultPart("c", (part,)))) >= worst_tokens(ask()) + tokens
    assert least_tokens(ask(part)) <= 110


def test_texts_that_are_read_one_by_one_need_no_more_room_than_the_longest() -> None:
    many = EmbedRequest(model="m", inputs=("word " * 100,) * 1000)
    assert least_tokens(many) == least_tokens(EmbedRequest(model="m", inputs=("word " * 100,)))
    assert worst_tokens(many) > 1000 * 100
    ranked = RerankRequest(model="m", query="q" * 600, documents=("d" * 600,) * 10)
    assert least_tokens(ranked) == 200
    assert worst_tokens(ranked) >= 10 * 1200


@needs_corpora
def test_the_two_counts_bracket_what_providers_counted() -> None:
    """Recorded plain-text chats: what the provider says the prompt had lies between the least and the worst."""
    seen = 0
    for path in sorted(ROOT.glob("wire/openai-chat-*.json")):
        recorded = json.loads(path.read_text("utf-8"))
        sent, answer = recorded["request"].get("body"), recorded["response"].get("body")
        usage = answer.get("usage") if isinstance(answer, dict) else None
        if not isinstance(sent, dict) or not usage or sent.get("tools") or sent.get("response_format"):
            continue
        texts = [message.get("content") for message in sent["messages"]]
        if not all(isinstance(text, str) for text in texts):
            continue
        request = Request(model="m", messages=tuple(Message.user(text) for text in texts))
        seen += 1
        assert least_tokens(request) <= usage["prompt_tokens"] <= worst_tokens(request), path.name
    assert seen >= 10
