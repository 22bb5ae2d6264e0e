from __future__ import annotations

import json

import pytest
from corpus import ROOT, needs_corpora
from hypothesis import given
from hypothesis import strategies as st

from unified_api.models import Model
from unified_api.needs import fit, least_tokens, needs_of, parameters_of, worst_tokens
from unified_api.types import (
    EmbedRequest,
    ImagePart,
    ImageRequest,
    Message,
    OutputSchema,
    ReasoningPart,
    Request,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)


def ask(*parts: object, **more: object) -> Request:
    return Request(model="m", messages=(Message("user", tuple(parts)),), **more)


def test_the_kind_of_request_and_what_it_holds_say_what_it_needs() -> None:
    assert needs_of(EmbedRequest(model="m", inputs=("x",))) == {"embeddings"}
    assert needs_of(ImageRequest(model="m", prompt="x")) == {"image_output"}
    assert needs_of(ask(TextPart("x"))) == {"chat"}
    full = ask(ImagePart(url="https://x.example"), tools=(Tool("f"),), output_schema=OutputSchema({}))
    assert needs_of(full) == {"chat", "vision", "tools"}


def test_only_fields_that_are_set_are_parameters() -> None:
    assert parameters_of(ask()) == frozenset()
    assert parameters_of(ask(temperature=0.0, stop=("x",), parallel_tool_calls=False)) == {
        "temperature",
        "stop",
        "parallel_tool_calls",
    }
    assert parameters_of(EmbedRequest(model="m", inputs=("x",), dimensions=8)) == {"dimensions"}


def test_only_hints_are_left_out_and_never_of_a_model_that_was_named() -> None:
    model = Model(id="a/m", provider="a", name="m", wire="x", unsupported=frozenset({"temperature", "stop"}))
    request = ask(temperature=0.5, stop=("x",))
    fitted, note = fit(request, model, named=False)
    assert (fitted.temperature, fitted.stop) == (None, ("x",))
    assert "temperature" in note
    assert fit(request, model, named=True) == (request, None)


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


def test_shown_thinking_is_not_counted_for_it_is_not_sent() -> None:
    assert worst_tokens(ask(ReasoningPart("x" * 1000))) == worst_tokens(ask())


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
