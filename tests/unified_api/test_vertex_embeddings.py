"""Embeddings of Vertex AI, on recordings and by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from corpus import needs_corpora, rows
from wire_recordings import everything

from unified_api.errors import AuthenticationError, InvalidRequestError, MalformedResponseError, NotFoundError
from unified_api.types import EmbedRequest, Usage
from unified_api.wire import vertex_embeddings
from unified_api.wire.base import WireProfile

NAMED: Any = {"provider": "google-vertex", "model": "text-embedding-004", "profile": WireProfile()}
PURPOSES: Any = {"RETRIEVAL_DOCUMENT": "document", "RETRIEVAL_QUERY": "query", None: None}


def predictions(status: int) -> list[Any]:
    return [
        one
        for one in everything()
        if one.path.endswith(":predict") and "embedding" in one.path and one.status == status
    ]


@needs_corpora
def test_each_recorded_prediction_is_asked_for_as_it_was() -> None:
    asked = [*predictions(200), *predictions(401)]
    assert len(asked) >= 9
    for recording in asked:
        instances = recording.request["instances"]
        model = recording.path.rpartition("/")[2].partition(":")[0]
        texts = tuple(one["content"] for one in instances)
        request = EmbedRequest(model="x", inputs=texts, purpose=PURPOSES[instances[0].get("task_type")])
        wire = vertex_embeddings.encode(request, provider="google-vertex", model=model, profile=WireProfile())
        assert recording.path.endswith(wire.path)
        assert json.loads(wire.body) == recording.request


@needs_corpora
def test_each_recorded_answer_gives_its_vectors_and_tokens() -> None:
    bodies = [one.body for one in predictions(200)]
    bodies += [
        row["text"].encode() for row in rows("misc/vercel_ai_fixtures.jsonl") if "google-vertex-embedding" in row["id"]
    ]
    assert len(bodies) >= 3
    for body in bodies:
        stated = [one["embeddings"] for one in json.loads(body)["predictions"]]
        response = vertex_embeddings.decode(body, **NAMED, expected=len(stated))
        assert [list(one) for one in response.vectors] == [one["values"] for one in stated]
        assert response.usage == Usage(input_tokens=sum(one["statistics"]["token_count"] for one in stated))


@needs_corpora
def test_an_api_key_where_a_token_is_wanted_is_a_wrong_key() -> None:
    for one in predictions(401):
        error = vertex_embeddings.decode_error(one.status, one.headers, one.body, provider="google-vertex", model="m")
        assert isinstance(error, AuthenticationError)


def test_the_size_is_a_parameter_of_all() -> None:
    request = EmbedRequest(model="x", inputs=("a", "b"), dimensions=8)
    wire = vertex_embeddings.encode(request, **NAMED)
    assert json.loads(wire.body) == {
        "instances": [{"content": "a"}, {"content": "b"}],
        "parameters": {"outputDimensionality": 8},
    }
    with pytest.raises(InvalidRequestError):
        vertex_embeddings.encode(EmbedRequest(model="x", inputs=()), **NAMED)


def test_tokens_that_are_not_all_counted_are_unknown() -> None:
    counted, bare = {"values": [1], "statistics": {"token_count": 3}}, {"values": [2]}
    body = json.dumps({"predictions": [{"embeddings": counted}, {"embeddings": bare}]}).encode()
    response = vertex_embeddings.decode(body, **NAMED)
    assert (response.vectors, response.usage) == (((1.0,), (2.0,)), Usage())


@pytest.mark.parametrize(
    "answer", [{}, {"predictions": []}, {"predictions": [1]}, {"predictions": [{"embeddings": {}}]}]
)
def test_what_is_no_answer_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedResponseError):
        vertex_embeddings.decode(json.dumps(answer).encode(), **NAMED)


def test_an_error_under_status_200_is_that_error() -> None:
    body = b'[{"error": {"code": 404, "message": "no such model", "status": "NOT_FOUND"}}]'
    with pytest.raises(NotFoundError):
        vertex_embeddings.decode(body, **NAMED)


def test_a_later_model_is_asked_for_one_text_by_its_own_method() -> None:
    """As the live server took it: https://github.com/agentgateway/agentgateway/pull/2968"""
    later = {**NAMED, "model": "gemini-embedding-2"}
    wire = vertex_embeddings.encode(EmbedRequest(model="x", inputs=("Hi",), dimensions=2, purpose="query"), **later)
    assert wire.path == "/models/gemini-embedding-2:embedContent"
    assert json.loads(wire.body) == {
        "content": {"parts": [{"text": "task: search result | query: Hi"}]},
        "outputDimensionality": 2,
    }
    with pytest.raises(InvalidRequestError, match="one text a call"):
        vertex_embeddings.encode(EmbedRequest(model="x", inputs=("a", "b")), **later)
    body = b'{"embedding": {"values": [0.5, 2]}, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}}'
    response = vertex_embeddings.decode(body, **later, expected=1)
    assert (response.vectors, response.usage.input_tokens) == (((0.5, 2.0),), 3)
