"""How long a call may become at most, and about will be or has been, for what it may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from math import ceil
from typing import NamedTuple

from unified_api.models import Model
from unified_api.needs import AnyRequest, Asked, least_tokens, worst_tokens
from unified_api.types import (
    AudioPart,
    DocumentPart,
    EmbedRequest,
    ImagePart,
    ImageRequest,
    ModerationRequest,
    Request,
    RerankRequest,
    ToolResultPart,
    Usage,
    VideoPart,
)
from unified_api.worst_prices import Shown

__all__ = ["Worst", "held", "kinds_of", "likely_usage", "longest_answer", "shortened", "used"]

_SHORTER = (8_192, 4_096, 2_048)
"""Tokens that an answer is held to, one after the other, where a budget has no room for a longer one."""
_TOKENS_PER_S = 100
"""What a fast model writes; slow ones write a fifth of it."""
_CHARACTERS_A_TOKEN = 4
_ASSUMED_OUTPUT = 16_384
"""Tokens an answer is taken to have at most, for estimates, where neither the request nor the catalog says."""
_USUAL_OUTPUT = 500
"""Tokens that an answer usually has at most."""
_KINDS: Mapping[type[object], frozenset[Shown]] = {
    ImagePart: frozenset({"image"}),
    AudioPart: frozenset({"audio"}),
    VideoPart: frozenset({"video", "audio", "image"}),
    DocumentPart: frozenset({"image"}),
}
_IMAGE_OUTPUT = 6_240
"""Tokens of one large image of high quality (OpenAI, "Image generation": 1024x1536, high)."""


class Worst(NamedTuple):
    """The most that a call may cost."""

    each: Decimal
    """The most that one try may cost, in US dollars."""
    together: int = 1
    """How many tries may be paid for although none fails: those of a race, or whose answers are rejected."""

    @property
    def total(self) -> Decimal:
        return self.each * self.together


def shortened(
    request: Asked, worst: Worst | None, *, room: Decimal, of: Callable[[Asked], Worst | None]
) -> tuple[Asked, Worst | None]:
    """The request with the longest answer that `room` dollars allow, and what `of` says that it may cost.

    A chat that says `max_tokens` itself is left alone, as is one that fits or that nothing makes fit: no answer is held
    to less than 2,048 tokens.
    """
    if worst is None or worst.total <= room or not isinstance(request, Request):
        return request, worst
    if request.max_tokens is not None:
        return request, worst
    for tokens in _SHORTER:
        held_to = replace(request, max_tokens=tokens)
        cost = of(held_to)
        if cost is not None and cost.total <= room:
            return held_to, cost
    return request, worst


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


def kinds_of(request: AnyRequest) -> frozenset[Shown]:
    """What the prompt holds besides text that providers price apart."""
    if isinstance(request, ModerationRequest):
        return frozenset({"image"})
    if not isinstance(request, Request):
        return frozenset()
    parts = [part for message in request.messages for part in message.parts]
    shown = [*parts, *(one for part in parts if isinstance(part, ToolResultPart) for one in part.media)]
    kinds = {kind for one in shown for kind in _KINDS.get(type(one), ())}
    marks = (getattr(one, "cache", None) for one in (*shown, *request.tools))
    return frozenset(kinds | {"kept"} if any(mark is not None and mark.ttl == "1h" for mark in marks) else kinds)


def likely_usage(request: AnyRequest) -> tuple[int, int]:
    """Tokens of the prompt and of the answer as they will about be, to compare prices by."""
    given = least_tokens(request) * 6 // 4
    if isinstance(request, EmbedRequest | RerankRequest | ModerationRequest):
        return given, 0
    if isinstance(request, ImageRequest):
        return given, _IMAGE_OUTPUT * (request.n or 1)
    return given, min(request.max_tokens or _USUAL_OUTPUT, _USUAL_OUTPUT) * (request.n or 1)


def used(
    request: AnyRequest,
    model: Model,
    *,
    told: Usage = Usage(),
    received: int = 0,
    seconds: float = 0.0,
    shown: int = 0,
) -> Usage:
    """About what a try has used that has no end: what its provider has told, and an estimate of the rest.

    Args:
        request: what was asked.
        model: who was asked.
        told: the usage, as far as the provider has told it; of an answer only a part may be counted in it.
        received: characters of the answer that had come. Where none had, the provider may have written as much as it
            can in the time.
        seconds: how long the try took.
        shown: tokens of another model's answer that this one was to go on with.

    """
    asked = told.input_tokens
    if asked is None:
        asked = held(_prompt(request) + shown, request, model)
    longest = longest_answer(request, model, ())
    if isinstance(request, Request):
        written = received / _CHARACTERS_A_TOKEN if received else seconds * _TOKENS_PER_S
        longest = min(ceil(written), longest)
    return replace(told, input_tokens=asked, output_tokens=max(told.output_tokens or 0, longest))


def _prompt(request: AnyRequest) -> int:
    """Tokens of everything that is read: text at four bytes a token, what else there is as the dearest count it."""
    most = worst_tokens(request)
    return most - least_tokens(request) * 6 * 3 // 4 if isinstance(request, Request) else -(-most // 4)
