from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress

import pytest
from corpus import needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import recordings

from unified_api.errors import (
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    RateLimitError,
    UnsupportedParameterError,
)
from unified_api.types import EmbedRequest, EmbedResponse, Usage
from unified_api.wire.base import WireProfile
from unified_api.wire.openai_embeddings import decode, encode

PLAIN = WireProfile()


def body(request: EmbedRequest, profile: WireProfile = PLAIN) -> dict[str, object]:
    wire = encode(request, provider="p", model="m", profile=profile)
    assert (wire.method, wire.path) == ("POST", "/embeddings")
    return json.loads(wire.body)


def read(answer: object, expected: int | None = None, profile: WireProfile = PLAIN) -> EmbedResponse:
    return decode(json.dumps(answer).encode(), provider="p", model="asked", profile=profile, expected=expected)


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def data(*vectors: object) -> dict[str, object]:
    return {"data": [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]}


def test_the_inputs_are_sent_and_the_rest_only_when_asked() -> None:
    assert body(EmbedRequest(model="p/m", inputs=("a", "b"))) == {"model": "m", "input": ["a", "b"]}
    profile = WireProfile(renamed={"dimensions": "output_dimension"}, embedding_format="float")
    sent = body(EmbedRequest(model="p/m", inputs=("a",), dimensions=256), profile)
    assert sent == {"model": "m", "input": ["a"], "output_dimension": 256, "encoding_format": "float"}


def test_no_inputs_and_unsupported_dimensions_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="at least one input"):
        encode(EmbedRequest(model="p/m", inputs=()), provider="p", model="m", profile=PLAIN)
    with pytest.raises(UnsupportedParameterError, match="'dimensions'"):
        body(EmbedRequest(model="p/m", inputs=("a",), dimensions=8), WireProfile(unsupported=frozenset({"dimensions"})))


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    answer = {"data": [{"index": 1, "embedding": [2, 0.5]}, {"index": 0, "embedding": [1, 0]}], "model": "m-1"}
    response = read({**answer, "usage": {"prompt_tokens": 7, "total_tokens": 7}}, 2)
    assert response.vectors == ((1.0, 0.0), (2.0, 0.5))
    assert (response.model, response.usage) == ("p/m-1", Usage(input_tokens=7))


def test_base64_vectors_are_unpacked() -> None:
    assert read(data(packed(0.5, -2.0))).vectors == ((0.5, -2.0),)
    signed = WireProfile(embedding_format="base64_int8")
    assert read(data(base64.b64encode(bytes([1, 255])).decode()), profile=signed).vectors == ((1.0, -1.0),)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "no embeddings"),
        ({"data": []}, "no embeddings"),
        ({"data": [7]}, "not a list of numbers"),
        (data([]), "not a list of numbers"),
        (data([1, None]), "no number"),
        (data([1, True]), "no number"),
        (data("???"), "no base64"),
        (data("AAA="), "2 bytes is no float32"),
        (data(packed(float("nan"))), "not finite"),
        (data([1], [1, 2]), "different lengths"),
        ({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}, "two vectors have the index 0"),
        ({"data": [{"index": 3, "embedding": [1]}]}, "gaps"),
        (data([1], [2]), "2 vectors of 'asked' for 3 inputs"),
    ],
)
def test_vectors_that_cannot_be_right_are_a_malformed_response(answer: object, words: str) -> None:
    with pytest.raises(MalformedResponseError, match=words):
        read(answer, 3)


def test_an_error_inside_a_good_answer_is_raised() -> None:
    with pytest.raises(RateLimitError):
        read({"error": {"code": 429, "message": "slow down"}})


@given(
    st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1)
)
def test_floats_survive_both_encodings(vectors: list[list[float]]) -> None:
    expected = tuple(map(tuple, vectors))
    assert read(data(*vectors)).vectors == read(data(*(packed(*vector) for vector in vectors))).vectors == expected


@given(st.binary(max_size=60), st.text(max_size=12))
def test_no_bytes_make_the_decoder_crash(junk: bytes, text: str) -> None:
    for answer in (junk, json.dumps(data(text)).encode()):
        with suppress(GatewayError):
            decode(answer, provider="p", model="m", profile=PLAIN)


@needs_corpora
def test_every_recorded_answer_has_a_vector_for_each_input() -> None:
    read_in_all = 0
    for recording in recordings("embeddings"):
        signed = WireProfile(embedding_format="base64_int8" if recording.provider == "perplexity" else None)
        plain = json.loads(recording.body)
        response = decode(recording.body, provider="p", model="m", profile=signed, expected=len(plain["data"]))
        for entry, vector in zip(plain["data"], response.vectors, strict=True):
            if isinstance(entry["embedding"], list):
                assert vector == tuple(entry["embedding"]), recording.id
            size = sum(number * number for number in vector) ** 0.5
            assert recording.provider == "perplexity" or 0.9 < size < 1.1, recording.id
        assert response.usage.input_tokens == plain["usage"].get("prompt_tokens", response.usage.input_tokens)
        read_in_all += 1
    assert read_in_all > 15
