from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.types import (
    Alternative,
    AlternativeChunk,
    Chunk,
    Citation,
    CitationChunk,
    FinishChunk,
    ImagePart,
    LogprobsChunk,
    PartChunk,
    ProviderState,
    ReasoningChunk,
    ReasoningPart,
    RefusalChunk,
    RefusalPart,
    Response,
    SentChunk,
    TextChunk,
    TextPart,
    TokenLogprob,
    ToolCallChunk,
    ToolCallPart,
    Usage,
    UsageChunk,
)
from unified_api.wire.collect import Collector


def collect(*chunks: Chunk) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider="p", model="asked")


def test_no_chunks_make_an_empty_answer_of_the_asked_model() -> None:
    assert collect() == Response(model="p/asked", provider="p", parts=(), finish_reason="unknown")


def test_pieces_of_one_kind_are_joined_and_parts_stand_in_the_order_in_which_they_came() -> None:
    response = collect(
        ReasoningChunk("h"),
        ReasoningChunk("m"),
        TextChunk("Hel"),
        TextChunk("lo"),
        RefusalChunk("no"),
        FinishChunk("stop"),
    )
    assert response.parts == (ReasoningPart("hm"), TextPart("Hello"), RefusalPart("no"))
    assert response.finish_reason == "stop"


def test_a_providers_state_belongs_to_the_part_before_it_and_ends_that_part() -> None:
    signed = ProviderState("p", {"signature": "s"})
    response = collect(
        ReasoningChunk("a"),
        ReasoningChunk("", signed),
        ReasoningChunk("b"),
        TextChunk("", signed),
        ToolCallChunk(0, "i", "f"),
    )
    assert response.parts == (
        ReasoningPart("a", signed), ReasoningPart("b"), TextPart("", state=signed), ToolCallPart("i", "f"),
    )  # fmt: skip


def test_citations_join_the_text_before_them_and_whole_parts_stand_alone() -> None:
    source, image = Citation(url="https://x.example"), ImagePart(url="https://x.example/a.png")
    response = collect(TextChunk("a"), CitationChunk(source), PartChunk(image), TextChunk("b"))
    assert response.parts == (TextPart("a", (source,)), image, TextPart("b"))
    assert response.citations == (source,)


def test_a_citation_may_name_an_earlier_text_part() -> None:
    first, second, lost = (Citation(url=f"https://{name}.example") for name in "abc")
    beside = PartChunk(ImagePart(url="https://x.example/a.png"))
    response = collect(
        TextChunk("a"),
        beside,
        TextChunk("b"),
        CitationChunk(first, 0),
        CitationChunk(second, 1),
        CitationChunk(lost, 7),
    )
    assert (response.parts[0], response.parts[2]) == (TextPart("a", (first,)), TextPart("b", (second, lost)))


def test_further_answers_are_kept_apart() -> None:
    token = TokenLogprob("a", -0.5)
    response = collect(
        TextChunk("a"), AlternativeChunk(1, TextChunk("b")), LogprobsChunk((token,)), FinishChunk("stop"),
        AlternativeChunk(1, FinishChunk("length")), SentChunk("tool", ("seed",)),
    )  # fmt: skip
    assert (response.text, response.finish_reason, response.logprobs) == ("a", "stop", (token,))
    assert response.alternatives == (Alternative(parts=(TextPart("b"),), finish_reason="length"),)
    assert (response.structured_by, response.dropped) == ("tool", ("seed",))


def test_tool_calls_are_put_together_by_index_and_stand_where_they_began() -> None:
    response = collect(
        ToolCallChunk(1, "b", "g"),
        ToolCallChunk(0, None, "f", '{"x"'),
        ToolCallChunk(0, "a", None, ":1}"),
        ToolCallChunk(2, None, "h", "{}"),
    )
    assert response.tool_calls == (
        ToolCallPart("b", "g"),
        ToolCallPart("a", "f", '{"x":1}'),
        ToolCallPart("call_2", "h"),
    )


def test_a_later_usage_replaces_the_earlier_and_names_the_model() -> None:
    response = collect(
        UsageChunk(Usage(input_tokens=5, output_tokens=1), "m-1", Decimal("0.1")),
        UsageChunk(Usage(input_tokens=5, output_tokens=3)),
    )
    assert response.usage == Usage(input_tokens=5, output_tokens=3)
    assert (response.model, response.cost_usd) == ("p/m-1", Decimal("0.1"))


def test_the_answer_so_far_may_be_asked_before_the_end() -> None:
    collector = Collector()
    collector.add(TextChunk("a"))
    assert collector.response(provider="p", model="m").text == "a"
    collector.add(TextChunk("b"))
    assert collector.response(provider="p", model="m").text == "ab"


@given(st.lists(st.text(max_size=5)))
def test_text_is_whole_however_it_was_cut(pieces: list[str]) -> None:
    assert collect(*map(TextChunk, pieces)).text == "".join(pieces)


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (['{"x":1}', '{"x":1}'], '{"x":1}'),
        (['{"x"', ':1}\n{"x": 1}'], '{"x":1}'),
        (['{"x":{}}'], '{"x":{}}'),
        (['{"x":1}', '{"x":2}'], '{"x":1}{"x":2}'),
        (['{"x":1}', '{"x":'], '{"x":1}{"x":'),
        (['{"x":"}{"}'], '{"x":"}{"}'),
    ],
)
def test_arguments_that_a_model_says_twice_are_kept_once(pieces: list[str], whole: str) -> None:
    response = collect(ToolCallChunk(0, "i", "f"), *(ToolCallChunk(0, arguments=piece) for piece in pieces))
    assert response.tool_calls == (ToolCallPart("i", "f", whole),)
