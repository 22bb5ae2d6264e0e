"""The embeddings wire family of the Gemini API (https://ai.google.dev/api/embeddings)."""

from __future__ import annotations

from unified_api.types import EmbedRequest, EmbedResponse, Json, JsonObject, Usage
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.errors import decode_error
from unified_api.wire.gemini.answer import answer_object
from unified_api.wire.gemini.target import model_path
from unified_api.wire.gemini.usage import read_usage
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import any_matches
from unified_api.wire.vectors import check_inputs, embed_response, read_vector

__all__ = ["TASKS", "decode", "decode_error", "encode", "prompted"]

TASKS = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}
_PROMPTS = {"query": "task: search result | query: ", "document": "title: none | text: "}
"""How later models are told a purpose; they pass over `taskType`
(https://ai.google.dev/gemini-api/docs/embeddings#task-types-embeddings-2)."""


def encode(request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """One batch of all inputs."""
    check_supported(request, provider=provider, model=model, profile=profile)
    check_inputs(request, provider=provider, model=model)
    path = model_path(model)
    each: JsonObject = {"model": path[1:]}
    texts = prompted(request, model, profile)
    if request.purpose is not None and texts == request.inputs:
        each["taskType"] = TASKS[request.purpose]
    if request.dimensions is not None:
        each["outputDimensionality"] = request.dimensions
    body: JsonObject = {"requests": [{**each, "content": {"parts": [{"text": text}]}} for text in texts]}
    headers = {"content-type": "application/json", "accept": "application/json"}
    return WireRequest("POST", f"{path}:batchEmbedContents", headers, dump_json(body, provider=provider, model=model))


def prompted(request: EmbedRequest, model: str, profile: WireProfile) -> tuple[str, ...]:
    """The texts with their purpose in words before them, for models that are told it so."""
    if request.purpose is None or not any_matches(profile.worded_purpose, model):
        return request.inputs
    return tuple(f"{_PROMPTS[request.purpose]}{text}" for text in request.inputs)


def decode(
    body: bytes, *, provider: str, model: str, profile: WireProfile, expected: int | None = None
) -> EmbedResponse:
    """The vectors in the order of the inputs; MalformedResponseError when there are not `expected` of them.

    Reads the answer of `embedContent`, which is for one text, as well.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    entries = answer.get("embeddings", [answer["embedding"]] if "embedding" in answer else None)
    stated = answer.get("usageMetadata")
    return embed_response(
        body,
        lambda: tuple(map(_vector, entries if isinstance(entries, list) else [])),
        provider=provider,
        model=model,
        echoed=model,
        usage=read_usage(stated) if isinstance(stated, dict) else Usage(),
        expected=expected,
    )


def _vector(entry: Json) -> tuple[float, ...]:
    return read_vector(entry.get("values") if isinstance(entry, dict) else None)
