from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from corpus import needs_corpora, rows
from hypothesis import given
from hypothesis import strategies as st
from wire_recordings import everything

from unified_api.errors import (
    GatewayError,
    InvalidRequestError,
    MalformedResponseError,
    ProviderError,
    UnsupportedParameterError,
)
from unified_api.providers import builtin_rows
from unified_api.types import Ranked, RerankRequest, RerankResponse, Usage
from unified_api.wire import families
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.rerank import decode, encode

PLAIN = WireProfile()
ASK = RerankRequest(model="p/m", query="who?", documents=("a", "b", "c"), top_n=2)


def sent(request: RerankRequest, profile: WireProfile = PLAIN, model: str = "m") -> WireRequest:
    return encode(request, provider="p", model=model, profile=profile)


def read(answer: object, documents: int | None = None) -> RerankResponse:
    return decode(json.dumps(answer).encode(), provider="p", model="m", profile=PLAIN, documents=documents)


def test_query_documents_and_the_number_wanted_are_sent() -> None:
    wire = sent(ASK)
    assert families.RERANK["rerank"].encode is encode
    assert (wire.method, wire.path) == ("POST", "/rerank")
    assert json.loads(wire.body) == {"model": "m", "query": "who?", "documents": ["a", "b", "c"], "top_n": 2}


def test_voyage_counts_with_its_own_word() -> None:
    profile = WireProfile(renamed=builtin_rows()["voyage"].profile.renamed)
    assert json.loads(sent(ASK, profile).body)["top_k"] == 2


def test_bedrock_has_the_model_in_its_path_and_wants_a_version() -> None:
    row = builtin_rows()["bedrock"]
    assert row.wire_of("cohere.rerank-v3-5:0") == "rerank"
    wire = sent(ASK, WireProfile(**row.profile.model_dump(include={"paths", "rerank_fields"})), "cohere.rerank-v3-5:0")
    assert wire.path == "/model/cohere.rerank-v3-5:0/invoke"
    assert json.loads(wire.body) == {"api_version": 2, "query": "who?", "documents": ["a", "b", "c"], "top_n": 2}


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (RerankRequest(model="p/m", query=" ", documents=("a",)), "query"),
        (RerankRequest(model="p/m", query="q", documents=()), "documents"),
        (RerankRequest(model="p/m", query="q", documents=("a",), top_n=0), "top_n"),
    ],
)
def test_what_nobody_could_order_is_refused(request_: RerankRequest, param: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        sent(request_)
    assert refused.value.param == param


def test_a_number_that_the_model_cannot_take_is_refused_with_its_name() -> None:
    with pytest.raises(UnsupportedParameterError, match="'top_n'"):
        sent(ASK, WireProfile(unsupported=frozenset({"top_n"})))


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [{"index": 2, "relevance_score": 0.25}, {"index": 0, "relevance_score": 0.75}]},
        {"data": [{"index": 0, "relevance_score": 0.75}, {"index": 2, "relevance_score": 0.25}]},
        {"results": [{"index": 0, "score": 0.75, "document": {"text": "a"}}, {"index": 2, "score": 0.25}]},
        {"results": [{"index": 0, "relevanceScore": 0.75}, {"index": 2, "relevanceScore": 0.25}]},
        {"rankings": [{"index": 0, "logit": 0.75}, {"index": 2, "logit": 0.25}]},
        {"output": {"results": [{"index": 0, "relevance_score": 0.75}, {"index": 2, "relevance_score": 0.25}]}},
        [{"index": 0, "score": 0.75}, {"index": 2, "score": 0.25, "text": "c"}],
    ],
)
def test_the_best_comes_first_in_every_spelling(answer: object) -> None:
    assert read(answer, 3).results == (Ranked(0, 0.75), Ranked(2, 0.25))


