"""Embeddings of the Gemini API, on recordings and by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from corpus import needs_corpora
from wire_recordings import everything

from unified_api.errors import InvalidRequestError, MalformedResponseError, NotFoundError, UnsupportedParameterError
from unified_api.types import EmbedRequest, Usage
from unified_api.wire.base import WireProfile
from unified_api.wire.gemini import embeddings as gemini_embeddings

NAMED: Any = {"provider": "google", "model": "gemini-embedding-001", "profile": WireProfile()}


def encode(request: EmbedRequest) -> tuple[str, Any]:
    wire = gemini_embeddings.encode(request, **NAMED)
    return wire.path, json.loads(wire.body)


@needs_corpora
def test_each_recorded_batch_is_asked_for_and_read_as_it_was() -> None:
    compared = 0
    for recording in everything():
        if not recording.path.endswith(":batchEmbedContents") or recording.status != 200:
            continue
        assert isinstance(recording.request, dict)
        asked = recording.request["requests"]
        texts = tuple(one["content"]["parts"][0]["text"] for one in asked)
        path, body = encode(EmbedRequest(model="x", inputs=texts, dimensions=asked[0]["outputDimensionality"]))
        assert recording.path.endswith(path)
        assert body == recording.request
        response = gemini_embeddings.decode(recording.body, **NAMED, expected=len(texts))
        assert [list(one) for one in response.vectors] == [
            one["values"] for one in json.loads(recording.body)["embeddings"]
        ]
        compared += 1
    assert compared >= 2


@needs_corpora
def test_an_unknown_model_is_not_found() -> None:
    refused = [one for one in everything() if one.path.endswith(":batchEmbedContents") and one.status == 404]
    for one in refused:
        error = gemini_embeddings.decode_error(one.status, one.headers, one.body, provider="google", model="m")
        assert isinstance(error, NotFoundError)
    assert refused


def test_purpose_and_size_are_asked_for_each_text() -> None:
    path, body = encode(EmbedRequest(model="x", inputs=("a", "b"), dimensions=8, purpose="document"))
    assert path == "/models/gemini-embedding-001:batchEmbedContents"
    same = {"model": "models/gemini-embedding-001", "taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 8}
    assert body["requests"] == [{**same, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    assert (
        encode(EmbedRequest(model="x", inputs=("a",), purpose="query"))[1]["requests"][0]["taskType"]
        == "RETRIEVAL_QUERY"
    )


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        encode(EmbedRequest(model="x", inputs=()))
    profile = WireProfile(unsupported=frozenset({"purpose"}))
    with pytest.raises(UnsupportedParameterError):
        gemini_embeddings.encode(
            EmbedRequest(model="x", inputs=("a",), purpose="query"), provider="google", model="m", profile=profile
        )


def test_one_embedding_and_its_usage_are_read_as_well() -> None:
    body = json.dumps({"embedding": {"values": [1, 2.5]}, "usageMetadata": {"promptTokenCount": 4}}).encode()
    response = gemini_embeddings.decode(body, **NAMED, expected=1)
    assert response.vectors == ((1.0, 2.5),)
    assert response.usage == Usage(input_tokens=4)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"embeddings": []},
        {"embeddings": [{"values": []}]},
        {"embeddings": [{"values": ["x"]}]},
        {"embeddings": [{"values": [True]}]},
        {"embeddings": [5]},
        {"embeddings": [{"values": [1]}, {"values": [1, 2]}]},
        {"embeddings": [{"values": [1]}]},
        [1],
    ],
)
def test_what_is_no_answer_for_two_texts_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedResponseError):
        gemini_embeddings.decode(json.dumps(answer).encode(), **NAMED, expected=2)


def test_numbers_that_are_not_finite_are_malformed() -> None:
    with pytest.raises(MalformedResponseError):
        gemini_embeddings.decode(b'{"embeddings": [{"values": [NaN, 1]}]}', **NAMED)


def test_later_models_are_told_the_purpose_in_words_before_each_text() -> None:
    """They pass over `taskType` (https://github.com/embeddings-benchmark/mteb/pull/4851)."""
    named = {**NAMED, "model": "gemini-embedding-2"}

    def texts(**fields: Any) -> list[Any]:
        wire = gemini_embeddings.encode(EmbedRequest(model="x", inputs=("a", "b"), **fields), **named)
        asked = json.loads(wire.body)["requests"]
        assert all("taskType" not in one for one in asked)
        return [one["content"]["parts"][0]["text"] for one in asked]

    assert texts(purpose="query") == ["task: search result | query: a", "task: search result | query: b"]
    assert texts(purpose="document") == ["title: none | text: a", "title: none | text: b"]
    assert texts() == ["a", "b"]
