"""The images wire family of Stability AI: Stable Diffusion 3 and its siblings, asked by a form.

https://platform.stability.ai/docs/api-reference#tag/Generate
"""

from __future__ import annotations

from collections.abc import Mapping

from unified_api.errors import ContentRefusedError, InvalidRequestError, UnsupportedParameterError
from unified_api.types import Image, ImageRequest, ImageResponse, Json
from unified_api.wire.answer import answer_object
from unified_api.wire.base import WireProfile, WireRequest, check_supported, sniff_media_type
from unified_api.wire.errors import decode_error
from unified_api.wire.gemini.media import decode_base64
from unified_api.wire.image_shape import add_extra, aspect_ratio, check_prompt, unreadable
from unified_api.wire.multipart import form
from unified_api.wire.shown import shown

__all__ = ["decode", "decode_error", "encode"]

_PATH = "/v2beta/stable-image/generate/"
_OTHERS: Mapping[str, tuple[str, float]] = {"stable-image-core": ("core", 1.5), "stable-image-ultra": ("ultra", 1.0)}
"""Models with an address of their own, and the megapixels that they make."""
_RATIOS = ("1:1", "16:9", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
_LARGEST_SEED = 4_294_967_294
_FILTERED = frozenset({"CONTENT_FILTERED"})


def encode(request: ImageRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request. `size` must have one of the shapes that there are, at about the model's megapixels."""
    check_supported(request, provider=provider, model=model, profile=profile)
    check_prompt(request, model=model)
    _check_values(request, provider=provider, model=model)
    address, megapixels = _OTHERS.get(model, ("sd3", 1.0))
    fields: dict[str, Json] = {"prompt": request.prompt}
    if address == "sd3":
        fields["model"] = model
    if request.size is not None:
        ratio = aspect_ratio(request.size, _RATIOS, provider=provider, model=model, megapixels=megapixels)
        fields["aspect_ratio"] = ratio
    if request.negative_prompt is not None:
        fields["negative_prompt"] = request.negative_prompt
    if request.seed is not None:
        fields["seed"] = request.seed
    add_extra(fields, request, provider=provider, model=model, profile=profile)
    content_type, body = form({name: _written(value) for name, value in fields.items()}, model=model)
    headers = {"content-type": content_type, "accept": "application/json"}
    if request.user is not None:
        headers["stability-client-user-id"] = request.user
    return WireRequest("POST", f"{_PATH}{address}", headers, body)


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> ImageResponse:
    """The one image. One that the filter blurred is a refusal."""
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    reason = answer.get("finish_reason")
    if isinstance(reason, str) and reason in _FILTERED:
        raise ContentRefusedError(
            f"{provider} refused to show what {model!r} made: its content filter stopped the image",
            provider=provider,
            model=f"{provider}/{model}",
            provider_code=reason,
        )
    image = _pixels(answer.get("image"))
    if image is None:
        raise unreadable("has no image", body, provider=provider, model=model)
    made = Image(sniff_media_type(image) or "image/png", data=image)
    return ImageResponse(model=f"{provider}/{model}", provider=provider, images=(made,))


def _pixels(encoded: Json) -> bytes | None:
    try:
        return decode_base64(encoded) if isinstance(encoded, str) and encoded else None
    except ValueError:
        return None


def _check_values(request: ImageRequest, *, provider: str, model: str) -> None:
    seed, user = request.seed, request.user
    problem = None
    if request.n not in (None, 1):
        problem = ("n", f"n is {request.n}, and {model!r} makes one image a call: ask several times")
    elif seed is not None and not 1 <= seed <= _LARGEST_SEED:
        problem = ("seed", f"seed is {seed}: give 1 to {_LARGEST_SEED}; 0 would be a random one")
    elif user is not None and not (user.isascii() and user.isprintable() and user.strip() == user):
        problem = ("user", f"user is {user!r}, which no header can hold: give ASCII letters and digits")
    if problem is not None:
        param, message = problem
        raise UnsupportedParameterError(message, provider=provider, model=f"{provider}/{model}", param=param)


def _written(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 2**63):
        return str(value)
    what = "a number of more than 64 bits" if isinstance(value, int) else shown(value)
    message = f"a form cannot hold {what}: give text, a number or a boolean in extra"
    raise InvalidRequestError(message, param="extra")
