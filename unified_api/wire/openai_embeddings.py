"""The embeddings wire family of OpenAI and of everyone compatible with it."""

from __future__ import annotations

import base64
import binascii
import math
import struct

from unified_api.errors import InvalidRequestError, MalformedResponseError
from unified_api.types import EmbedRequest, EmbedResponse, Json, JsonObject
from unified_api.wire.base import WireProfile, WireRequest, check_supported, dump_json
from unified_api.wire.errors import decode_error
from unified_api.wire.openai_answer import answer_object, echoed_model, malformed, stated_usage

__all__ = ["decode", "decode_error", "encode"]


def encode(request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request (https://platform.openai.com/docs/api-reference/embeddings/create)."""
    check_supported(request, provider=provider, model=model, profile=profile)
    if not request.inputs:
        raise InvalidRequestError("an embedding request needs at least one input", model=model, param="inputs")
    body: JsonObject = {"model": model, "input": list(request.inputs)}
    if request.dimensions is not None:
        body[profile.renamed.get("dimensions", "dimensions")] = request.dimensions
    if profile.embedding_format is not None:
        body["encoding_format"] = profile.embedding_format
    headers = {"content-type": "application/json", "accept": "application/json"}
    return WireRequest("POST", "/embeddings", headers, dump_json(body, model=model))


def decode(
    body: bytes, *, provider: str, model: str, profile: WireProfile, expected: int | None = None
) -> EmbedResponse:
    """The vectors in the order of the inputs; MalformedResponseError when there are not `expected` of them.

    Reads lists of numbers and base64: little-endian float32, or signed bytes where `profile.embedding_format`
    says `base64_int8`.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    entries = answer.get("data")
    if not isinstance(entries, list) or not entries:
        raise malformed("has no embeddings", body, provider=provider, model=model)
    try:
        vectors = _vectors(entries, signed_bytes=profile.embedding_format == "base64_int8")
    except ValueError as error:
        raise malformed(f"has unreadable embeddings ({error})", body, provider=provider, model=model) from error
    if expected is not None and len(vectors) != expected:
        raise MalformedResponseError(
            f"{provider} gave {len(vectors)} vectors of {model!r} for {expected} inputs",
            provider=provider,
            model=f"{provider}/{model}",
        )
    usage, cost = stated_usage(answer)
    return EmbedResponse(
        model=f"{provider}/{echoed_model(answer, model)}",
        provider=provider,
        vectors=vectors,
        usage=usage,
        cost_usd=cost,
    )


def _vectors(entries: list[Json], *, signed_bytes: bool) -> tuple[tuple[float, ...], ...]:
    placed: dict[int, tuple[float, ...]] = {}
    for position, entry in enumerate(entries):
        index, embedding = (entry.get("index"), entry.get("embedding")) if isinstance(entry, dict) else (None, None)
        place = index if type(index) is int else position
        if place in placed:
            raise ValueError(f"two vectors have the index {place}")
        placed[place] = _vector(embedding, signed_bytes=signed_bytes)
    if sorted(placed) != list(range(len(placed))):
        raise ValueError(f"the indexes {sorted(placed)} have gaps")
    if len({len(vector) for vector in placed.values()}) != 1:
        raise ValueError("the vectors have different lengths")
    return tuple(placed[place] for place in range(len(placed)))


def _vector(embedding: Json, *, signed_bytes: bool) -> tuple[float, ...]:
    if isinstance(embedding, str):
        return _packed(embedding, signed_bytes=signed_bytes)
    if not isinstance(embedding, list) or not embedding:
        raise ValueError(f"a vector is {type(embedding).__name__}, not a list of numbers or base64")
    if any(type(number) is not float and type(number) is not int for number in embedding):
        raise ValueError("a vector holds something that is no number")
    return tuple(map(float, embedding))  # type: ignore[arg-type]  # each was just seen to be a number


def _packed(text: str, *, signed_bytes: bool) -> tuple[float, ...]:
    try:
        packed = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"a vector is no base64: {error}") from error
    if signed_bytes:
        return tuple(map(float, struct.unpack(f"{len(packed)}b", packed)))
    if not packed or len(packed) % 4:
        raise ValueError(f"a vector of {len(packed)} bytes is no float32 array")
    vector = struct.unpack(f"<{len(packed) // 4}f", packed)
    if not all(map(math.isfinite, vector)):
        raise ValueError("a vector holds a number that is not finite")
    return vector
