from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.caching.replay import chunks_of
from unified_api.errors import ConfigurationError
from unified_api.types import (
    Alternative,
    BuiltinToolPart,
    Citation,
    ImagePart,
    Part,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Response,
    TextPart,
    TokenLogprob,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from unified_api.wire.collect import Collector

STATE = ProviderState("p", {"signature": "s"})
WORDS = st.text(min_size=1, max_size=8)
CITATIONS = st.lists(st.builds(Citation, url=WORDS, start=st.just(0), end=st.just(1)), max_size=2).map(tuple)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(TextPart, WORDS, CITATIONS, st.none() | st.just(STATE)),
    st.builds(ReasoningPart, WORDS, st.none() | st.just(STATE)),
    st.builds(RefusalPart, WORDS),
    st.builds(ToolCallPart, WORDS, WORDS, st.just('{"a": 1}')),
    st.just(ImagePart(data=b"x", media_type="image/png")),
    st.just(BuiltinToolPart("p", "search", {"q": "x"})),
)


def apart(parts: list[Part]) -> bool:
    """No two of a kind that a stream would tell as one stand side by side."""
    spoken = (TextPart, ReasoningPart, RefusalPart)
    return not any(
        type(one) is type(other) and isinstance(one, spoken) and getattr(one, "state", None) is None
        for one, other in pairwise(parts)
    )


ANSWERS = st.lists(PARTS, min_size=1, max_size=5).filter(apart).map(tuple)
LOGPROBS = st.lists(st.builds(TokenLogprob, WORDS, st.just(-0.5)), max_size=2).map(tuple)


@given(
    ANSWERS,
    st.lists(st.builds(Alternative, parts=ANSWERS, finish_reason=st.just("stop"), logprobs=LOGPROBS), max_size=2),
    LOGPROBS,
    st.sampled_from([None, "native", "tool"]),
    st.sampled_from([(), ("seed",)]),
    st.integers(0, 2),
)
def test_an_answer_told_as_chunks_is_put_together_as_itself(
    parts: tuple[Part, ...],
    alternatives: list[Alternative],
    logprobs: tuple[TokenLogprob, ...],
    structured: str | None,
    dropped: tuple[str, ...],
    skipped: int,
) -> None:
    response = Response(
        model="p/m-2026",
        provider="p",
        parts=parts,
        finish_reason="stop",
        usage=Usage(input_tokens=1, output_tokens=2),
        cost_usd=Decimal("0.1"),
        logprobs=logprobs,
        alternatives=tuple(alternatives),
        structured_by=structured,  # type: ignore[arg-type]  # sampled from its own words
        dropped=dropped,
        skipped_events=skipped,
    )
    collector = Collector()
    for chunk in chunks_of(response):
        collector.add(chunk)
    assert collector.response(provider="p", model="asked") == response


@given(st.lists(st.tuples(WORDS, st.booleans()), min_size=1, max_size=6))
def test_sources_of_texts_side_by_side_still_point_to_their_words(texts: list[tuple[str, bool]]) -> None:
    parts = tuple(
        TextPart(text, (Citation(url=text, start=0, end=len(text)),), STATE if ends else None) for text, ends in texts
    )
    collector = Collector()
    for chunk in chunks_of(Response(model="p/m", provider="p", parts=parts, finish_reason="stop")):
        collector.add(chunk)
    told = collector.response(provider="p", model="m")
    found = [
        part.text[one.start : one.end] for part in told.parts if isinstance(part, TextPart) for one in part.citations
    ]
    assert found == [text for text, _ in texts]


def test_a_part_that_no_answer_holds_is_an_error() -> None:
    response = Response(model="p/m", provider="p", parts=(ToolResultPart("c", "x"),), finish_reason="stop")
    with pytest.raises(ConfigurationError, match="ToolResultPart"):
        list(chunks_of(response))
