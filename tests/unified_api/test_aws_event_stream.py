from __future__ import annotations

import struct
import time
import zlib
from itertools import pairwise
from uuid import UUID

import pytest
from aws_frames import event_frame, frame, raw_header
from corpus import needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import streamed

from unified_api.wire.aws_event_stream import FRAME_LIMIT, Frame, FrameDecoder

NUMBERS = raw_header("b", 2, b"\xff") + raw_header("s", 3, b"\x01\x00") + raw_header("i", 4, b"\x00\x00\x00\x07")
TEN = (
    raw_header("t", 0)
    + raw_header("f", 1)
    + NUMBERS
    + raw_header("l", 5, struct.pack(">q", -2))
    + raw_header("y", 6, b"\x00\x02\x00\xff")
    + raw_header("w", 7, b"\x00\x03\xe2\x82\xac")
    + raw_header("m", 8, struct.pack(">q", 1_440_938_160_000))
    + raw_header("u", 9, bytes(range(16)))
)


def read(*pieces: bytes) -> tuple[list[Frame], FrameDecoder]:
    decoder, frames = FrameDecoder(), []
    for piece in pieces:
        frames += decoder.feed(piece)
    return frames, decoder


def test_headers_of_all_ten_types_are_read() -> None:
    ((headers, payload),), decoder = read(frame(TEN, b"body"))
    assert headers == {
        "t": True, "f": False, "b": -1, "s": 256, "i": 7, "l": -2, "y": b"\x00\xff", "w": "€", "m": 1_440_938_160_000,
        "u": UUID(bytes=bytes(range(16))),
    }  # fmt: skip
    assert (payload, decoder.damaged, decoder.broken, decoder.pending) == (b"body", 0, "", 0)


def test_the_published_example_of_a_frame_is_read() -> None:
    # The specification's test vectors begin with a message without headers and payload.
    ((headers, payload),), _ = read(bytes.fromhex("000000100000000005c248eb7d98c8ff"))
    assert (headers, payload) == ({}, b"")


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_frames_are_the_same_however_the_bytes_are_cut(payloads: list[bytes], data: st.DataObject) -> None:
    body = b"".join(frame(TEN, payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    pieces = [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]
    frames, decoder = read(*pieces)
    assert [one.payload for one in frames] == payloads
    assert decoder.pending == 0


def test_every_flipped_byte_of_a_frame_is_noticed() -> None:
    good = event_frame("contentBlockDelta", {"delta": {"text": "Hello"}})
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 0x40
        frames, decoder = read(bytes(bad) + good)
        assert decoder.broken or decoder.damaged == 1, place
        assert len(frames) <= 1


def test_a_frame_whose_own_checksum_is_wrong_is_passed_over() -> None:
    one, two = frame(TEN, b"one"), frame(b"", b"two")
    bad = bytearray(one)
    bad[-1] ^= 1
    frames, decoder = read(bytes(bad), two, one)
    assert [found.payload for found in frames] == [b"two", b"one"]
    assert (decoder.damaged, decoder.broken) == (1, "")


def test_wrong_lengths_end_the_stream_after_the_frames_before_them() -> None:
    bad = bytearray(frame(b"", b"bad"))
    bad[3] += 1
    frames, decoder = read(frame(b"", b"good") + bytes(bad) + frame(b"", b"never"), b"more")
    assert [found.payload for found in frames] == [b"good"]
    assert "checksum" in decoder.broken


@pytest.mark.parametrize(
    ("total", "headers"), [(FRAME_LIMIT + 1, 0), (2**32 - 1, 16), (15, 0), (0, 0), (100, 85), (2**20, 2**19)]
)
def test_lying_lengths_are_refused_before_anything_is_held_for_them(total: int, headers: int) -> None:
    prelude = struct.pack(">II", total, headers)
    frames, decoder = read(prelude + struct.pack(">I", zlib.crc32(prelude)))
    assert frames == []
    assert decoder.broken


@pytest.mark.parametrize(
    "headers",
    [
        raw_header("x", 10),
        raw_header("x", 7, b"\x00\x09abc"),
        raw_header("x", 4, b"\x00"),
        raw_header("x", 9, b"\x00"),
        raw_header("x", 7, b"\x00"),
        raw_header("x", 7, b"\x00\x01\xff"),
        b"\x09abc",
        b"\x01\xff\x00",
        b"\x01",
    ],
)
def test_headers_that_cannot_be_read_cost_their_frame_only(headers: bytes) -> None:
    frames, decoder = read(frame(headers, b"x") + frame(b"", b"next"))
    assert [found.payload for found in frames] == [b"next"]
    assert (decoder.damaged, decoder.broken) == (1, "")


@given(st.lists(st.binary(max_size=80)))
def test_random_bytes_end_in_frames_or_a_broken_stream(pieces: list[bytes]) -> None:
    frames, decoder = read(*pieces)
    assert frames == [] or not decoder.broken


def test_the_cost_of_a_long_frame_does_not_depend_on_its_pieces() -> None:
    body = frame(b"", bytes(4 * 2**20))

    def seconds(size: int) -> float:
        decoder, start = FrameDecoder(), time.process_time()
        got = sum(len(decoder.feed(body[at : at + size])) for at in range(0, len(body), size))
        assert got == 1
        return time.process_time() - start

    # A decoder that joined what it holds at every piece would copy 8 GiB here.
    assert seconds(1024) < 1.0


@needs_corpora
def test_recorded_frames_are_those_that_the_sdk_of_aws_reads() -> None:
    eventstream = pytest.importorskip("botocore.eventstream")
    seen = 0
    for recording in streamed():
        if recording.provider == "bedrock":
            buffer = eventstream.EventStreamBuffer()
            buffer.add_data(recording.body)
            frames, decoder = read(recording.body)
            assert [(one.headers, one.payload) for one in frames] == [(e.headers, e.payload) for e in buffer]
            assert (decoder.damaged, decoder.broken, decoder.pending) == (0, "", 0)
            seen += len(frames)
    assert seen > 500
