"""Every streamed family at once: what holds for each recorded stream however it is cut, ended or damaged."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import pairwise

import pytest
from corpus import needs_corpora
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_recordings import streamed

from unified_api.errors import GatewayError
from unified_api.types import Chunk, Response
from unified_api.wire import families
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.recognition import recognise
from unified_api.wire.recording import Recording
from unified_api.wire.replay import profile_of

SEED = 20261122
LONGEST = 40_000
"""Bytes of the streams that are cut byte by byte or at many places."""


@cache
def streams() -> tuple[Recording, ...]:
    return tuple(one for one in streamed() if recognise(one.host, one.path).task == "chat")


def decoder(recording: Recording) -> families.Decoder:
    family = recognise(recording.host, recording.path).family
    return families.CHAT[family].StreamDecoder(provider="p", model="m", profile=profile_of(recording))


def decoded(recording: Recording, pieces: Iterator[bytes]) -> tuple[list[Chunk], str]:
    """The chunks, and the class of the error that ended them."""
    reader, chunks = decoder(recording), []
    try:
        for piece in pieces:
            chunks += reader.feed(piece)
        chunks += reader.end()
    except GatewayError as error:
        return chunks, type(error).__name__
    return chunks, ""


def cut(body: bytes, places: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(places), len(body)]
    return (body[start:end] for start, end in pairwise(edges))


def collected(chunks: list[Chunk]) -> Response:
    collector = Collector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.response(provider="p", model="m")


@needs_corpora
def test_there_are_recorded_streams_of_every_family_that_has_some() -> None:
    assert {recognise(one.host, one.path).family for one in streams()} >= {
        "openai_chat", "openai_responses", "anthropic", "gemini", "bedrock", "bedrock_invoke", "cohere", "ollama",
    }  # fmt: skip
    assert len(streams()) > 300


@needs_corpora
def test_a_stream_means_the_same_however_its_bytes_are_cut() -> None:
    dice = random.Random(SEED)
    for recording in streams():
        whole = decoded(recording, iter([recording.body]))
        for _ in range(2):
            places = dice.choices(range(len(recording.body) + 1), k=dice.choice([1, 3, 20]))
            assert decoded(recording, cut(recording.body, places)) == whole, recording.id


@needs_corpora
def test_a_stream_that_comes_byte_by_byte_means_the_same() -> None:
    short = [one for one in streams() if len(one.body) < 3_000]
    assert len(short) > 50
    for recording in short:
        whole = decoded(recording, iter([recording.body]))
        bytes_alone = (recording.body[at : at + 1] for at in range(len(recording.body)))
        assert decoded(recording, bytes_alone) == whole, recording.id


@needs_corpora
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(st.data())
def test_any_cutting_of_any_stream_means_the_same(data: st.DataObject) -> None:
    recording = data.draw(st.sampled_from([one for one in streams() if len(one.body) < LONGEST]))
    places = data.draw(st.lists(st.integers(0, len(recording.body)), max_size=30))
    assert decoded(recording, cut(recording.body, places)) == decoded(recording, iter([recording.body]))


@needs_corpora
def test_a_cut_stream_is_never_taken_for_a_whole_one() -> None:
    """A success must hold everything: only what comes after the provider's terminal sign may be missing."""
    dice = random.Random(SEED)
    judged = 0
    for recording in streams():
        chunks, error = decoded(recording, iter([recording.body]))
        if error:
            continue
        whole = collected(chunks)
        ends = [len(recording.body) - back for back in range(1, 40)]
        for end in {*ends, *dice.choices(range(len(recording.body)), k=12)}:
            chunks, error = decoded(recording, iter([recording.body[: max(end, 0)]]))
            if not error:
                cut_short = collected(chunks)
                assert cut_short.parts == whole.parts, (recording.id, end)
                assert cut_short.finish_reason == whole.finish_reason, (recording.id, end)
            judged += bool(error)
    assert judged > 3_000


@needs_corpora
def test_a_damaged_stream_ends_in_chunks_or_a_typed_error() -> None:
    dice = random.Random(SEED)
    for recording in streams():
        damaged = bytearray(recording.body[:LONGEST])
        for _ in range(8):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        decoded(recording, iter([bytes(damaged)]))


FRAGMENTS = [
    b"data: ", b"\r\n\r\n", b"\n\n", b"{", b"}", b"[", b"]", b",", b'"', b"event: error\n", b"[DONE]", b"null",
    b"\x00" * 12,
]  # fmt: skip


@pytest.mark.parametrize("family", sorted(families.CHAT))
@given(pieces=st.lists(st.binary(max_size=60) | st.sampled_from(FRAGMENTS), max_size=20))
def test_random_bytes_end_in_chunks_or_a_typed_error(family: str, pieces: list[bytes]) -> None:
    wire = families.CHAT[family]
    reader = wire.StreamDecoder(provider="p", model="m", profile=WireProfile())
    with suppress(GatewayError):
        for piece in pieces:
            reader.feed(piece)
        reader.end()
    with suppress(GatewayError):
        wire.decode(b"".join(pieces), provider="p", model="m", profile=WireProfile())


def feed_all(reader: families.Decoder, pieces: list[bytes]) -> None:
    for piece in pieces:
        reader.feed(piece)


@pytest.mark.parametrize("family", sorted(families.CHAT))
@pytest.mark.parametrize("start", [b"data: {", b"{", b"[{", b'event: x\ndata: "', b"\x7f\xff\xff\xf0\x00\x00\x00\x10"])
def test_an_endless_event_ends_in_a_typed_error_before_it_fills_the_memory(family: str, start: bytes) -> None:
    reader = families.CHAT[family].StreamDecoder(provider="p", model="m", profile=WireProfile())
    with pytest.raises(GatewayError):
        feed_all(reader, [start, *[b"a" * (4 * 2**20)] * 40])


@pytest.mark.parametrize("family", sorted(set(families.CHAT) - {"bedrock", "bedrock_invoke"}))
def test_endless_keep_alives_are_not_remembered(family: str) -> None:
    reader = families.CHAT[family].StreamDecoder(provider="p", model="m", profile=WireProfile())
    noise = (b"\n" * 1000) if family == "ollama" else b': ping\n\nevent: ping\ndata: {"type": "ping"}\n\n' * 100
    reader.feed(noise)
    tracemalloc.start()
    for _ in range(100):
        reader.feed(noise)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000
