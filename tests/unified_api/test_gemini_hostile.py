"""Google's wire on JSON of the right words and the wrong shapes: nothing but typed errors leaves it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unified_api.errors import GatewayError
from unified_api.wire import gemini, imagen, vertex_embeddings
from unified_api.wire.base import WireProfile
from unified_api.wire.collect import Collector
from unified_api.wire.gemini import embeddings as gemini_embeddings
from unified_api.wire.gemini import images as gemini_images
from unified_api.wire.gemini.request import read_request

PROFILE = WireProfile()
NAMED: Any = {"provider": "google", "model": "m", "profile": PROFILE}
WORDS = [
    "candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "functionResponse",
    "name", "args", "id", "partialArgs", "jsonPath", "stringValue", "numberValue", "willContinue", "inlineData",
    "fileData", "mimeType", "data", "fileUri", "executableCode", "finishReason", "finishMessage", "index",
    "promptFeedback", "blockReason", "usageMetadata", "promptTokenCount", "totalTokenCount", "promptTokensDetails",
    "modality", "tokenCount", "groundingMetadata", "groundingChunks", "groundingSupports", "segment", "startIndex",
    "endIndex", "groundingChunkIndices", "webSearchQueries", "citationMetadata", "citations", "logprobsResult",
    "chosenCandidates", "topCandidates", "token", "logProbability", "error", "message", "code", "contents", "role",
    "systemInstruction", "tools", "functionDeclarations", "parameters", "type", "properties", "nullable", "enum",
    "anyOf", "toolConfig", "functionCallingConfig", "mode", "allowedFunctionNames", "generationConfig",
    "stopSequences", "thinkingConfig", "thinkingLevel", "thinkingBudget", "responseMimeType", "responseSchema",
    "labels", "response", "output", "embeddings", "embedding", "values", "predictions", "statistics",
    "bytesBase64Encoded", "raiFilteredReason", "prompt", "web", "uri",
]  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "x", "STOP", "ANY", "user", "model", "image/png", "QUJD", "$.a", "$.a[0].b", "application/json", "ü"]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=25,
)
PART = st.dictionaries(st.sampled_from(WORDS[3:22]), VALUES, max_size=3)
CONTENT = st.fixed_dictionaries(
    {"parts": st.lists(PART | VALUES, max_size=3)}, optional={"role": st.sampled_from(["user", "model"])}
)
CANDIDATE = st.fixed_dictionaries(
    {"content": CONTENT | VALUES},
    optional={
        word: VALUES
        for word in WORDS
        if word in {"finishReason", "index", "groundingMetadata", "citationMetadata", "logprobsResult"}
    },
)
ANSWER = st.fixed_dictionaries(
    {},
    optional={
        "candidates": st.lists(CANDIDATE | VALUES, max_size=2),
        "usageMetadata": VALUES,
        "promptFeedback": VALUES,
    },
)
BODY = st.fixed_dictionaries(
    {"contents": st.lists(CONTENT, min_size=1, max_size=3) | VALUES},
    optional={
        word: VALUES
        for word in WORDS
        if word in {"systemInstruction", "tools", "toolConfig", "generationConfig", "labels"}
    },
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.lists(ANSWER | VALUES, max_size=4))
def test_answers_of_any_shape_end_in_chunks_or_a_typed_error(values: list[Any]) -> None:
    events = b"".join(b"data: " + json.dumps(value).encode() + b"\r\n\r\n" for value in values)
    for body in (events, json.dumps(values).encode()):
        decoder, collector = gemini.StreamDecoder(**NAMED), Collector()
        with suppress(GatewayError):
            for chunk in (*decoder.feed(body), *decoder.end()):
                collector.add(chunk)
        collector.response(provider="google", model="m")
    for value in values:
        with suppress(GatewayError):
            gemini.decode(json.dumps(value).encode(), **NAMED)


@QUICK
@given(BODY | VALUES.filter(lambda value: isinstance(value, dict)))
def test_bodies_of_any_shape_are_read_or_refused_and_what_is_read_means_the_same_again(body: Any) -> None:
    with suppress(GatewayError):
        request = read_request(body, provider="google", model="m")
        again = json.loads(gemini.encode(request, provider="google", model="m", profile=PROFILE).body)
        assert read_request(again, provider="google", model="m") == request


@QUICK
@given(VALUES)
def test_other_answers_of_any_shape_are_read_or_refused(value: Any) -> None:
    for wire in (gemini_embeddings, vertex_embeddings, imagen, gemini_images):
        with suppress(GatewayError):
            wire.decode(json.dumps(value).encode(), **NAMED)
