"""The embeddings wire family of the Gemini API (https://ai.google.dev/api/embeddings)."""

from __future__ import annotations

from unified_api.types import EmbedRequest, EmbedResponse, Json, JsonObject, Usage
from unified_api.wire.base import WireProfile, WireRequest, check_supported, dump_json
from unified_api.wire.errors import decode_error
from unified_api.wire.gemini.answer import answer_object
from unified_api.wire.gemini.target import model_path
from unified_api.wire.gemini.usage import read_usage
from unified_api.wire.vectors import check_inputs, embed_response, read_vector

__all__ = ["TASKS", "decode", "decode_error", "encode"]

TASKS = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}


def encode(request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """One batch of all inputs."""
    check_supported(request, provider=provider, model=model, profile=profile)
    check_inputs(request, provider=provider, model=model)
    path = model_path(model)
    each: JsonObject = {"model": path[1:]}
    if request.purpose is not None:
        each["taskType"] = TASKS[request.purpose]
    if request.dimensions is not None:
        each["outputDimensionality"] = request.dimensions
    body: JsonObject = {"requests": [{**each, "content": {"parts": [{"text": text}]}} for text in request.inputs]}
    headers = {"content-type": "application/json", "accept": "application/json"}
    return WireRequest("POST", f"{path}:batchEmbedContents", headers, dump_json(body, provider=provider, model=model))


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
