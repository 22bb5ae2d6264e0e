"""The embeddings wire family of Cohere's API v2 (https://docs.cohere.com/reference/embed)."""

from __future__ import annotations

from functools import partial

from unified_api.types import EmbedRequest, EmbedResponse, Json, JsonObject, Usage
from unified_api.wire.answer import answer_object, echoed_model
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.cohere.decoder import is_error
from unified_api.wire.cohere.usage import read_usage
from unified_api.wire.errors import decode_error, embedded_error
from unified_api.wire.json_text import dump_json
from unified_api.wire.own_path import own_path
from unified_api.wire.vectors import check_inputs, embed_response, read_vector

__all__ = ["decode", "decode_error", "encode"]

_INPUT_TYPES = {"query": "search_query", "document": "search_document"}
_TYPES = ("float", "base64", "int8", "uint8")
"""The types of vectors with a number for each dimension; `binary` and `ubinary` pack eight into one."""


def encode(request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request. Cohere wants to know what the texts are for: without a purpose they are documents."""
    check_supported(request, provider=provider, model=model, profile=profile)
    check_inputs(request, provider=provider, model=model)
    body: JsonObject = {
        "model": model,
        "texts": list(request.inputs),
        "input_type": _INPUT_TYPES[request.purpose or "document"],
        "embedding_types": [profile.embedding_format or "float"],
    }
    if request.dimensions is not None:
        body[profile.renamed.get("dimensions", "output_dimension")] = request.dimensions
    headers = {"content-type": "application/json", "accept": "application/json"}
    path = own_path("/embed", body, profile)
    return WireRequest("POST", path, headers, dump_json(body, provider=provider, model=model))


def decode(
    body: bytes, *, provider: str, model: str, profile: WireProfile, expected: int | None = None
) -> EmbedResponse:
    """The vectors in the order of the inputs; MalformedResponseError when there are not `expected` of them."""
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    if is_error(answer):
        raise embedded_error(answer, provider=provider, model=model, profile=profile)
    meta = answer.get("meta")
    return embed_response(
        body,
        partial(_vectors, answer.get("embeddings")),
        provider=provider,
        model=model,
        echoed=echoed_model(answer, model),
        usage=read_usage(meta) if isinstance(meta, dict) else Usage(),
        expected=expected,
    )


def _vectors(embeddings: Json) -> tuple[tuple[float, ...], ...]:
    """Those of the first type that is there; v1 gives a bare list of floats."""
    if isinstance(embeddings, dict):
        given = [name for name in _TYPES if isinstance(embeddings.get(name), list)]
        if not given and embeddings:
            raise ValueError(f"they are of the types {sorted(embeddings)}, none of which is {', '.join(_TYPES)}")
        embeddings = embeddings[given[0]] if given else []
    return tuple(map(read_vector, embeddings)) if isinstance(embeddings, list) else ()
