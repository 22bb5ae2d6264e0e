"""The wire family of Replicate: a prediction is created, and asked for until it is done.

https://replicate.com/docs/reference/http and https://replicate.com/docs/topics/predictions/lifecycle. What a model's
input is called is the model's own affair; the names here are those that image models share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from unified_api.errors import (
    ContentRefusedError,
    InvalidRequestError,
    ProviderError,
    ServerError,
    UnsupportedParameterError,
)
from unified_api.types import ImageRequest, ImageResponse, Json, JsonObject
from unified_api.wire.base import Pending, WireProfile, WireRequest, check_supported
from unified_api.wire.errors import decode_error
from unified_api.wire.image_shape import add_extra, aspect_ratio, check_prompt, pixels, unreadable
from unified_api.wire.json_text import dump_json, parse_json
from unified_api.wire.model_patterns import first_match
from unified_api.wire.openai_images import image_at
from unified_api.wire.openai_images import read_request as read_images_request
from unified_api.wire.quoting import shorten
from unified_api.wire.shown import shown

__all__ = ["decode", "decode_error", "encode", "pending", "read_request"]

_NAME = re.compile(r"(?:deployments/)?[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_VERSION = re.compile(r"(?:[\w.-]+/[\w.-]+:)?([0-9a-f]{40,64})")
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_RATIOS = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
_INPUTS: Mapping[str, str] = {
    "prompt": "prompt", "num_outputs": "n", "seed": "seed", "negative_prompt": "negative_prompt", "size": "size",
}  # fmt: skip
_UNDONE = frozenset({"starting", "processing"})
_FAILED = frozenset({"failed", "canceled", "aborted"})
_STATES = _UNDONE | _FAILED | {"succeeded"}
_REFUSED = re.compile(r"nsfw|sensitive|safety|flagged|content polic", re.IGNORECASE)
_WAIT_S = 5
"""Seconds that the first answer may wait for the work. Until it comes nobody knows the id by which to cancel."""


def encode(request: ImageRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request that creates a prediction of `owner/name`, `owner/name:version` or `deployments/owner/name`."""
    check_supported(request, provider=provider, model=model, profile=profile)
    check_prompt(request, model=model)
    if request.user is not None:
        message = f"{model!r} cannot take the parameter 'user': leave it out or choose another model"
        raise UnsupportedParameterError(message, provider=provider, model=f"{provider}/{model}", param="user")
    given: JsonObject = {"prompt": request.prompt, "num_outputs": request.n, "seed": request.seed}
    given |= {"negative_prompt": request.negative_prompt, **_size(request, profile, provider=provider, model=model)}
    chosen: JsonObject = {profile.renamed.get(name, name): value for name, value in given.items() if value is not None}
    add_extra(chosen, request, provider=provider, model=model, profile=profile)
    path, body = _address(model)
    headers = {"content-type": "application/json", "accept": "application/json", "prefer": f"wait={_WAIT_S}"}
    return WireRequest("POST", path, headers, dump_json({**body, "input": chosen}, model=model))


def read_request(body: JsonObject, *, provider: str, model: str | None = None) -> ImageRequest:
    """The request in `body`; `model` is the one in the address, where the body names no version.

    Inputs that there is no field for stay in `extra[provider]`.
    """
    given, version = body.get("input"), body.get("version")
    if not isinstance(given, dict):
        raise InvalidRequestError(f"input is {shown(given)}: give an object", param="input")
    if version is not None and not isinstance(version, str):
        raise InvalidRequestError(f"version is {shown(version)}: give the id of a version", param="version")
    left: JsonObject = dict(given)
    width, height = left.get("width"), left.get("height")
    if type(width) is int and type(height) is int:
        left.pop("width"), left.pop("height")
        left["size"] = f"{width}x{height}"
    told: JsonObject = {"model": version or model or "auto"}
    told |= {ours: left.pop(theirs) for theirs, ours in _INPUTS.items() if theirs in left}
    read = read_images_request(told, provider=provider)
    return replace(read, extra={provider: left} if left else {})


def pending(body: bytes, *, provider: str, model: str) -> Pending | None:
    """How to ask for a prediction that is not done yet; None for one that is.

    The address is made from the prediction's id, below the provider's own: one that an answer names is never followed.
    """
    answer = _prediction(body, provider=provider, model=model)
    if answer["status"] not in _UNDONE:
        return None
    identity = answer.get("id")
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise unreadable("names no prediction to wait for", body, provider=provider, model=model)
    headers = {"accept": "application/json"}
    return Pending(
        WireRequest("GET", f"/predictions/{identity}", headers, b""),
        WireRequest("POST", f"/predictions/{identity}/cancel", headers, b""),
    )


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> ImageResponse:
    """The images of a prediction that is done, by the addresses where Replicate keeps them for an hour."""
    del profile
    answer = _prediction(body, provider=provider, model=model)
    if answer["status"] in _FAILED:
        raise _failure(answer, provider=provider, model=model)
    try:
        images = tuple(image_at(url) for url in _urls(answer.get("output")))
    except ValueError as error:
        raise unreadable(f"has an unreadable image ({error})", body, provider=provider, model=model) from error
    if not images:
        raise unreadable("has no images", body, provider=provider, model=model)
    named = answer.get("model")
    told = named if isinstance(named, str) and named else model
    return ImageResponse(model=f"{provider}/{told}", provider=provider, images=images)


def _prediction(body: bytes, *, provider: str, model: str) -> JsonObject:
    try:
        answer = parse_json(body)
    except ValueError:
        answer = None
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(status, str) or status not in _STATES:
        raise unreadable("is no prediction", body, provider=provider, model=model)
    return answer


def _address(model: str) -> tuple[str, JsonObject]:
    version = _VERSION.fullmatch(model)
    if version is not None:
        return "/predictions", {"version": version[1]}
    if not _NAME.fullmatch(model):
        message = f"{model!r} is no model of Replicate: name owner/name, owner/name:version or deployments/owner/name"
        raise InvalidRequestError(message, model=model, param="model")
    kind = "" if model.startswith("deployments/") and model.count("/") == 2 else "models/"
    return f"/{kind}{model}/predictions", {}


def _size(request: ImageRequest, profile: WireProfile, *, provider: str, model: str) -> JsonObject:
    if request.size is None:
        return {}
    way = first_match(profile.image_size, model) or "width_height"
    if way == "aspect_ratio":
        return {"aspect_ratio": aspect_ratio(request.size, _RATIOS, provider=provider, model=model)}
    width, height = pixels(request.size, model=model)
    return {"size": request.size} if way == "size" else {"width": width, "height": height}


def _urls(output: Json) -> Iterator[str]:
    if isinstance(output, str):
        if output.startswith(("https://", "http://", "data:")):
            yield output
    elif isinstance(output, list):
        for one in output:
            yield from _urls(one)
    elif isinstance(output, dict):
        for one in output.values():
            yield from _urls(one)


def _failure(answer: JsonObject, *, provider: str, model: str) -> ProviderError:
    said = shorten(str(answer.get("error") or "no reason given"))
    kind = ContentRefusedError if _REFUSED.search(said) else ServerError
    if answer["status"] != "failed":
        said = f"it was canceled: {said}" if answer.get("error") else "it was canceled"
    error = kind(
        f"{provider} made no image with {model!r}: {said}",
        provider=provider,
        model=f"{provider}/{model}",
        provider_code=str(answer["status"]),
    )
    error.billable = True
    return error
