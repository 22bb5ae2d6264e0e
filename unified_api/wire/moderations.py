"""The moderation wire family of OpenAI (https://platform.openai.com/docs/api-reference/moderations) and Mistral."""

from __future__ import annotations

import math

from unified_api.types import ImagePart, Json, JsonObject, Moderation, ModerationRequest, ModerationResponse
from unified_api.wire.answer import answer_object, echoed_model, malformed, stated_usage
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.errors import decode_error
from unified_api.wire.json_text import dump_json
from unified_api.wire.own_path import own_path
from unified_api.wire.request_writer import RequestWriter

__all__ = ["decode", "decode_error", "encode"]


def encode(request: ModerationRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request: a list of texts, judged one by one, or with an image parts of one input."""
    check_supported(request, provider=provider, model=model, profile=profile)
    writer = RequestWriter(provider=provider, model=model, profile=profile)
    if not request.inputs:
        writer.refuse("a moderation request needs at least one input", "inputs")
    pictured = any(isinstance(one, ImagePart) for one in request.inputs)
    inputs: list[Json] = [
        one if isinstance(one, str) and not pictured else _part(one, f"inputs[{number}]", writer)
        for number, one in enumerate(request.inputs)
    ]
    body: JsonObject = {"model": model, "input": inputs}
    headers = {"content-type": "application/json", "accept": "application/json"}
    path = own_path("/moderations", body, profile)
    return WireRequest("POST", path, headers, dump_json(body, provider=provider, model=model))


def decode(
    body: bytes, *, provider: str, model: str, profile: WireProfile, expected: int | None = None
) -> ModerationResponse:
    """The verdicts in the order of the inputs; MalformedResponseError when there are not `expected` of them."""
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    results = answer.get("results")
    if not isinstance(results, list) or not results:
        raise malformed("has no verdicts", body, provider=provider, model=model)
    verdicts = tuple(_verdict(result) for result in results if isinstance(result, dict))
    read = tuple(verdict for verdict in verdicts if verdict is not None)
    if len(read) != len(results):
        raise malformed("has a verdict that says neither yes nor no", body, provider=provider, model=model)
    if expected is not None and len(read) != expected:
        problem = f"has {len(read)} verdicts, not {expected}"
        raise malformed(problem, body, provider=provider, model=model)
    usage, cost = stated_usage(answer)
    return ModerationResponse(
        model=f"{provider}/{echoed_model(answer, model)}",
        provider=provider,
        results=read,
        usage=usage,
        cost_usd=cost,
    )


def _part(one: str | ImagePart, place: str, writer: RequestWriter) -> JsonObject:
    if isinstance(one, str):
        return {"type": "text", "text": one}
    return {"type": "image_url", "image_url": {"url": writer.data_url(one, place)}}


def _verdict(result: JsonObject) -> Moderation | None:
    """One verdict; None for what says neither yes nor no, which must never pass for a no.

    Mistral does not say `flagged`: any category that was hit is a hit.
    """
    named, scored, flagged = result.get("categories"), result.get("category_scores"), result.get("flagged")
    if not isinstance(named, dict) or not all(hit is None or isinstance(hit, bool) for hit in named.values()):
        return None
    # A category that the model does not judge is null (OpenAI), which is not "no".
    categories = {name: hit for name, hit in named.items() if isinstance(hit, bool)}
    if flagged is None and categories:
        flagged = any(categories.values())
    if not isinstance(flagged, bool):
        return None
    return Moderation(
        flagged=flagged, categories=categories, scores=_scores(scored) if isinstance(scored, dict) else {}
    )


def _scores(scored: JsonObject) -> dict[str, float]:
    numbers = ((name, score) for name, score in scored.items() if isinstance(score, int | float))
    return {name: float(score) for name, score in numbers if not isinstance(score, bool) and math.isfinite(score)}
