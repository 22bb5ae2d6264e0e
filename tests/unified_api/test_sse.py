from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.sse import EventTooLargeError, SseDecoder, SseEvent


def read(stream: bytes, cuts: list[int] | None = None) -> list[SseEvent]:
    decoder = SseDecoder()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts or []), len(stream)]
    events = [event for start, stop in pairwise(places) for event in decoder.feed(stream[start:stop])]
    return events + decoder.end()


LINES = st.sampled_from([b"a", b"{}", b" b ", "é😀".encode(), b"x:y", b"", b"[DONE]"])
FIELDS = st.sampled_from([b"data: ", b"data:", b"event: ", b"id:", b": ", b"retry: ", b"data", b"unknown: "])
STREAMS = st.lists(
    st.tuples(FIELDS, LINES, st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n"])), max_size=30
)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_all_three_line_ends_close_an_event(end: bytes) -> None:
    stream = end.join([b"data: one", b"", b"event: error", b"data: two", b"", b""])
    assert read(stream) == [SseEvent(b"one"), SseEvent(b"two", "error")]


def test_data_of_several_lines_is_joined_by_line_feeds() -> None:
    assert read(b'data: {\r\ndata: "a": 1\r\ndata:}\r\n\r\n') == [SseEvent(b'{\n"a": 1\n}')]


def test_comments_retry_and_unknown_fields_make_no_event() -> None:
    assert read(b": OPENROUTER PROCESSING\n\nretry: 10\nfoo: bar\n\n:\n\ndata: x\n\n") == [SseEvent(b"x")]


def test_only_one_space_after_the_colon_is_dropped() -> None:
    assert read(b"data:  x\n\ndata:y\n\ndata\n\n") == [SseEvent(b" x"), SseEvent(b"y"), SseEvent(b"")]


def test_a_byte_order_mark_at_the_start_is_passed_over_even_when_cut() -> None:
    stream = b"\xef\xbb\xbfdata: x\n\n"
    assert read(stream) == read(stream, [1]) == read(stream, [1, 2]) == [SseEvent(b"x")]
    assert read(b"\xef\xbb\xbfdata: x") == [SseEvent(b"x")]


def test_the_id_stays_and_the_name_does_not() -> None:
    stream = b"id: 7\nevent: tick\ndata: a\n\ndata: b\n\nid: 8\x00\ndata: c\n\n"
    assert read(stream) == [SseEvent(b"a", "tick", "7"), SseEvent(b"b", "", "7"), SseEvent(b"c", "", "7")]


def test_an_event_without_its_closing_line_is_given_at_the_end() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n\nevent: error\ndata: half") == [SseEvent(b"a")]
    assert decoder.end() == [SseEvent(b"half", "error")]


def test_an_empty_stream_has_no_events() -> None:
    assert read(b"") == read(b"\n\n\r\n") == read(b": ping\n\n") == []


def test_only_a_cut_right_after_a_carriage_return_awaits_its_line_feed() -> None:
    assert read(b"data: a\rdata: b\n\n", [15]) == read(b"data: a\rdata: b\n\n") == [SseEvent(b"a\nb")]


@given(STREAMS, st.lists(st.integers(0, 400), max_size=40))
def test_cuts_never_change_the_events(pieces: list[tuple[bytes, bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(b"".join(piece) for piece in pieces)
    assert read(stream, cuts) == read(stream)


@given(STREAMS)
def test_byte_by_byte_gives_the_same_events(pieces: list[tuple[bytes, bytes, bytes]]) -> None:
    stream = b"".join(b"".join(piece) for piece in pieces)
    assert read(stream, list(range(len(stream)))) == read(stream)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1), min_size=1, max_size=8
    )
)
def test_what_is_written_as_events_is_read_back(texts: list[str]) -> None:
    stream = "".join(f"data: {text}\n\n" for text in texts).encode()
    assert [event.data.decode() for event in read(stream)] == texts


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 60, b"x" * 60, b"data: " + b"x" * 20 + b"\n"])
def test_an_event_without_end_does_not_eat_the_memory(piece: bytes) -> None:
    decoder = SseDecoder(limit=100)
    with pytest.raises(EventTooLargeError, match="100 bytes"):
        [decoder.feed(piece) for _ in range(10)]


def test_many_small_events_and_comments_stay_below_the_limit_of_one() -> None:
    decoder = SseDecoder(limit=100)
    assert sum(len(decoder.feed(b"data: 0123456789\n\n: ping\n\n")) for _ in range(1000)) == 1000
