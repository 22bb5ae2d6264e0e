"""The image generation wire family of OpenAI and of everyone compatible with it."""

from __future__ import annotations

import base64
import binascii

from unified_api.errors import InvalidRequestError
from unified_api.types import Image, ImageRequest, ImageResponse, Json, JsonObject
from unified_api.wire.answer import answer_object, echoed_model, malformed, stated_usage
from unified_api.wire.base import WireProfile, WireRequest, check_supported, sniff_media_type
from unified_api.wire.errors import decode_error
from unified_api.wire.image_shape import add_extra, aspect_ratio, check_prompt, pixels
from unified_api.wire.imagen import no_words
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import first_match
from unified_api.wire.shown import shown

__all__ = ["decode", "decode_error", "encode", "image_at", "read_request"]

_RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "2:1", "1:2", "19.5:9", "9:19.5", "20:9", "9:20")
"""Those of xAI; other servers that are told a shape know the first of them too."""
_LARGE = 2 * 2**20
"""Pixels from which an image is nearer to four megapixels than to one."""
_READ = frozenset({"model", "prompt", "size", "n", "negative_prompt", "seed", "user"})
_BY_ENDING = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}


def encode(request: ImageRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request (https://platform.openai.com/docs/api-reference/images/create).

    Instead of a size xAI is told a shape and a resolution (https://docs.x.ai/developers/model-capabilities/images/generation),
    Together width and height; `negative_prompt` and `seed` are taken by those servers of which the profile says so.
    """
    check_supported(request, provider=provider, model=model, profile=profile)
    check_prompt(request, model=model)
    unsaid = {"negative_prompt", "seed"} - profile.image_fields
    no_words(request, tuple(sorted(unsaid)), provider=provider, model=model)
    given: JsonObject = {"n": request.n, "user": request.user, "seed": request.seed}
    given |= {"negative_prompt": request.negative_prompt, **_size(request, profile, provider=provider, model=model)}
    body: JsonObject = {"model": model, "prompt": request.prompt}
    body |= {profile.renamed.get(name, name): value for name, value in given.items() if value is not None}
    add_extra(body, request, provider=provider, model=model, profile=profile)
    if profile.image_format is not None:
        body.setdefault("response_format", profile.image_format)
    headers = {"content-type": "application/json", "accept": "application/json"}
    return WireRequest("POST", "/images/generations", headers, dump_json(body, model=model))


def read_request(body: JsonObject, *, provider: str) -> ImageRequest:
    """The request in `body`, as a client of OpenAI's sends it; what it has no field for stays in `extra[provider]`."""
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise InvalidRequestError(f"prompt is {shown(prompt)}: give the words to draw", param="prompt")
    size, user = _word(body, "size"), _word(body, "user")
    if size is not None and size.lower() == "auto":
        size = None
    rest: JsonObject = {name: value for name, value in body.items() if name not in _READ and value is not None}
    return ImageRequest(
        model=_word(body, "model") or "auto",
        prompt=prompt,
        size=size,
        n=_whole(body, "n"),
        negative_prompt=_word(body, "negative_prompt"),
        seed=_whole(body, "seed"),
        user=user,
        extra={provider: rest} if rest else {},
    )


def _word(body: JsonObject, name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"{name} is {shown(value)}: give text", param=name)
    return value


def _whole(body: JsonObject, name: str) -> int | None:
    value = body.get(name)
    if value is None or type(value) is int:
        return value
    raise InvalidRequestError(f"{name} is {shown(value)}: give a whole number", param=name)


def _size(request: ImageRequest, profile: WireProfile, *, provider: str, model: str) -> JsonObject:
    if request.size is None:
        return {}
    way = first_match(profile.image_size, model) or "size"
    if way == "aspect_ratio":
        return {"aspect_ratio": aspect_ratio(request.size, _RATIOS, provider=provider, model=model)}
    if way == "aspect_ratio_and_resolution":
        return _shape(request.size, provider=provider, model=model)
    if way == "size":
        return {"size": request.size}
    width, height = pixels(request.size, model=model)
    return {"width": width, "height": height}


def _shape(size: str, *, provider: str, model: str) -> JsonObject:
    """Shape and resolution, of which 1k makes about one megapixel, and 2k four."""
    width, height = pixels(size, model=model)
    large = width * height > _LARGE
    ratio = aspect_ratio(size, _RATIOS, provider=provider, model=model, megapixels=4.0 if large else 1.0)
    return {"aspect_ratio": ratio, **({"resolution": "2k"} if large else {})}


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
    ending = output_format.lower() if isinstance(output_format, str) else ""
    stated = entry.get("mime_type") or entry.get("media_type") or _BY_ENDING.get(ending)
    stated = stated if isinstance(stated, str) else None
    encoded, url = entry.get("b64_json"), entry.get("url")
    if isinstance(url, str) and url.startswith("data:"):
        head, _, encoded = url.partition(",")
        stated = head[5:].partition(";")[0] or stated
    if isinstance(encoded, str) and encoded:
        shown = _pixels(encoded)
        return Image(sniff_media_type(shown) or stated or "image/png", data=shown, revised_prompt=revised)
    if isinstance(url, str) and url:
        return Image(stated or _kind_of(url), url=url, revised_prompt=revised)
    raise ValueError("it has neither b64_json nor url")


def image_at(url: str) -> Image:
    """The image at an address, or in a data URL. Raises ValueError for a data URL that cannot be read."""
    return _image({"url": url}, None)


def _kind_of(url: str) -> str:
    return _BY_ENDING.get(url.partition("?")[0].rpartition(".")[2].lower(), "image/png")


def _pixels(encoded: str) -> bytes:
    # Some servers put the whole data URL into `b64_json`.
    try:
        return base64.b64decode(encoded.rpartition(",")[2], validate=True)
    except binascii.Error as error:
        raise ValueError(f"it is no base64: {error}") from error