@pytest.mark.parametrize(
    ("more", "usage"),
    [
        ({"usage": {"total_tokens": 43}}, Usage(input_tokens=43)),
        ({"usage": {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}},
         Usage(input_tokens=9, output_tokens=0)),
        ({"meta": {"billed_units": {"search_units": 1}}}, Usage()),
        ({"meta": {"tokens": {"input_tokens": 5}, "billed_units": {}}}, Usage(input_tokens=5)),
        ({}, Usage()),
    ],
)  # fmt: skip
def test_usage_is_what_is_told_in_tokens(more: dict[str, Any], usage: Usage) -> None:
    assert read({"results": [{"index": 0, "score": 1}], **more}).usage == usage


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "no ranked documents"),
        ({"results": []}, "no ranked documents"),
        ({"results": [7]}, "no index"),
        ({"results": [{"score": 1}]}, "no index"),
        ({"results": [{"index": True, "score": 1}]}, "no index"),
        ({"results": [{"index": 0}]}, "no score"),
        ({"results": [{"index": 0, "score": "high"}]}, "no score"),
        ({"results": [{"index": 3, "score": 1}]}, "no document 3"),
        ({"results": [{"index": -1, "score": 1}]}, "no document -1"),
        ({"results": [{"index": 1, "score": 1}, {"index": 1, "score": 2}]}, "document 1 stands in it twice"),
        ("text", "no JSON object"),
    ],
)
def test_an_order_that_cannot_be_right_is_a_malformed_response(answer: object, words: str) -> None:
    with pytest.raises(MalformedResponseError, match=words):
        read(answer, 3)


@pytest.mark.parametrize("answer", [{"error": {"message": "no such model"}}, {"id": "1", "message": "no such model"}])
def test_an_error_under_a_good_status_is_raised(answer: object) -> None:
    with pytest.raises(ProviderError, match="no such model"):
        read(answer)


@given(st.dictionaries(st.integers(0, 9), st.floats(-5, 5), min_size=1))
def test_any_order_comes_back_by_score(scores: dict[int, float]) -> None:
    answer = {"results": [{"index": index, "relevance_score": score} for index, score in scores.items()]}
    results = read(answer, 10).results
    assert {one.index: one.score for one in results} == scores
    assert [one.score for one in results] == sorted(scores.values(), reverse=True)


@given(st.binary(max_size=60))
def test_no_bytes_make_the_decoder_crash(junk: bytes) -> None:
    for answer in (junk, b'{"results":' + junk):
        with suppress(GatewayError):
            decode(answer, provider="p", model="m", profile=PLAIN)


def stated(answer: Any) -> list[tuple[int, float]]:
    entries = answer.get("results") or answer["data"]
    found = [(one["index"], one.get("relevance_score", one.get("relevanceScore"))) for one in entries]
    return sorted(found, key=lambda pair: -pair[1])


@needs_corpora
def test_every_recorded_order_is_read_as_it_stands_and_asked_for_in_the_same_words() -> None:
    read_in_all = 0
    for recording in everything():
        asked: Any = recording.request
        if recording.status != 200 or not (recording.path.endswith("/rerank") or "rerank" in recording.path):
            continue
        answer, count = json.loads(recording.body), len(asked["documents"])
        response = decode(recording.body, provider="p", model="m", profile=PLAIN, documents=count)
        assert [(one.index, one.score) for one in response.results] == stated(answer)
        top = asked.get("top_n") or asked.get("top_k")
        request = RerankRequest(model="p/m", query=asked["query"], documents=tuple(asked["documents"]), top_n=top)
        profile = WireProfile(
            renamed={"top_n": "top_k"} if "top_k" in asked else {},
            paths={"/rerank": "/model/{model}/invoke"} if "model" not in asked else {},
            rerank_fields={"api_version": 2} if "api_version" in asked else {},
        )
        written = json.loads(sent(request, profile, asked.get("model", "m")).body)
        # What our request has no field for is left out: `max_chunks_per_doc` and `truncation` at their defaults.
        assert written == {key: value for key, value in asked.items() if value is not None and key != "truncation"}
        read_in_all += 1
    assert read_in_all >= 5


@needs_corpora
def test_fixtures_of_another_gateway_are_read() -> None:
    found = [row for row in rows("misc/vercel_ai_fixtures.jsonl") if "rerank" in row["path"]]
    for row in found:
        response = decode(row["text"].encode(), provider="p", model="m", profile=PLAIN)
        assert [(one.index, one.score) for one in response.results] == stated(json.loads(row["text"]))
    assert len(found) >= 4
