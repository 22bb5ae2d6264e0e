from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import GatewayError, InvalidRequestError, MalformedResponseError, ProviderError
from unified_api.types import EmbedRequest, EmbedResponse, Usage
from unified_api.wire import families
from unified_api.wire.base import WireProfile
from unified_api.wire.cohere.embeddings import decode, encode

PLAIN = WireProfile()


def body(request: EmbedRequest, profile: WireProfile = PLAIN) -> dict[str, Any]:
    wire = encode(request, provider="cohere", model="m", profile=profile)
    assert (wire.method, wire.path) == ("POST", "/embed")
    return json.loads(wire.body)


def read(answer: object, expected: int | None = None) -> EmbedResponse:
    return decode(json.dumps(answer).encode(), provider="cohere", model="m", profile=PLAIN, expected=expected)


@pytest.mark.parametrize(
    ("purpose", "word"), [("query", "search_query"), ("document", "search_document"), (None, "search_document")]
)
def test_cohere_is_told_what_texts_are_for_and_takes_them_for_documents(purpose: Any, word: str) -> None:
    assert body(EmbedRequest(model="cohere/m", inputs=("a", "b"), purpose=purpose)) == {
        "model": "m",
        "texts": ["a", "b"],
        "input_type": word,
        "embedding_types": ["float"],
    }


def test_dimensions_and_the_form_of_the_vectors_are_sent() -> None:
    sent = body(EmbedRequest(model="cohere/m", inputs=("a",), dimensions=256), WireProfile(embedding_format="base64"))
    assert (sent["output_dimension"], sent["embedding_types"]) == (256, ["base64"])


def test_no_inputs_and_no_dimensions_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="at least one input"):
        body(EmbedRequest(model="cohere/m", inputs=()))
    with pytest.raises(InvalidRequestError, match="1 or more"):
        body(EmbedRequest(model="cohere/m", inputs=("a",), dimensions=0))


def test_the_family_is_known() -> None:
    assert families.EMBED["cohere_embeddings"].encode is encode


def test_vectors_are_read_in_each_form_with_the_billed_tokens() -> None:
    meta = {"billed_units": {"input_tokens": 5}}
    packed = base64.b64encode(struct.pack("<2f", 0.5, -2.0)).decode()
    for embeddings in (
        {"float": [[0.5, -2.0]]},
        {"base64": [packed]},
        {"float": None, "base64": [packed]},
        [[0.5, -2]],
    ):
        response = read({"embeddings": embeddings, "meta": meta}, 1)
        assert response.vectors == ((0.5, -2.0),)
        assert response.usage == Usage(input_tokens=5)
    assert read({"embeddings": {"int8": [[1, -128]]}}).vectors == ((1.0, -128.0),)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "no embeddings"),
        ({"embeddings": {}}, "no embeddings"),
        ({"embeddings": {"float": []}}, "no embeddings"),
        ({"embeddings": {"ubinary": [[1]]}}, "ubinary"),
        ({"embeddings": {"float": [[]]}}, "not a list of numbers"),
        ({"embeddings": {"float": [[1, None]]}}, "no number"),
        ({"embeddings": {"float": [[1], [1, 2]]}}, "different lengths"),
        ({"embeddings": {"base64": ["?"]}}, "no base64"),
        ({"embeddings": {"float": [[1], [2]]}}, "2 vectors of 'm' for 3 inputs"),
    ],
)
def test_vectors_that_cannot_be_right_are_a_malformed_response(answer: object, words: str) -> None:
    with pytest.raises(MalformedResponseError, match=words):
        read(answer, 3)


def test_an_error_body_under_a_good_status_is_raised() -> None:
    with pytest.raises(ProviderError, match="texts must not be empty"):
        read({"id": "1", "message": "texts must not be empty"})


@given(st.binary(max_size=60), st.text(max_size=12))
def test_no_bytes_make_the_decoder_crash(junk: bytes, text: str) -> None:
    for answer in (junk, json.dumps({"embeddings": {"base64": [text]}}).encode()):
        with suppress(GatewayError):
            decode(answer, provider="p", model="m", profile=PLAIN)
