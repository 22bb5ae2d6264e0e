"""How long a call may become at most, and about will be or has been, for what it may cost."""

from __future__ import annotations

from math import ceil

from unified_api.models import Model
from unified_api.needs import AnyRequest, least_tokens, worst_tokens
from unified_api.types import (
    Attempt,
    EmbedRequest,
    ImageRequest,
    ModerationRequest,
    Request,
    RerankRequest,
    Usage,
)

__all__ = ["SHORTER", "held", "likely_usage", "longest_answer", "used_by"]

SHORTER = (8_192, 4_096, 2_048)
"""Tokens that an answer is held to, one after the other, where a budget has no room for a longer one."""
_TOKENS_PER_S = 100
"""What a fast model writes; slow ones write a fifth of it."""
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


def used_by(attempt: Attempt, request: AnyRequest, model: Model) -> Usage:
    """About what a try has used whose provider did not say: by the prompt, what had come of the answer, and the time.

    Of an answer of which nothing had come, the provider may have written as much as it can in the time.
    """
    given = held(_prompt(request), request, model)
    if not isinstance(request, Request):
        return Usage(input_tokens=given, output_tokens=longest_answer(request, model, ()))
    written = attempt.received / 4 if attempt.received else attempt.seconds * _TOKENS_PER_S
    return Usage(input_tokens=given, output_tokens=min(ceil(written), longest_answer(request, model, ())))


def _prompt(request: AnyRequest) -> int:
    """Tokens of everything that is read: text at four bytes a token, what else there is as the dearest count it."""
    most = worst_tokens(request)
    return most - least_tokens(request) * 6 * 3 // 4 if isinstance(request, Request) else -(-most // 4)
