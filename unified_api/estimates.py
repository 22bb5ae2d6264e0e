"""How long a call may become at most, for what it may cost."""

from __future__ import annotations

from unified_api.models import Model
from unified_api.needs import AnyRequest, least_tokens
from unified_api.types import EmbedRequest, ImageRequest, ModerationRequest, Request, RerankRequest

__all__ = ["held", "likely_usage", "longest_answer"]

_ASSUMED_OUTPUT = 16_384
"""Tokens an answer is taken to have at most, for estimates, where neither the request nor the catalog says."""
_USUAL_OUTPUT = 500
"""Tokens that an answer usually has at most."""
_IMAGE_OUTPUT = 6_240
"""Tokens of one large image of high quality (OpenAI, "Image generation": 1024x1536, high)."""


def longest_answer(request: AnyRequest, model: Model, dropped: tuple[str, ...]) -> int:
    if isinstance(request, EmbedRequest | RerankRequest | ModerationRequest):
        return 0
    if isinstance(request, ImageRequest):
        return _IMAGE_OUTPUT * (request.n or 1)
    longest = None if "max_tokens" in dropped else request.max_tokens
    if longest is None:
        longest = model.max_output or _ASSUMED_OUTPUT
        longest = longest if model.context is None else min(longest, model.context)
    return longest * (request.n or 1)


def held(tokens: int, request: AnyRequest, model: Model) -> int:
    """A chat has no more tokens than the model holds: what is longer is refused unpaid."""
    return min(tokens, model.context) if isinstance(request, Request) and model.context else tokens


def likely_usage(request: AnyRequest) -> tuple[int, int]:
    """Tokens of the prompt and of the answer as they will about be, to compare prices by."""
    given = least_tokens(request) * 6 // 4
    if isinstance(request, EmbedRequest | RerankRequest | ModerationRequest):
        return given, 0
    if isinstance(request, ImageRequest):
        return given, _IMAGE_OUTPUT * (request.n or 1)
    return given, min(request.max_tokens or _USUAL_OUTPUT, _USUAL_OUTPUT) * (request.n or 1)
