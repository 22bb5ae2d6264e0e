"""What the image families share: sizes as shapes, parameters of a provider's own, answers that cannot be read."""

from __future__ import annotations

import re
from typing import NoReturn

from unified_api.errors import InvalidRequestError, MalformedResponseError, UnsupportedParameterError
from unified_api.types import ImageRequest, JsonObject
from unified_api.wire.base import WireProfile
from unified_api.wire.quoting import beginning
from unified_api.wire.request_writer import RequestWriter

__all__ = ["add_extra", "aspect_ratio", "check_prompt", "pixels", "unreadable"]

_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_SHAPE_TOLERANCE = 0.04
"""Models make sides of whole blocks of pixels: 1344x768 is their 16:9."""
_AREA_TOLERANCE = 0.16
"""1024x1024 and 1152x896 are both a megapixel."""


def check_prompt(request: ImageRequest, *, model: str) -> None:
    if not request.prompt.strip():
        raise InvalidRequestError("an image request needs a prompt", model=model, param="prompt")


def pixels(size: str, *, model: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(size)
    if found is None:
        raise InvalidRequestError(f"size is {size!r}: give WIDTHxHEIGHT in pixels", model=model, param="size")
    return int(found[1]), int(found[2])


def aspect_ratio(size: str, ratios: tuple[str, ...], *, provider: str, model: str, megapixels: float = 1.0) -> str:
    """The one of `ratios` that `size` has; its area must be what the model makes, which is told no pixels."""
    width, height = pixels(size, model=model)

    def distance(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        wanted = float(across) / float(down)
        return abs(width / height - wanted) / wanted

    nearest = min(ratios, key=distance)
    if distance(nearest) > _SHAPE_TOLERANCE:
        _refuse(f"{model!r} makes no images of {size}: give the shape {' or '.join(ratios)}", provider, model)
    area = width * height / 2**20
    if abs(area - megapixels) > _AREA_TOLERANCE * megapixels:
        message = f"{model!r} makes images of about {megapixels:g} megapixels, and {size} has {area:.2g}"
        _refuse(f"{message}: give another size or none", provider, model)
    return nearest


def add_extra(body: JsonObject, request: ImageRequest, *, provider: str, model: str, profile: WireProfile) -> None:
    """Adds the parameters of the provider's own, none of which may say what the request says itself."""
    writer = RequestWriter(provider=provider, model=model, profile=profile)
    writer.merge(body, request.extra.get(provider, {}))


def unreadable(problem: str, body: bytes, *, provider: str, model: str) -> MalformedResponseError:
    start = beginning(body)
    message = f"the answer of {provider} for {model!r} {problem}; it begins {start!r}"
    return MalformedResponseError(message, provider=provider, model=f"{provider}/{model}")


def _refuse(message: str, provider: str, model: str) -> NoReturn:
    raise UnsupportedParameterError(message, provider=provider, model=f"{provider}/{model}", param="size")
