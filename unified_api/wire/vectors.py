"""Vectors as embeddings endpoints give them: lists of numbers, or their bytes in base64."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from decimal import Decimal

from unified_api.errors import InvalidRequestError, MalformedResponseError
from unified_api.types import EmbedRequest, EmbedResponse, Json, Usage
from unified_api.wire.answer import malformed

__all__ = ["check_inputs", "embed_response", "read_vector"]


def check_inputs(request: EmbedRequest, *, provider: str, model: str) -> None:
    """InvalidRequestError for what no model could embed."""
    if not request.inputs:
        raise InvalidRequestError(
            "an embedding request needs at least one input",
            provider=provider,
            model=f"{provider}/{model}",
            param="inputs",
        )
    if request.dimensions is not None and request.dimensions < 1:
        raise InvalidRequestError(
            f"dimensions is {request.dimensions!r}: give 1 or more",
            provider=provider,
            model=f"{provider}/{model}",
            param="dimensions",
        )


def read_vector(embedding: Json, *, signed_bytes: bool = False) -> tuple[float, ...]:
    """The vector; base64 is little-endian float32, or `signed_bytes`. ValueError when it is none."""
    if isinstance(embedding, str):
        return _packed(embedding, signed_bytes=signed_bytes)
    if not isinstance(embedding, list) or not embedding:
        raise ValueError(f"a vector is {type(embedding).__name__}, not a list of numbers or base64")
    if any(type(number) is not float and type(number) is not int for number in embedding):
        raise ValueError("a vector holds something that is no number")
    return _finite(tuple(map(float, embedding)))  # type: ignore[arg-type]  # each was just seen to be a number


def embed_response(
    body: bytes,
    vectors: Callable[[], tuple[tuple[float, ...], ...]],
    *,
    provider: str,
    model: str,
    echoed: str,
    usage: Usage,
    expected: int | None,
    cost: Decimal | None = None,
) -> EmbedResponse:
    """The response with what `vectors` reads, all of one length and `expected` of them; else MalformedResponseError."""
    try:
        read = _even(vectors())
    except ValueError as error:
        raise malformed(f"has unreadable embeddings ({error})", body, provider=provider, model=model) from error
    if not read:
        raise malformed("has no embeddings", body, provider=provider, model=model)
    if expected is not None and len(read) != expected:
        raise MalformedResponseError(
            f"{provider} gave {len(read)} vectors of {model!r} for {expected} inputs",
            provider=provider,
            model=f"{provider}/{model}",
        )
    return EmbedResponse(model=f"{provider}/{echoed}", provider=provider, vectors=read, usage=usage, cost_usd=cost)


def _even(vectors: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    if len({len(vector) for vector in vectors}) > 1:
        raise ValueError("the vectors have different lengths")
    return vectors


def _packed(text: str, *, signed_bytes: bool) -> tuple[float, ...]:
    try:
        packed = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"a vector is no base64: {error}") from error
    if signed_bytes and packed:
        return tuple(map(float, struct.unpack(f"{len(packed)}b", packed)))
    if not packed or len(packed) % 4:
        raise ValueError(f"a vector of {len(packed)} bytes is no float32 array")
    return _finite(struct.unpack(f"<{len(packed) // 4}f", packed))


def _finite(vector: tuple[float, ...]) -> tuple[float, ...]:
    if not all(map(math.isfinite, vector)):
        raise ValueError("a vector holds a number that is not finite")
    return vector
