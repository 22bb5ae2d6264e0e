from __future__ import annotations

import tracemalloc
from collections import OrderedDict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.caching.size import size_of
from unified_api.caching.store import Store
from unified_api.caching.worth import may_be_joined, may_be_kept
from unified_api.types import (
    Alternative,
    AudioPart,
    BuiltinToolPart,
    EmbedResponse,
    Image,
    ImagePart,
    ImageResponse,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    Response,
    TextPart,
    ToolCallPart,
)


def text(words: str = "yes") -> Response:
    return Response(model="p/m", provider="p", parts=(TextPart(words),), finish_reason="stop")


def store(*, entries: int = 3, size: int = 1_000_000, age: float = 10.0) -> Store:
    return Store(max_entries=entries, max_bytes=size, max_age_s=age)


def put(kept: Store, name: str, answer: Response | None = None, *, now: float = 0.0) -> bool:
    return kept.put(name.encode(), answer or text(name), model="p/m", now=now)


def names(kept: Store, *, now: float = 0.0) -> str:
    return "".join(name for name in "abcdef" if kept.get(name.encode(), now=now) is not None)


def test_the_answer_that_was_not_asked_for_longest_goes_first() -> None:
    kept = store()
    for name in "abc":
        put(kept, name)
    kept.get(b"a", now=0.0)
    put(kept, "d")
    assert names(kept) == "acd"


@pytest.mark.parametrize(("now", "there"), [(0.0, True), (9.9, True), (10.0, False), (1e9, False), (-0.1, False)])
def test_an_answer_is_kept_for_its_time_and_not_at_all_by_a_clock_that_jumps_back(now: float, there: bool) -> None:
    kept = store()
    put(kept, "a", now=0.0)
    assert (kept.get(b"a", now=now) is not None) is there
    assert (len(kept), kept.taken > 0) == (int(there), there)


def test_what_is_too_large_is_not_kept_and_takes_its_forerunner_with_it() -> None:
    kept = store(size=80_000)
    assert put(kept, "a")
    assert not put(kept, "a", text("x" * 10_000))
    assert (names(kept), kept.taken) == ("", 0)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3_000), st.floats(0, 30)), max_size=60))
def test_the_bounds_hold_whatever_is_put(steps: list[tuple[str, int, float]]) -> None:
    kept = store(entries=3, size=24_000)
    model: OrderedDict[str, int] = OrderedDict()
    for name, length, now in steps:
        fits = put(kept, name, text("x" * length), now=now)
        model.pop(name, None)
        if fits:
            model[name] = length
        while len(model) > 3:
            model.popitem(last=False)
        assert len(kept) <= 3
        assert 0 <= kept.taken <= 24_000
    assert set(names(kept, now=steps[-1][2] if steps else 0.0)) <= set(model)
    for name in "abcdef":
        kept.drop(name.encode())
    assert (len(kept), kept.taken) == (0, 0)


def test_the_size_is_about_what_python_takes() -> None:
    def made(place: int) -> list[object]:
        return [
            text(f"{place} " + "word " * 300),
            EmbedResponse(model="p/m", provider="p", vectors=(tuple(place + i / 7 for i in range(512)),) * 1),
            ImageResponse(model="p/m", provider="p", images=(Image("image/png", data=bytes(5_000 + place)),)),
        ]

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        held = [made(place) for place in range(100)]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    told = sum(size_of(one) for each in held for one in each)
    assert 0.8 * taken < told < 1.3 * taken


def ended(reason: str) -> Response:
    return replace(text(), finish_reason=reason)


STATE = ProviderState("p", {"file": "f"})


@pytest.mark.parametrize(
    "answer",
    [
        *(ended(reason) for reason in ("length", "content_filter", "tool_calls", "error", "unknown")),
        replace(text(), parts=(RefusalPart("No."),)),
        replace(text(), parts=(TextPart("Well."), ToolCallPart("1", "f"))),
        replace(text(), parts=(BuiltinToolPart("p", "web_search", {}), TextPart("found"))),
        replace(text(), parts=(AudioPart(data=b"x", state=STATE),)),
        replace(text(), parts=(ImagePart(url="https://files.example/x.png"),)),
        replace(text(), parts=()),
        text(" \n"),
        replace(text(), parts=(ReasoningPart("hm"),)),
        replace(text(), quality="demo"),
        replace(text(), skipped_events=1),
        replace(text(), alternatives=(Alternative(parts=(TextPart("b"),), finish_reason="length"),)),
        replace(text(), alternatives=(Alternative(parts=(RefusalPart("b"),), finish_reason="stop"),)),
        ImageResponse(model="p/m", provider="p", images=(Image("image/png", url="https://files.example/x.png"),)),
        ImageResponse(model="p/m", provider="p", images=(Image("image/png", data=b"x"),), quality="placeholder"),
        ImageResponse(model="p/m", provider="p", images=()),
    ],
)
def test_what_is_cut_blocked_refused_guessed_or_soon_gone_is_not_kept(answer: Response) -> None:
    assert not may_be_kept(answer)


@pytest.mark.parametrize(
    "answer",
    [
        text(),
        replace(text(), parts=(ReasoningPart("hm", STATE), TextPart("yes", state=STATE))),
        replace(text(), parts=(ImagePart(data=b"x", media_type="image/png"),)),
        replace(text(), alternatives=(Alternative(parts=(TextPart("b"),), finish_reason="stop"),)),
        EmbedResponse(model="p/m", provider="p", vectors=((1.0,),)),
        ImageResponse(model="p/m", provider="p", images=(Image("image/png", data=b"x"),)),
    ],
)
def test_whole_plain_answers_are_kept(answer: Response) -> None:
    assert may_be_kept(answer)


@pytest.mark.parametrize(
    ("answer", "limited", "joined"),
    [
        (text(), False, True),
        (ended("tool_calls"), False, True),
        (ended("content_filter"), False, True),
        (ended("length"), False, False),
        (ended("length"), True, True),
        (ended("unknown"), True, False),
        (replace(text(), skipped_events=1), False, False),
        (EmbedResponse(model="p/m", provider="p", vectors=((1.0,),)), False, True),
    ],
)
def test_others_are_given_what_they_would_have_been_given(answer: Response, limited: bool, joined: bool) -> None:
    assert may_be_joined(answer, limited=limited) is joined
