"""The embeddings wire family of the Gemini API (https://ai.google.dev/api/embeddings)."""

from __future__ import annotations

from unified_api.errors import InvalidRequestError, MalformedResponseError
from unified_api.types import EmbedRequest, EmbedResponse, JsonObject, Usage
from unified_api.wire.base import WireProfile, WireRequest, check_supported, dump_json
from unified_api.wire.errors import decode_error
from unified_api.wire.gemini_answer import answer_object, unreadable, vector
from unified_api.wire.gemini_target import model_path
from unified_api.wire.gemini_usage import read_usage

__all__ = ["TASKS", "checked", "decode", "decode_error", "encode"]

TASKS = {"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT"}


def encode(request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """One batch of all inputs."""
    check_supported(request, provider=provider, model=model, profile=profile)
    if not request.inputs:
        raise InvalidRequestError("an embedding request needs at least one input", model=model, param="inputs")
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
    if not isinstance(entries, list) or not entries:
        raise unreadable("has no embeddings", body, provider=provider, model=model)
    try:
        vectors = tuple(vector(entry.get("values") if isinstance(entry, dict) else None) for entry in entries)
    except ValueError as error:
        raise unreadable(f"has unreadable embeddings ({error})", body, provider=provider, model=model) from error
    stated = answer.get("usageMetadata")
    return EmbedResponse(
        model=f"{provider}/{model}",
        provider=provider,
        vectors=checked(vectors, expected, provider=provider, model=model),
        usage=read_usage(stated) if isinstance(stated, dict) else Usage(),
    )


def checked(
    vectors: tuple[tuple[float, ...], ...], expected: int | None, *, provider: str, model: str
) -> tuple[tuple[float, ...], ...]:
    """The vectors, when there are `expected` of them and all are of one length."""
    problem = None
    if expected is not None and len(vectors) != expected:
        problem = f"gave {len(vectors)} vectors of {model!r} for {expected} inputs"
    elif len({len(one) for one in vectors}) != 1:
        problem = f"gave vectors of {model!r} that have different lengths"
    if problem is not None:
        raise MalformedResponseError(f"{provider} {problem}", provider=provider, model=f"{provider}/{model}")
    return vectors
