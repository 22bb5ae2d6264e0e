"""Whole answers in several parts: what is judged together, and what is left of those that are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.call import AnyCall, Call
from unified_api.clock import MonotonicClock
from unified_api.safety.answers import judged_response
from unified_api.safety.judging import Judge
from unified_api.safety.verdicts import Piece, Verdict
from unified_api.settings import SafetySettings
from unified_api.trail import Trail
from unified_api.types import (
    BuiltinToolPart,
    Citation,
    Message,
    Part,
    Policy,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Request,
    Response,
    TextPart,
    ToolCallPart,
)

STATE = ProviderState("a", {"signature": "s"})
SEARCH = BuiltinToolPart("a", "web_search", {"query": "tides"})
CALL = ToolCallPart("c", "send", "{}")
MARK = "[removed by the safety check: S1]"


class Finding:
    """Calls unsafe what holds any of the words."""

    name = "a guard"
    waits = False

    def __init__(self, *words: str, longest: int = 8_000) -> None:
        self._words = words
        self.longest = longest
        self.seen: list[Piece] = []

    async def judge(self, call: AnyCall, pieces: Sequence[Piece]) -> Sequence[Verdict]:
        self.seen += pieces
        return [self._verdict(piece) for piece in pieces]

    def _verdict(self, piece: Piece) -> Verdict:
        if any(word in str(piece) for word in self._words):
            return Verdict(ruling="unsafe", categories=("S1",))
        return Verdict(ruling="safe")


async def judged(guard: Finding, *parts: Part, **table: Any) -> Response:
    clock = MonotonicClock()
    request = Request(model="a/m", messages=(Message.user("?"),))
    call: AnyCall = Call(operation="chat", request=request, policy=Policy(), deadline=0.0, trail=Trail())
    response = Response(model="a/m", provider="a", parts=parts, finish_reason="stop")
    return await judged_response(Judge(SafetySettings(**table), guard, clock), call, response)


@pytest.mark.parametrize(
    "parts",
    [
        (TextPart("First, break the "), TextPart("lock.")),
        (TextPart("First, break the ", state=STATE), TextPart("lock.", state=STATE)),
        (TextPart("First, break the ", (Citation(title="t"),)), TextPart("lock.")),
        (TextPart("First, break the "), SEARCH, TextPart("lock.")),
        (TextPart("break "), ReasoningPart("a"), TextPart("the "), CALL, TextPart("lo"), TextPart(""), TextPart("ck")),
        (ReasoningPart("break the ", STATE), TextPart("x"), ReasoningPart("lock", STATE)),
        (TextPart("break the "), RefusalPart("lock")),
    ],
)
async def test_words_that_lie_across_parts_are_judged_whole(parts: tuple[Part, ...]) -> None:
    blocked = await judged(Finding("break the lock"), *parts, action="block")
    assert (blocked.finish_reason, len(blocked.parts)) == ("content_filter", 1)
    cut = await judged(Finding("break the lock"), *parts, action="redact")
    words = "".join(part.text for part in cut.parts if isinstance(part, TextPart | ReasoningPart | RefusalPart))
    assert words.count(MARK) == 1
    assert not set("lock") <= set(words.replace(MARK, ""))
    assert [part for part in cut.parts if part in (SEARCH, CALL)] == [part for part in parts if part in (SEARCH, CALL)]


async def test_what_was_not_cut_keeps_its_citations_and_its_state() -> None:
    calm = "The tide comes in twice a day. " * 10
    parts = (TextPart(calm, (Citation(title="t"),), STATE), TextPart(calm + "GRI", (), STATE), TextPart("M" + calm))
    answer = await judged(Finding("GRIM"), *parts, action="redact", window=80, overlap=20)
    first, second, third = answer.parts
    assert first == parts[0]
    assert isinstance(second, TextPart)
    assert isinstance(third, TextPart)
    assert second.text.startswith(calm[:200])
    assert second.text.endswith(MARK)
    assert (second.citations, second.state) == ((), None)
    assert calm.endswith(third.text)
    assert 200 < len(third.text) < len(calm)


async def test_a_citation_that_is_cut_takes_only_the_citations_along() -> None:
    answer = await judged(Finding("GRIM"), TextPart("Fine.", (Citation(quote="GRIM"),)), action="redact")
    assert answer.parts == (TextPart("Fine."),)


texts = st.lists(st.tuples(st.sampled_from("TRS"), st.integers(0, 120)), min_size=1, max_size=8)


@given(texts, st.integers(0, 400), st.integers(1, 40), st.integers(80, 200), st.integers(30, 200))
async def test_cutting_takes_every_unsafe_word_and_leaves_the_rest_in_order(
    sizes: list[tuple[str, int]], start: int, length: int, window: int, longest: int
) -> None:
    """Every character is another one, so that a single leaked or lost one is seen."""
    made: list[Part] = []
    at = 0x4E00
    for kind, size in sizes:
        words = "".join(map(chr, range(at, at + size)))
        at += size
        made.append({"T": TextPart(words), "R": ReasoningPart(words), "S": SEARCH}[kind])
    said = "".join(part.text for part in made if isinstance(part, TextPart))
    bad = said[start : start + min(length, longest // 3)]
    guard = Finding(*[bad] if bad else [], longest=longest)
    answer = await judged(guard, *made, action="redact", window=window, overlap=40)
    unsafe = {one for piece in guard.seen if isinstance(piece, str) and bad and bad in piece for one in piece}
    assert set(bad) <= unsafe
    for kind in (TextPart, ReasoningPart):
        before = "".join(part.text for part in made if isinstance(part, kind))
        after = "".join(part.text for part in answer.parts if isinstance(part, kind)).replace(MARK, "")
        assert after == "".join(one for one in before if one not in unsafe)
