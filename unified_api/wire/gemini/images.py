"""Images made by Gemini models: generateContent that answers with pictures.

https://ai.google.dev/gemini-api/docs/image-generation
"""

from __future__ import annotations

from collections.abc import Mapping

from unified_api.errors import ContentRefusedError, FailedGenerationError, InvalidRequestError
from unified_api.types import Alternative, Image, ImagePart, ImageRequest, ImageResponse, JsonObject, Response
from unified_api.wire.base import WireProfile, WireRequest, check_supported
from unified_api.wire.errors import decode_error
from unified_api.wire.gemini.decoder import decode as decode_chat
from unified_api.wire.gemini.target import is_former, model_path
from unified_api.wire.image_shape import add_extra
from unified_api.wire.imagen import no_words, shape_of
from unified_api.wire.json_text import dump_json
from unified_api.wire.model_patterns import first_match
from unified_api.wire.quoting import shorten

__all__ = ["decode", "decode_error", "encode"]

# The pixels of each aspect ratio at 1K, from the tables of the page above.
_FORMER: Mapping[str, str] = {
    "1:1": "1024x1024", "2:3": "832x1248", "3:2": "1248x832", "3:4": "864x1184", "4:3": "1184x864", "4:5": "896x1152",
    "5:4": "1152x896", "9:16": "768x1344", "16:9": "1344x768", "21:9": "1536x672",
}  # fmt: skip
_CURRENT: Mapping[str, str] = {
    "1:1": "1024x1024", "2:3": "848x1264", "3:2": "1264x848", "3:4": "896x1200", "4:3": "1200x896", "4:5": "928x1152",
    "5:4": "1152x928", "9:16": "768x1376", "16:9": "1376x768", "21:9": "1584x672",
}  # fmt: skip
_WIDER: Mapping[str, str] = {
    **_CURRENT, "1:4": "512x2048", "4:1": "2048x512", "1:8": "384x3072", "8:1": "3072x384",
}  # fmt: skip
_SIZES: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = {
    "gemini-3.1-flash-lite-image*": (_CURRENT, ("1K",)),
    "gemini-3.1-flash-image*": (_WIDER, ("512", "1K", "2K", "4K")),
    "*": (_CURRENT, ("1K", "2K", "4K")),
}
"""Pattern of model names -> its shapes and resolutions; first match wins."""


def encode(request: ImageRequest, *, provider: str, model: str, profile: WireProfile) -> WireRequest:
    """The HTTP request. `size` must be one that the model makes; another is refused with those that there are."""
    check_supported(request, provider=provider, model=model, profile=profile)
    if not request.prompt.strip():
        raise InvalidRequestError("an image request needs a prompt", model=model, param="prompt")
    no_words(request, ("negative_prompt", "user"), provider=provider, model=model)
    generation: JsonObject = {"responseModalities": ["IMAGE"]}
    if request.size is not None:
        known = (_FORMER, ("1K",)) if is_former(model, profile) else first_match(_SIZES, model)
        ratios, resolutions = known or (_CURRENT, ("1K",))
        ratio, resolution = shape_of(request.size, ratios, resolutions, provider=provider, model=model)
        shape: JsonObject = {"aspectRatio": ratio}
        if resolution != "1K":
            shape["imageSize"] = resolution
        generation["imageConfig"] = shape
    if request.n not in (None, 1):
        generation["candidateCount"] = request.n
    if request.seed is not None:
        generation["seed"] = request.seed
    contents: JsonObject = {"role": "user", "parts": [{"text": request.prompt}]}
    body: JsonObject = {"contents": [contents], "generationConfig": generation}
    add_extra(body, request, provider=provider, model=model, profile=profile)
    headers = {"content-type": "application/json", "accept": "application/json"}
    return WireRequest(
        "POST", f"{model_path(model)}:generateContent", headers, dump_json(body, provider=provider, model=model)
    )


def decode(body: bytes, *, provider: str, model: str, profile: WireProfile) -> ImageResponse:
    """The images; ContentRefusedError for a blocked answer, FailedGenerationError for one of words alone."""
    answer = decode_chat(body, provider=provider, model=model, profile=profile)
    answers: tuple[Response | Alternative, ...] = (answer, *answer.alternatives)
    parts = [part for one in answers for part in one.parts if isinstance(part, ImagePart)]
    images = tuple(Image(part.media_type or "image/png", data=part.data, url=part.url) for part in parts)
    if not images:
        raise _without_image(answer, provider=provider, model=model)
    return ImageResponse(model=answer.model, provider=provider, images=images, usage=answer.usage)


def _without_image(answer: Response, *, provider: str, model: str) -> ContentRefusedError | FailedGenerationError:
    said = f"; it said {shorten(answer.text, 200)!r}" if answer.text else ""
    if answer.finish_reason == "content_filter":
        message = f"the filter of {provider} let no image of {model!r} through{said}: word the prompt differently"
        return ContentRefusedError(message, provider=provider, model=f"{provider}/{model}")
    message = f"{model!r} of {provider} made no image ({answer.finish_reason}){said}: try again, or ask for a picture"
    return FailedGenerationError(message, provider=provider, model=f"{provider}/{model}")
