"""The wire family of Imagen: `:predict`, on AI Studio and on Vertex AI.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from unified_api.errors import ContentRefusedError, InvalidRequestError, UnsupportedParameterError
from unified_api.types import Image, ImageRequest, ImageResponse, Json, JsonObject
from unified_api.wire.base import WireProfile, WireRequest, check_supported, sniff_media_type
from unified_api.wire.errors import decode_error
from unified_api.wire.gemini.answer import answer_object, unreadable
from unified_api.wire.gemini.media import decode_base64
from unified_api.wire.gemini.target import model_path
from unified_api.wire.image_shape import add_extra
from unified_api.wire.json_text import dump_json
from unified_api.wire.quoting import shorten

__all__ = ["decode", "decode_error", "encode", "no_words", "shape_of"]

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_RATIOS: Mapping[str, str] = {
    "1:1": "1024x1024", "3:4": "896x1280", "4:3": "1280x896", "9:16": "768x1408", "16:9": "1408x768",
}  # fmt: skip
_SMALL = {"1584x672": "792x168"}
"""Pixels at 1K -> those at 512 where they are not the half: Google's table and its server have this one."""
_ANSWER_KEYS = frozenset({"predictions", "metadata", "deployedModelId", "model", "modelDisplayName", "modelVersionId"})


def encode(request: ImageRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request. `size` must be one that Imagen makes; another is refused with those that there are.

    A `seed` is refused: Imagen takes one only together with `addWatermark: false`, which nobody has asked for.
    """
    check_supported(request, provider=provider, model=model, profile=profile)
    if not request.prompt.strip():
        raise InvalidRequestError("an image request needs a prompt", model=model, param="prompt")
    no_words(request, ("seed", "user"), provider=provider, model=model)
    parameters: JsonObject = {"includeRaiReason": True}
    if request.n is not None:
        parameters["sampleCount"] = request.n
    if request.size is not None:
        ratio, resolution = shape_of(request.size, _RATIOS, ("1K", "2K"), provider=provider, model=model)
        parameters["aspectRatio"] = ratio
        if resolution != "1K":
            parameters["sampleImageSize"] = resolution
    if request.negative_prompt is not None:
        parameters["negativePrompt"] = request.negative_prompt
    body: JsonObject = {"instances": [{"prompt": request.prompt}], "parameters": parameters}
    add_extra(body, request, provider=provider, model=model, profile=profile)
    headers = {"content-type": "application/json", "accept": "application/json"}
    return WireRequest("POST", f"{model_path(model)}:predict", headers, dump_json(body, provider=provider, model=model))


def no_words(request: ImageRequest, names: tuple[str, ...], *, provider: str, model: str) -> None:
    """UnsupportedParameterError when the request sets one of the fields that the family cannot say."""
    for name in names:
        if getattr(request, name) is not None:
            raise UnsupportedParameterError(
                f"{model!r} cannot take the parameter {name!r}: leave it out or choose another model",
                provider=provider,
                model=f"{provider}/{model}",
                param=name,
            )


def shape_of(
    size: str, ratios: Mapping[str, str], resolutions: tuple[str, ...], *, provider: str, model: str
) -> tuple[str, str]:
    """The aspect ratio and resolution that make an image of `size`; `ratios` has the pixels of each shape at 1K."""
    found = _SIZE.fullmatch(size)
    if found is None:
        raise InvalidRequestError(f"size is {size!r}: give WIDTHxHEIGHT in pixels", model=model, param="size")
    width, height = int(found[1]), int(found[2])
    made = {
        _at(resolution, pixels): (ratio, resolution) for resolution in resolutions for ratio, pixels in ratios.items()
    }
    if f"{width}x{height}" not in made:
        raise UnsupportedParameterError(
            f"{model!r} makes no images of {size}: give one of {', '.join(made)}, or no size",
            provider=provider,
            model=f"{provider}/{model}",
            param="size",
        )
    return made[f"{width}x{height}"]


def _at(resolution: str, pixels: str) -> str:
    if resolution == "512":
        return _SMALL.get(pixels) or "x".join(str(int(side) // 2) for side in pixels.split("x"))
    return "x".join(str(int(side) * int(resolution[0])) for side in pixels.split("x"))


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> ImageResponse:
    """The images, as bytes or as their address in Cloud Storage; ContentRefusedError when all were filtered out."""
    answer = answer_object(body, provider=provider, model=model, profile=profile)
    predictions = answer.get("predictions", [])
    if not isinstance(predictions, list) or not answer.keys() <= _ANSWER_KEYS:
        raise unreadable("has no predictions", body, provider=provider, model=model)
    try:
        found = [_image(one if isinstance(one, dict) else {}) for one in predictions]
    except ValueError as error:
        raise unreadable(f"has an unreadable image ({error})", body, provider=provider, model=model) from error
    images = tuple(image for image in found if image is not None)
    if not images:
        reasons = [one.get("raiFilteredReason") for one in predictions if isinstance(one, dict)]
        raise _refused(reasons, provider=provider, model=model)
    return ImageResponse(model=f"{provider}/{model}", provider=provider, images=images)


def _image(prediction: JsonObject) -> Image | None:
    encoded, address, kind = (prediction.get(name) for name in ("bytesBase64Encoded", "gcsUri", "mimeType"))
    prompt = prediction.get("prompt")
    revised = prompt if isinstance(prompt, str) and prompt else None
    stated = kind if isinstance(kind, str) and kind else None
    if isinstance(encoded, str) and encoded:
        pixels = decode_base64(encoded)
        return Image(sniff_media_type(pixels) or stated or "image/png", data=pixels, revised_prompt=revised)
    if isinstance(address, str) and address:
        return Image(stated or "image/png", url=address, revised_prompt=revised)
    # The scores of the safety filter stand between the images, as does what it took out.
    if not prediction.keys() & {"raiFilteredReason", "safetyAttributes"}:
        raise ValueError("it has neither bytesBase64Encoded nor gcsUri")
    return None


def _refused(reasons: list[Json], *, provider: str, model: str) -> ContentRefusedError:
    said = "; ".join(dict.fromkeys(shorten(one) for one in reasons if isinstance(one, str))) or "no reason given"
    return ContentRefusedError(
        f"the filter of {provider} let no image of {model!r} through: {said}. Word the prompt differently.",
        provider=provider,
        model=f"{provider}/{model}",
    )
