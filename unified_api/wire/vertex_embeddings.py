"""The embeddings wire family of Vertex AI.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

from unified_api.errors import InvalidRequestError
from unified_api.types import EmbedRequest, EmbedResponse, Json, JsonObject, Usage
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.errors import decode_error
from unified_api.wire.gemini import embeddings as gemini_embeddings
from unified_api.wire.gemini.answer import answer_object
from unified_api.wire.gemini.embeddings import TASKS, prompted
from unified_api.wire.gemini.target import model_path
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import any_matches
from unified_api.wire.vectors import check_inputs, embed_response, read_vector

__all__ = ["decode", "decode_error", "encode"]


def encode(request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """One prediction with an instance for each input. Later models know no predictions, and take one text a call."""
    check_supported(request, provider=provider, model=model, profile=profile)
    check_inputs(request, provider=provider, model=model)
    if any_matches(profile.worded_purpose, model):
        return _of_one(request, provider=provider, model=model, profile=profile)
    task: JsonObject = {} if request.purpose is None else {"task_type": TASKS[request.purpose]}
    body: JsonObject = {"instances": [{"content": text, **task} for text in request.inputs]}
    if request.dimensions is not None:
        body["parameters"] = {"outputDimensionality": request.dimensions}
    headers = {"content-type": "application/json", "accept": "application/json"}
    return WireRequest("POST", f"{model_path(model)}:predict", headers, dump_json(body, provider=provider, model=model))


def _of_one(request: EmbedRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    # https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/gemini/embedding-2
    if len(request.inputs) > 1:
        raise InvalidRequestError(
            f"{model!r} embeds one text a call, and here are {len(request.inputs)}: ask for each by itself",
            provider=provider,
            model=f"{provider}/{model}",
            param="inputs",
        )
    body: JsonObject = {"content": {"parts": [{"text": prompted(request, model, profile)[0]}]}}
    if request.dimensions is not None:
        body["outputDimensionality"] = request.dimensions
    headers = {"content-type": "application/json", "accept": "application/json"}
    path = f"{model_path(model)}:embedContent"
    return WireRequest("POST", path, headers, dump_json(body, provider=provider, model=model))


def decode(
    body: bytes, *, provider: str, model: str, profile: WireProfile, expected: int | None = None
) -> EmbedResponse:
    """The vectors in the order of the inputs; MalformedResponseError when there are not `expected` of them."""
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    if "embedding" in answer:
        return gemini_embeddings.decode(body, provider=provider, model=model, profile=profile, expected=expected)
    predictions = answer.get("predictions")
    entries = [_embeddings(one) for one in predictions] if isinstance(predictions, list) else []
    return embed_response(
        body,
        lambda: tuple(read_vector(entry.get("values")) for entry in entries),
        provider=provider,
        model=model,
        echoed=model,
        usage=Usage(input_tokens=_tokens(entries)),
        expected=expected,
    )


def _embeddings(prediction: Json) -> JsonObject:
    found = prediction.get("embeddings") if isinstance(prediction, dict) else None
    return found if isinstance(found, dict) else {}


def _tokens(entries: list[JsonObject]) -> int | None:
    """The tokens of all inputs; None when one of them is not counted."""
    counts = [entry.get("statistics") for entry in entries]
    said = [count.get("token_count") if isinstance(count, dict) else None for count in counts]
    whole = [int(one) for one in said if isinstance(one, int | float) and not isinstance(one, bool)]
    return sum(whole) if len(whole) == len(entries) else None
