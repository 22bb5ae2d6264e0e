"""The embeddings wire family of Ollama's native API (https://github.com/ollama/ollama/blob/main/docs/api.md)."""

from __future__ import annotations

from functools import partial

from unified_api.errors import UnsupportedParameterError
from unified_api.types import EmbedRequest, EmbedResponse, JsonObject
from unified_api.wire.answer import answer_object, echoed_model
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.errors import decode_error
from unified_api.wire.json_text import dump_json
from unified_api.wire.ollama.usage import read_usage
from unified_api.wire.vectors import check_inputs, embed_response, read_vector

__all__ = ["decode", "decode_error", "encode"]


def encode(request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request. Models that embed queries and documents apart want the difference in the texts themselves."""
    check_supported(request, provider=provider, model=model, profile=profile)
    check_inputs(request, provider=provider, model=model)
    if request.purpose is not None:
        raise UnsupportedParameterError(
            f"{model!r} is not told what texts are for: leave the purpose out, and put the words that the model wants "
            "before the texts",
            provider=provider,
            model=f"{provider}/{model}",
            param="purpose",
        )
    body: JsonObject = {"model": model, "input": list(request.inputs)}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    headers = {"content-type": "application/json", "accept": "application/json"}
    return WireRequest("POST", "/api/embed", headers, dump_json(body, provider=provider, model=model))


def decode(
    body: bytes, *, provider: str, model: str, profile: WireProfile, expected: int | None = None
) -> EmbedResponse:
    """The vectors in the order of the inputs; MalformedResponseError when there are not `expected` of them.

    The older /api/embeddings gives one vector as `embedding`.
    """
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    return embed_response(
        body,
        partial(_vectors, answer),
        provider=provider,
        model=model,
        echoed=echoed_model(answer, model),
        usage=read_usage(answer),
        expected=expected,
    )


def _vectors(answer: JsonObject) -> tuple[tuple[float, ...], ...]:
    several, one = answer.get("embeddings"), answer.get("embedding")
    entries = several if isinstance(several, list) else [one] if one is not None else []
    return tuple(map(read_vector, entries))
