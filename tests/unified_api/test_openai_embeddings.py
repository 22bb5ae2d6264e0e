from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress

import pytest
from corpus import needs_corpora
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import everything, recordings

from unified_api.errors import (
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    RateLimitError,
    UnsupportedParameterError,
)
from unified_api.providers import builtin_rows
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


def test_a_purpose_goes_where_and_how_the_profile_says_and_is_refused_where_it_says_nothing() -> None:
    request = EmbedRequest(model="p/m", inputs=("a",), purpose="document")
    assert body(request, WireProfile(purpose_field="input_type"))["input_type"] == "document"
    profile = WireProfile(purpose_field="task", purposes={"document": "retrieval.passage"})
    assert body(request, profile)["task"] == "retrieval.passage"
    with pytest.raises(UnsupportedParameterError, match="what texts are for") as refused:
        body(request)
    assert refused.value.param == "purpose"


def test_an_endpoint_may_be_elsewhere() -> None:
    profile = WireProfile(paths={"/embeddings": "/v1/embeddings"})
    wire = encode(EmbedRequest(model="p/m", inputs=("a",)), provider="p", model="m", profile=profile)
    assert wire.path == "/v1/embeddings"
    assert json.loads(wire.body)["model"] == "m"


@pytest.mark.parametrize("answer", [[0.5, -2], [[0.5, -2]]])
def test_a_bare_list_is_a_vector_or_holds_vectors(answer: object) -> None:
    assert read(answer, 1).vectors == ((0.5, -2.0),)


def test_a_total_alone_is_all_input() -> None:
    assert read({**data([1]), "usage": {"total_tokens": 12}}).usage == Usage(input_tokens=12)


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
        (data("é"), "no base64"),
        (data("AAA="), "2 bytes is no float32"),
        (data(packed(float("nan"))), "not finite"),
        (data([1], [1, 2]), "different lengths"),
        ({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}, "two vectors have the index 0"),
        ({"data": [{"index": 3, "embedding": [1]}]}, "gaps"),
        (data([1], [2]), "2 vectors of 'asked' for 3 inputs"),
        ([[[1]]], "no number"),
        ([[1], [1, 2]], "different lengths"),
        ([], "no embeddings|no JSON object"),
        (data(""), "0 bytes"),
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


NATIVE = ("api.cohere.com", "127.0.0.1:11434", "generativelanguage.googleapis.com")


def unpacked(embedding: object, provider: str) -> list[float]:
    if not isinstance(embedding, str):
        return [float(number) for number in embedding]  # type: ignore[attr-defined]  # a list of numbers
    raw = base64.b64decode(embedding)
    if provider == "perplexity":
        return [float(byte - 256 if byte > 127 else byte) for byte in raw]
    return [struct.unpack_from("<f", raw, at)[0] for at in range(0, len(raw), 4)]


@needs_corpora
def test_every_recorded_answer_is_read_as_it_stands() -> None:
    rows, read_in_all = builtin_rows(), 0
    for recording in everything():
        ours = recording.path.endswith("/embeddings") or "/feature-extraction/" in recording.path
        if recording.status != 200 or recording.host in NATIVE or not ours:
            continue
        row = rows.get(recording.provider)
        profile = WireProfile(embedding_format=row.profile.embedding_format if row else None)
        plain = json.loads(recording.body)
        entries = plain["data"] if isinstance(plain, dict) else [{"embedding": plain}]
        asked = recording.request["input"] if "input" in recording.request else recording.request["inputs"]  # type: ignore[index, operator]  # an object
        expected = 1 if isinstance(asked, str) else len(asked)
        response = decode(recording.body, provider="p", model="m", profile=profile, expected=expected)
        for entry, vector in zip(entries, response.vectors, strict=True):
            assert list(vector) == unpacked(entry["embedding"], recording.provider), recording.id
        usage = plain.get("usage", {}) if isinstance(plain, dict) else {}
        assert response.usage.input_tokens == usage.get("prompt_tokens", usage.get("total_tokens"))
        read_in_all += 1
    assert read_in_all >= 22


@needs_corpora
def test_recorded_requests_are_written_in_the_same_words() -> None:
    written = 0
    for recording in recordings("embeddings"):
        asked = {key: value for key, value in recording.request.items() if value is not None}  # type: ignore[attr-defined]  # an object
        inputs = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        if not all(isinstance(text, str) for text in inputs):
            continue  # numbers of tokens, which are no input of ours
        size = "output_dimension" if "output_dimension" in asked else "dimensions"
        request = EmbedRequest(
            model="p/m", inputs=tuple(inputs), dimensions=asked.get(size), purpose=asked.get("input_type")
        )
        profile = WireProfile(
            purpose_field="input_type", renamed={"dimensions": size}, embedding_format=asked.get("encoding_format")
        )
        sent = json.loads(encode(request, provider="p", model=asked["model"], profile=profile).body)
        # A text means the list of that text; Voyage's `truncation` has no field of ours.
        assert sent == {key: value for key, value in {**asked, "input": inputs}.items() if key != "truncation"}
        written += 1
    assert written > 15
