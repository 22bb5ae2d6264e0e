"""The embeddings wire family of OpenAI and of everyone compatible with it."""

from __future__ import annotations

from functools import partial

from unified_api.errors import UnsupportedParameterError
from unified_api.types import EmbedRequest, EmbedResponse, Json, JsonObject
from unified_api.wire.answer import answer_object, echoed_model, malformed
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.errors import decode_error
from unified_api.wire.input_usage import input_usage
from unified_api.wire.json_text import dump_json, parse_json
from unified_api.wire.own_path import own_path
from unified_api.wire.vectors import check_inputs, embed_response, read_vector

__all__ = ["decode", "decode_error", "encode"]


def encode(request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request (https://platform.openai.com/docs/api-reference/embeddings/create).

    OpenAI has no word for what the texts are for; a profile may (Voyage's `input_type`, Jina's `task`).
    """
    check_supported(request, provider=provider, model=model, profile=profile)
    check_inputs(request, provider=provider, model=model)
    body: JsonObject = {"model": model, "input": list(request.inputs)}
    if request.dimensions is not None:
        body[profile.renamed.get("dimensions", "dimensions")] = request.dimensions
    if request.purpose is not None:
        if profile.purpose_field is None:
            raise UnsupportedParameterError(
                f"{model!r} is not told what texts are for: leave the purpose out or choose another model",
                provider=provider,
                model=f"{provider}/{model}",
                param="purpose",
            )
        body[profile.purpose_field] = profile.purposes.get(request.purpose, request.purpose)
    if profile.embedding_format is not None:
        body["encoding_format"] = profile.embedding_format
    headers = {"content-type": "application/json", "accept": "application/json"}
    path = own_path("/embeddings", body, profile)
    return WireRequest("POST", path, headers, dump_json(body, provider=provider, model=model))


def decode(
    body: bytes, *, provider: str, model: str, profile: WireProfile, expected: int | None = None
) -> EmbedResponse:
    """The vectors in the order of the inputs; MalformedResponseError when there are not `expected` of them.

    Reads lists of numbers and base64: little-endian float32, or signed bytes where `profile.embedding_format`
    says `base64_int8`. A bare list, as Hugging Face's feature extraction answers, holds vectors or is one.
    """
    entries: Json = _bare(body)
    answer: JsonObject = {}
    if entries is None:
        answer = answer_object(body, provider=provider, model=model, profile=profile)
        entries = answer.get("data")
    if not isinstance(entries, list) or not entries:
        raise malformed("has no embeddings", body, provider=provider, model=model)
    usage, cost = input_usage(answer)
    return embed_response(
        body,
        partial(_vectors, entries, signed_bytes=profile.embedding_format == "base64_int8"),
        provider=provider,
        model=model,
        echoed=echoed_model(answer, model),
        usage=usage,
        expected=expected,
        cost=cost,
    )


def _bare(body: bytes) -> list[Json] | None:
    """The entries of an answer that is no object but a list of vectors, or one vector."""
    try:
        value = parse_json(body)
    except ValueError:
        return None
    if not isinstance(value, list) or not value or isinstance(value[0], dict):
        return None
    return [{"embedding": one} for one in (value if isinstance(value[0], list) else [value])]


def _vectors(entries: list[Json], *, signed_bytes: bool) -> tuple[tuple[float, ...], ...]:
    placed: dict[int, tuple[float, ...]] = {}
    for position, entry in enumerate(entries):
        index, embedding = (entry.get("index"), entry.get("embedding")) if isinstance(entry, dict) else (None, None)
        place = index if type(index) is int else position
        if place in placed:
            raise ValueError(f"two vectors have the index {place}")
        placed[place] = read_vector(embedding, signed_bytes=signed_bytes)
    if sorted(placed) != list(range(len(placed))):
        raise ValueError(f"the indexes {sorted(placed)} have gaps")
    return tuple(placed[place] for place in range(len(placed)))
