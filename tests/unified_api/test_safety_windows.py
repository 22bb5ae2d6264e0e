"""What a stream shows of windows that are judged unsafe, and that all else comes through unchanged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.safety.windows import Windows
from unified_api.types import (
    AlternativeChunk,
    BuiltinToolPart,
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
    SentChunk,
    TextChunk,
    TextPart,
    TokenLogprob,
    ToolCallChunk,
    Usage,
    UsageChunk,
)
from unified_api.wire.collect import Collector

MARK = "[cut]"
FIRST = 0x4E00
"""Every character of the texts is another one, from here on, so that a single leaked one is seen."""


def said(chunk: Chunk) -> str:
    """All the words of a chunk."""
    inner = chunk.chunk if isinstance(chunk, AlternativeChunk) else chunk
    match inner:
        case ToolCallChunk():
            return (inner.name or "") + inner.arguments
        case LogprobsChunk():
            return "".join(one.token for one in inner.tokens)
        case CitationChunk():
            return inner.citation.quote or ""
        case TextChunk() | ReasoningChunk() | RefusalChunk():
            return inner.text
        case PartChunk(BuiltinToolPart() as step):
            return "".join(step.content.values()) if isinstance(step.content, dict) else ""
        case _:
            return ""


@st.composite
def streams(draw: st.DrawFn) -> list[Chunk]:
    """An answer in random chunks of every kind."""
    kinds = ["text", "text", "text", "thought", "call", "call", "usage", "quote", "other", "state", "probable"]
    kinds += ["secret", "step", "refusal"]
    chunks: list[Chunk] = [SentChunk()] if draw(st.booleans()) else []
    at = FIRST
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=40)):
        size = draw(st.integers(0, 120))
        words = "".join(map(chr, range(at, at + size)))
        at += size
        match kind:
            case "text":
                chunks.append(TextChunk(words))
            case "thought":
                chunks.append(ReasoningChunk(words))
            case "call":
                index = draw(st.integers(0, 1))
                chunks.append(ToolCallChunk(index, arguments=words))
            case "usage":
                chunks.append(UsageChunk(Usage(output_tokens=at)))
            case "quote":
                chunks.append(CitationChunk(Citation(quote=words)))
            case "other":
                chunks.append(AlternativeChunk(1, TextChunk(words)))
            case "state":
                chunks.append(TextChunk(words, ProviderState("p", {"signature": words})))
            case "secret":  # what is thought, in words and then as the provider wants it back
                chunks += [ReasoningChunk(words), ReasoningChunk("", ProviderState("p", {"thinking": words}))]
            case "step":
                chunks.append(PartChunk(BuiltinToolPart("p", "step", {"": words})))
            case "refusal":
                chunks.append(RefusalChunk(words))
            case _:  # the probabilities come before their text, as some providers have it
                chunks += [LogprobsChunk((TokenLogprob(words, 0.0),)), TextChunk(words)]
    return [*chunks, FinishChunk("stop"), AlternativeChunk(1, FinishChunk("stop")), UsageChunk(Usage(input_tokens=1))]


sizes = st.integers(80, 200).flatmap(lambda window: st.tuples(st.just(window), st.integers(0, window // 2)))
spans = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 30)), max_size=4)


def run(
    chunks: list[Chunk], windows: Windows, bad: list[str], *, block: bool
) -> tuple[list[Chunk], list[str], list[str]]:
    """What is shown, which windows were judged unsafe and which pieces were judged in all."""
    shown: list[Chunk] = []
    unsafe: list[str] = []
    judged: list[str] = []
    for chunk in [*chunks, None]:
        for piece in windows.split(chunk) if chunk is not None else [None]:
            windows.add(piece) if piece is not None else windows.close()
            if not windows.due:
                continue
            found = windows.windows()
            judged += [one.piece for one in found]
            hit = [one for one in found if any(span in one.piece for span in bad)]
            unsafe += [one.piece for one in hit]
            if hit and block:
                return shown, unsafe, judged
            for one in hit:
                windows.cut(one, MARK)
            shown += windows.release()
    return shown, unsafe, judged


def planted(places: list[tuple[int, int]]) -> list[str]:
    return ["".join(map(chr, range(FIRST + start, FIRST + start + size))) for start, size in places]


@given(streams(), sizes)
def test_a_safe_answer_comes_through_unchanged_in_order_and_once(chunks: list[Chunk], size: tuple[int, int]) -> None:
    shown, unsafe, _ = run(chunks, Windows(*size), [], block=True)
    assert unsafe == []
    assert "".join(map(said, shown)) == "".join(map(said, chunks))
    spoken = TextChunk | ReasoningChunk | RefusalChunk
    assert [one for one in shown if not isinstance(one, spoken)] == [
        one for one in chunks if not isinstance(one, spoken)
    ]
    states = [one.state for one in chunks if isinstance(one, TextChunk) and one.state]
    assert [one.state for one in shown if isinstance(one, TextChunk) and one.state] == states


def assert_only_an_earlier_part_was_shown(shown: list[Chunk], unsafe: list[str], overlap: int) -> None:
    """Of an unsafe window nothing was shown but the end of a part after which something else had come."""
    seen = set("".join(map(said, shown)))
    for window in unsafe:
        before = [place for place, character in enumerate(window) if character in seen]
        assert before == list(range(len(before)))
        assert len(before) <= min(overlap, len(window) - 1)


@given(streams(), sizes, spans)
def test_nothing_of_a_window_judged_unsafe_is_ever_shown(
    chunks: list[Chunk], size: tuple[int, int], places: list[tuple[int, int]]
) -> None:
    shown, unsafe, _ = run(chunks, Windows(*size), planted(places), block=True)
    assert_only_an_earlier_part_was_shown(shown, unsafe, size[1])


@given(streams(), sizes, spans)
def test_nothing_of_a_window_that_was_cut_is_shown_and_all_else_is_in_order(
    chunks: list[Chunk], size: tuple[int, int], places: list[tuple[int, int]]
) -> None:
    shown, unsafe, _ = run(chunks, Windows(*size), planted(places), block=False)
    assert_only_an_earlier_part_was_shown(shown, unsafe, size[1])
    seen = "".join(said(one) for one in shown if not isinstance(one, LogprobsChunk)).replace(MARK, "")
    assert list(seen) == sorted(seen)
    assert len(set(seen)) == len(seen)
    assert [one for one in shown if isinstance(one, UsageChunk)] == [c for c in chunks if isinstance(c, UsageChunk)]
    assert bool(unsafe) <= sum(said(one) == MARK for one in shown) <= len(unsafe)


@given(streams(), sizes, spans)
def test_no_state_of_a_part_of_which_something_was_cut_is_shown(
    chunks: list[Chunk], size: tuple[int, int], places: list[tuple[int, int]]
) -> None:
    shown, _, _ = run(chunks, Windows(*size), planted(places), block=False)
    seen = set("".join(map(said, shown)))
    given = Collector()
    for chunk in shown:
        given.add(chunk)
    for part in given.response(provider="p", model="m").parts:
        state = part.state if isinstance(part, TextPart | ReasoningPart) else None
        assert state is None or set("".join(map(str, state.content.values()))) <= seen


@given(st.integers(0, 300), st.lists(st.integers(1, 40), min_size=1, max_size=60), sizes, st.data())
def test_words_that_lie_across_parts_are_never_shown_whole(
    start: int, cuts: list[int], size: tuple[int, int], draw: st.DataObject
) -> None:
    """What an answer says between steps, calls and thinking is judged as one text."""
    text = "".join(map(chr, range(FIRST, FIRST + 320)))
    bad = text[start : start + size[1] + 1]
    others: list[Chunk] = [
        ReasoningChunk("-"),
        PartChunk(BuiltinToolPart("p", "step", {"a": "b"})),
        ToolCallChunk(0, name="f", arguments="{}"),
        TextChunk("", ProviderState("p", {})),
        UsageChunk(Usage()),
        CitationChunk(Citation(title="-")),
    ]
    chunks: list[Chunk] = []
    at = 0
    while at < len(text):
        step = cuts[len(chunks) % len(cuts)]
        chunks += [TextChunk(text[at : at + step]), *draw.draw(st.lists(st.sampled_from(others), max_size=1))]
        at += step
    for block in (True, False):
        shown, _, _ = run([*chunks, FinishChunk("stop")], Windows(*size), [bad], block=block)
        seen = set("".join(map(said, shown)))
        assert not bad or not set(bad) <= seen


@given(st.integers(0, 400), st.lists(st.integers(1, 40), min_size=1, max_size=60), sizes)
def test_no_part_of_what_the_overlap_can_hold_gets_out_wherever_the_borders_fall(
    start: int, cuts: list[int], size: tuple[int, int]
) -> None:
    """Unsafe words that are not longer than the overlap are seen whole before the first of them would be shown."""
    text = "".join(map(chr, range(FIRST, FIRST + 500)))
    bad = text[start : start + size[1] + 1]
    chunks: list[Chunk] = []
    at = 0
    for number in range(len(text)):
        step = cuts[number % len(cuts)]
        chunks.append(TextChunk(text[at : at + step]))
        at += step
        if at >= len(text):
            break
    shown, _, _ = run([*chunks, FinishChunk("stop")], Windows(*size), [bad], block=True)
    assert set("".join(map(said, shown))).isdisjoint(bad)


@given(streams(), sizes)
def test_a_character_is_judged_before_it_is_shown_and_little_more_than_twice(
    chunks: list[Chunk], size: tuple[int, int]
) -> None:
    windows = Windows(*size)
    _, _, judged = run(chunks, windows, [], block=True)
    everything = "".join(judged)
    texts = "".join(said(one) for one in chunks if not isinstance(one, LogprobsChunk))
    assert set(texts) <= set(everything)
    assert len(everything) <= len(texts) + len(judged) * (size[1] + 1)


def fed(windows: Windows, *chunks: Chunk) -> list[Chunk]:
    shown: list[Chunk] = []
    for chunk in chunks:
        for piece in windows.split(chunk):
            windows.add(piece)
            if windows.due:
                shown += windows.release()
    return shown


def test_what_shows_nothing_is_not_held_back() -> None:
    assert fed(Windows(100, 20), SentChunk(), UsageChunk(Usage(input_tokens=3))) == [
        SentChunk(),
        UsageChunk(Usage(input_tokens=3)),
    ]


def test_a_tool_call_waits_for_the_end_of_its_answer() -> None:
    windows = Windows(100, 20)
    call = ToolCallChunk(0, id="c", name="send", arguments="x" * 500)
    assert fed(windows, call, ToolCallChunk(0, arguments="y" * 500)) == []
    assert len(fed(windows, FinishChunk("tool_calls"))) == 3


def test_a_picture_is_judged_as_soon_as_it_comes() -> None:
    windows = Windows(100, 20)
    windows.add(PartChunk(ImagePart(data=b"x", media_type="image/png")))
    assert windows.due
    assert windows.windows()[0].piece == ImagePart(data=b"x", media_type="image/png")


def test_an_answer_whose_only_tool_call_was_cut_asks_for_none() -> None:
    windows = Windows(100, 20)
    windows.add(ToolCallChunk(0, id="c", name="send", arguments="{}"))
    windows.add(FinishChunk("tool_calls"))
    windows.cut(windows.windows()[0], MARK)
    assert windows.release() == [TextChunk(MARK), FinishChunk("content_filter")]


def test_later_pieces_of_a_tool_call_that_was_cut_are_left_out() -> None:
    windows = Windows(100, 20)
    windows.add(ToolCallChunk(0, id="c", name="send", arguments="x" * 200))
    windows.add(FinishChunk("tool_calls"))
    windows.cut(windows.windows()[0], MARK)
    windows.add(ToolCallChunk(0, arguments="more"))
    assert windows.release() == [TextChunk(MARK), FinishChunk("content_filter")]


def test_a_tool_call_is_judged_whole_and_by_what_it_says() -> None:
    windows = Windows(100, 20)
    for piece in (r'{"a": "\u00', r'62reak"}'):
        windows.add(ToolCallChunk(0, id="c", name="say" if "a" in piece[:3] else None, arguments=piece))
        assert windows.windows() == []
    windows.add(FinishChunk("tool_calls"))
    assert [one.piece for one in windows.windows()] == ["say a break"]


def test_a_tool_call_without_arguments_is_judged_by_its_name() -> None:
    windows = Windows(100, 20)
    windows.add(ToolCallChunk(0, id="c", name="grim"))
    windows.add(FinishChunk("tool_calls"))
    assert [one.piece for one in windows.windows()] == ["grim "]


SECRET = ProviderState("p", {"thinking": "grim"})


@pytest.mark.parametrize("late", [ReasoningChunk("", SECRET), ReasoningChunk("more", SECRET)])
@pytest.mark.parametrize("released", [False, True])
def test_the_state_of_thinking_that_was_cut_goes_with_it(late: ReasoningChunk, *, released: bool) -> None:
    windows = Windows(100, 20)
    shown: list[Chunk] = []
    windows.add(ReasoningChunk("grim" * 50))
    if not released:
        windows.add(late)
    windows.cut(windows.windows()[0], MARK)
    shown += windows.release()
    if released:
        windows.add(late)
    other = ProviderState("p", {"thinking": "fine"})
    shown += fed(windows, ReasoningChunk("fine", other), TextChunk("x"), FinishChunk("stop"))
    assert "grim" not in repr(shown)
    assert [one.state for one in shown if isinstance(one, ReasoningChunk) and one.state] == [other]


def test_citations_of_a_text_that_was_cut_go_with_it_and_later_ones_find_theirs() -> None:
    windows = Windows(100, 20)
    early, late, other = (CitationChunk(Citation(quote=one), 0) for one in ("early", "late", "other"))
    windows.add(TextChunk("x" * 200))
    windows.add(early)
    windows.cut(windows.windows()[0], MARK)
    shown = windows.release()
    shown += fed(windows, late, replace(late, part=None), TextChunk("", ProviderState("p", {})))
    shown += fed(windows, PartChunk(BuiltinToolPart("p", "s", "b")), TextChunk("fine"), replace(other, part=1))
    shown += fed(windows, FinishChunk("stop"))
    assert [one for one in shown if isinstance(one, CitationChunk)] == [replace(other, part=None)]


def test_the_end_of_a_part_that_was_shown_is_judged_with_what_follows_it() -> None:
    windows = Windows(100, 20)
    step = PartChunk(BuiltinToolPart("p", "s", "b"))
    assert fed(windows, TextChunk("break the "), step) == [TextChunk("break the "), step]
    windows.add(TextChunk("lock"))
    (window,) = windows.windows()
    assert window.piece == "break the lock"
    windows.cut(window, MARK)
    assert windows.release() == [TextChunk(MARK)]


def test_probabilities_before_a_text_are_cut_with_it() -> None:
    windows = Windows(100, 20)
    windows.add(LogprobsChunk((TokenLogprob("x", -0.1),)))
    windows.add(UsageChunk(Usage()))
    (whole,) = windows.split(TextChunk("x" * 200))
    windows.add(whole)
    windows.cut(windows.windows()[0], MARK)
    assert windows.release() == [UsageChunk(Usage()), TextChunk(MARK)]


def test_a_text_is_shown_when_a_window_is_full_but_for_the_overlap() -> None:
    windows = Windows(100, 20)
    assert fed(windows, *[TextChunk("x")] * 99) == []
    assert len(fed(windows, TextChunk("x"))) == 80
    assert fed(windows, *[TextChunk("y")] * 79) == []
    assert len(fed(windows, TextChunk("y"))) == 80


def test_probabilities_of_tokens_that_were_cut_are_left_out() -> None:
    windows = Windows(100, 20)
    windows.add(TextChunk("x" * 200))
    windows.cut(windows.windows()[0], MARK)
    late = LogprobsChunk((TokenLogprob("x", -0.1),))
    assert fed(windows, late, FinishChunk("stop")) == [TextChunk(MARK), FinishChunk("stop")]


def test_what_was_handed_on_is_not_counted_as_held() -> None:
    windows = Windows(100, 20)
    for _ in range(200):
        shown = fed(windows, CitationChunk(Citation(quote="x" * 60_000)))
        assert len(shown) == 1
    assert not windows.full


def test_what_a_stream_may_have_held_is_bounded() -> None:
    windows = Windows(100, 20)
    for _ in range(45):
        windows.add(ToolCallChunk(0, arguments="x" * 100_000))
    assert windows.full
    windows.close()
    assert len(windows.release()) == 45
    assert not windows.full


@pytest.mark.parametrize("state", [None, ProviderState("p", {"signature": "s"})])
def test_a_long_text_is_divided_and_keeps_its_state_at_its_end(state: ProviderState | None) -> None:
    pieces = Windows(100, 20).split(ReasoningChunk("x" * 200, state))
    assert "".join(map(said, pieces)) == "x" * 200
    assert max(len(said(one)) for one in pieces) <= 80
    assert [one.state for one in pieces if one.state] == ([state] if state else [])
