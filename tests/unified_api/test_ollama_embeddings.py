from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import (
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    ProviderError,
    UnsupportedParameterError,
)
from unified_api.types import EmbedRequest, EmbedResponse, Usage
from unified_api.wire import families
from unified_api.wire.base import WireProfile
from unified_api.wire.ollama.embeddings import decode, encode

PLAIN = WireProfile()


def body(request: EmbedRequest) -> dict[str, Any]:
    wire = encode(request, provider="ollama", model="m", profile=PLAIN)
    assert (wire.method, wire.path) == ("POST", "/api/embed")
    return json.loads(wire.body)


def read(answer: object, expected: int | None = None) -> EmbedResponse:
    return decode(json.dumps(answer).encode(), provider="ollama", model="m", profile=PLAIN, expected=expected)


def test_the_inputs_are_sent_and_the_rest_only_when_asked() -> None:
    assert families.EMBED["ollama_embeddings"].encode is encode
    assert body(EmbedRequest(model="ollama/m", inputs=("a", "b"))) == {"model": "m", "input": ["a", "b"]}
    assert body(EmbedRequest(model="ollama/m", inputs=("a",), dimensions=64))["dimensions"] == 64


def test_a_purpose_and_an_empty_request_are_refused() -> None:
    with pytest.raises(UnsupportedParameterError, match="what texts are for") as refused:
        body(EmbedRequest(model="ollama/m", inputs=("a",), purpose="query"))
    assert refused.value.param == "purpose"
    with pytest.raises(InvalidRequestError, match="at least one input"):
        body(EmbedRequest(model="ollama/m", inputs=()))


def test_vectors_are_read_from_the_newer_and_the_older_answer() -> None:
    response = read({"model": "m:latest", "embeddings": [[1, 0.5], [2, 3]], "prompt_eval_count": 7}, 2)
    assert response.vectors == ((1.0, 0.5), (2.0, 3.0))
    assert (response.model, response.usage) == ("ollama/m:latest", Usage(input_tokens=7))
    assert read({"embedding": [1, 0.5]}, 1).vectors == ((1.0, 0.5),)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "no embeddings"),
        ({"embeddings": []}, "no embeddings"),
        ({"embedding": []}, "not a list of numbers"),
        ({"embeddings": [[1, "x"]]}, "no number"),
        ({"embeddings": [[1], [1, 2]]}, "different lengths"),
        ({"embeddings": [[1]]}, "1 vectors of 'm' for 2 inputs"),
        ({"message": {"content": "hi"}}, "no embeddings"),
    ],
)
def test_vectors_that_cannot_be_right_are_a_malformed_response(answer: object, words: str) -> None:
    with pytest.raises(MalformedResponseError, match=words):
        read(answer, 2)


def test_not_a_number_is_no_vector() -> None:
    with pytest.raises(MalformedResponseError, match="no number"):
        decode(b'{"embeddings":[[NaN]]}', provider="p", model="m", profile=PLAIN)


def test_an_error_under_a_good_status_is_raised() -> None:
    with pytest.raises(ProviderError, match="does not support embeddings"):
        read({"error": "this model does not support embeddings"})


@given(st.binary(max_size=60))
def test_no_bytes_make_the_decoder_crash(junk: bytes) -> None:
    with suppress(GatewayError):
        decode(junk, provider="p", model="m", profile=PLAIN)
