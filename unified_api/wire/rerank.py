"""The rerank wire family: Cohere's endpoint (https://docs.cohere.com/reference/rerank) and the many made after it."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NoReturn

from unified_api.errors import InvalidRequestError
from unified_api.types import Json, JsonObject, Ranked, RerankRequest, RerankResponse, Usage
from unified_api.wire.answer import answer_object, echoed_model, malformed
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.cohere.decoder import is_error
from unified_api.wire.cohere.usage import read_usage as read_billed
from unified_api.wire.errors import decode_error, embedded_error
from unified_api.wire.input_usage import input_usage
from unified_api.wire.json_text import dump_json, parse_json
from unified_api.wire.own_path import own_path
from unified_api.wire.quoting import shorten

__all__ = ["decode", "decode_error", "encode"]

_LISTS = ("results", "data", "rankings")
_SCORES = ("relevance_score", "score", "relevanceScore", "logit")
"""The words of Cohere, Voyage, Jina, vLLM and Together; of text-embeddings-inference; of Bedrock's own; of NVIDIA."""


def encode(request: RerankRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request. `profile.renamed` has the words of others: `top_n` -> `top_k`, `documents` -> `texts`."""
    check_supported(request, provider=provider, model=model, profile=profile)
    if not request.query.strip():
        _refuse("a rerank request needs a query", "query", provider, model)
    if not request.documents:
        _refuse("a rerank request needs at least one document", "documents", provider, model)
    if request.top_n is not None and request.top_n < 1:
        _refuse(f"top_n is {request.top_n!r}: give 1 or more", "top_n", provider, model)
    fields: JsonObject = {"model": model, "query": request.query, "documents": list(request.documents)}
    if request.top_n is not None:
        fields["top_n"] = request.top_n
    body: JsonObject = {**profile.rerank_fields}
    body.update((profile.renamed.get(name, name), value) for name, value in fields.items())
    headers = {"content-type": "application/json", "accept": "application/json"}
    path = own_path("/rerank", body, profile)
    return WireRequest("POST", path, headers, dump_json(body, provider=provider, model=model))


def decode(
    body: bytes, *, provider: str, model: str, profile: WireProfile, documents: int | None = None
) -> RerankResponse:
    """The documents of the answer, best first; MalformedResponseError when one is none of the `documents` sent."""
    answer, entries = _answer(body, provider=provider, model=model, profile=profile)
    if not isinstance(entries, list) or not entries:
        raise malformed("has no ranked documents", body, provider=provider, model=model)
    try:
        ranked = [_ranked(entry) for entry in entries]
        _check_indexes([one.index for one in ranked], documents)
    except ValueError as error:
        raise malformed(f"has an unreadable order ({error})", body, provider=provider, model=model) from error
    usage, cost = _usage(answer)
    return RerankResponse(
        model=f"{provider}/{echoed_model(answer, model)}",
        provider=provider,
        results=tuple(sorted(ranked, key=lambda one: -one.score)),
        usage=usage,
        cost_usd=cost,
    )


def _answer(body: bytes, *, provider: str, model: str, profile: WireProfile) -> tuple[JsonObject, Json]:
    """The answer and the ranked documents in it; text-embeddings-inference gives the bare list."""
    try:
        value = parse_json(body)
    except ValueError:
        value = None
    if isinstance(value, list) and value and isinstance(value[0], dict) and "index" in value[0]:
        return {}, value
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    if is_error(answer):
        raise embedded_error(answer, provider=provider, model=model, profile=profile)
    # DashScope's own API wraps the results.
    inner = answer.get("output")
    holder = inner if isinstance(inner, dict) else answer
    return answer, next((holder[name] for name in _LISTS if isinstance(holder.get(name), list)), None)


def _ranked(entry: Json) -> Ranked:
    index = entry.get("index") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or type(index) is not int:
        raise ValueError(f"a document has no index: {shorten(str(entry), 200)}")
    score = next((entry[name] for name in _SCORES if entry.get(name) is not None), None)
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ValueError(f"the document {index} has no score: {shorten(str(entry), 200)}")
    return Ranked(index, float(score))


def _check_indexes(indexes: list[int], documents: int | None) -> None:
    seen: set[int] = set()
    for index in indexes:
        if index < 0 or (documents is not None and index >= documents):
            raise ValueError(f"there is no document {index}")
        if index in seen:
            raise ValueError(f"the document {index} stands in it twice")
        seen.add(index)


def _usage(answer: JsonObject) -> tuple[Usage, Decimal | None]:
    """Tokens read. Cohere bills searches instead, which are no tokens."""
    meta = answer.get("meta")
    if isinstance(meta, dict) and not isinstance(answer.get("usage"), dict):
        return read_billed(meta), None
    return input_usage(answer)


def _refuse(problem: str, param: str, provider: str, model: str) -> NoReturn:
    raise InvalidRequestError(problem, provider=provider, model=f"{provider}/{model}", param=param)
