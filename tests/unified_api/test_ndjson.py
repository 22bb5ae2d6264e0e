from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.sse import EventTooLargeError, SseEvent
from unified_api.wire.json_events import JsonEvents
from unified_api.wire.ndjson import LineDecoder, LineTooLargeError


def lines(pieces: list[bytes], limit: int = 1000) -> list[bytes]:
    decoder = LineDecoder(limit=limit)
    return [line for piece in pieces for line in decoder.feed(piece)] + decoder.end()


def events(pieces: list[bytes], limit: int = 1000) -> tuple[list[bytes], str]:
    decoder = JsonEvents(limit=limit)
    found = [event for piece in pieces for event in decoder.feed(piece)] + decoder.end()
    return [event.data for event in found], decoder.framing


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


def test_lines_come_without_their_ends_blank_ones_and_the_byte_order_mark() -> None:
    assert lines([b'\xef\xbb\xbf{"a":1}\r\n\r\n  {"b"', b":2}\n", b'{"c":3}']) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


def test_a_carriage_return_alone_ends_no_line() -> None:
    assert lines([b'{"a":\r1}\n']) == [b'{"a":\r1}']


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 500)))
def test_lines_are_the_same_however_the_bytes_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    body = b"\n".join(parts)
    expected = [line.strip() for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    assert lines([body]) == expected
    if not body.startswith((b"\xef", b"\xbb", b"\xbf")):
        assert lines(pieces(body, cuts)) == expected


@pytest.mark.parametrize("body", [[b"x" * 11], [b"x" * 6, b"x" * 6], [b"x" * 11 + b"\n"], [b"ok\n" + b"x" * 11]])
def test_a_line_past_the_limit_is_an_error(body: list[bytes]) -> None:
    with pytest.raises(LineTooLargeError, match="larger than 10 bytes"):
        lines(body, limit=10)


def test_many_short_lines_are_no_long_one() -> None:
    assert len(lines([b"0123456789\n" * 50], limit=10)) == 50


def test_a_long_line_in_small_pieces_takes_no_longer_than_it_is_long() -> None:
    decoder, piece = LineDecoder(), b"x" * 16
    started = time.process_time()
    for _ in range(200_000):
        decoder.feed(piece)
    assert len(decoder.end()[0]) == 3_200_000
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("body", "found", "framing"),
    [
        (b'data: {"a":1}\n\ndata: {"b":2}\n\n', [b'{"a":1}', b'{"b":2}'], "events"),
        (b"\n: hello\n\nevent: x\ndata: 1\n\n", [b"1"], "events"),
        (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}'], "lines"),
        (b'{"a":1}', [b'{"a":1}'], "lines"),
        (b'{"a":1}\nbroken\n', [b'{"a":1}', b"broken"], "lines"),
        (b'{\n "a": 1\n}\n', [b'{\n"a": 1\n}'], "document"),
        (b"[\n1,\n2]", [b"[\n1,\n2]"], "document"),
        (b'{brok\n{"b":2}\n', [b"{brok", b'{"b":2}'], "document"),
        (b"<html>\n</html>", [b"<html>", b"</html>"], "document"),
        (b" \r\n\t", [], "unknown"),
    ],
)
def test_the_framing_is_told_by_the_first_line(body: bytes, found: list[bytes], framing: str) -> None:
    assert events([body]) == (found, framing)
    assert events([body[at : at + 1] for at in range(len(body))]) == (found, framing)


def test_a_named_event_keeps_its_name() -> None:
    assert JsonEvents().feed(b"event: error\ndata: {}\n\n") == [SseEvent(b"{}", "error")]


@pytest.mark.parametrize("body", [b"data: " + b"x" * 60, b'{"a":"' + b"x" * 60, b"{\n" + b'"x":1,\n' * 20])
def test_no_framing_grows_without_bounds(body: bytes) -> None:
    with pytest.raises(EventTooLargeError):
        events([body[at : at + 5] for at in range(0, len(body), 5)], limit=50)
