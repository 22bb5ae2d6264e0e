"""The image generation wire family of OpenAI and of everyone compatible with it."""

from __future__ import annotations

import base64
import binascii

from unified_api.errors import InvalidRequestError
from unified_api.types import Image, ImageRequest, ImageResponse, Json, JsonObject
from unified_api.wire.base import WireProfile, WireRequest, check_supported, dump_json, sniff_media_type
from unified_api.wire.errors import decode_error
from unified_api.wire.openai_answer import answer_object, echoed_model, malformed, stated_usage

__all__ = ["decode", "decode_error", "encode"]

_BY_ENDING = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}


def encode(request: ImageRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request (https://platform.openai.com/docs/api-reference/images/create)."""
    check_supported(request, provider=provider, model=model, profile=profile)
    if not request.prompt.strip():
        raise InvalidRequestError("an image request needs a prompt", model=model, param="prompt")
    body: JsonObject = {"model": model, "prompt": request.prompt, "n": 1}
    if request.size is not None:
        body[profile.renamed.get("size", "size")] = request.size
    if profile.image_format is not None:
        body["response_format"] = profile.image_format
    headers = {"content-type": "application/json", "accept": "application/json"}
    return WireRequest("POST", "/images/generations", headers, dump_json(body, model=model))


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> ImageResponse:
    """The images, as bytes or as the address where the provider keeps them for a while."""
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    entries = answer.get("data")
    if not isinstance(entries, list) or not entries:
        raise malformed("has no images", body, provider=provider, model=model)
    output_format = answer.get("output_format")
    try:
        images = tuple(_image(entry if isinstance(entry, dict) else {}, output_format) for entry in entries)
    except ValueError as error:
        raise malformed(f"has an unreadable image ({error})", body, provider=provider, model=model) from error
    usage, cost = stated_usage(answer)
    return ImageResponse(
        model=f"{provider}/{echoed_model(answer, model)}", provider=provider, images=images, usage=usage, cost_usd=cost
    )


def _image(entry: JsonObject, output_format: Json) -> Image:
    revised = entry.get("revised_prompt")
    revised = revised if isinstance(revised, str) and revised else None
    stated = entry.get("mime_type") or entry.get("media_type") or _BY_ENDING.get(str(output_format).lower())
    stated = stated if isinstance(stated, str) else None
    encoded, url = entry.get("b64_json"), entry.get("url")
    if isinstance(url, str) and url.startswith("data:"):
        head, _, encoded = url.partition(",")
        stated = head[5:].partition(";")[0] or stated
    if isinstance(encoded, str) and encoded:
        pixels = _pixels(encoded)
        return Image(sniff_media_type(pixels) or stated or "image/png", data=pixels, revised_prompt=revised)
    if isinstance(url, str) and url:
        ending = url.partition("?")[0].rpartition(".")[2].lower()
        return Image(stated or _BY_ENDING.get(ending, "image/png"), url=url, revised_prompt=revised)
    raise ValueError("it has neither b64_json nor url")


def _pixels(encoded: str) -> bytes:
    # Some servers put the whole data URL into `b64_json`.
    try:
        return base64.b64decode(encoded.rpartition(",")[2], validate=True)
    except binascii.Error as error:
        raise ValueError(f"it is no base64: {error}") from error
