from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from unified_api.types import (
    Chunk,
    FinishChunk,
    ReasoningChunk,
    ReasoningPart,
    RefusalChunk,
    RefusalPart,
    Response,
    TextChunk,
    TextPart,
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


def test_pieces_are_joined_and_thoughts_come_first() -> None:
    response = collect(
        TextChunk("Hel"),
        ReasoningChunk("h"),
        TextChunk("lo"),
        ReasoningChunk("m"),
        RefusalChunk("no"),
        FinishChunk("stop"),
    )
    assert response.parts == (ReasoningPart("hm"), TextPart("Hello"), RefusalPart("no"))
    assert response.finish_reason == "stop"


def test_tool_calls_are_put_together_by_index() -> None:
    response = collect(
        ToolCallChunk(1, "b", "g"),
        ToolCallChunk(0, None, "f", '{"x"'),
        ToolCallChunk(0, "a", None, ":1}"),
        ToolCallChunk(2, None, "h", "{}"),
    )
    assert response.tool_calls == (
        ToolCallPart("a", "f", '{"x":1}'),
        ToolCallPart("b", "g"),
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
