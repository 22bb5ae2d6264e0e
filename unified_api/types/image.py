"""Images made from words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from unified_api.types.common import JsonObject, Quality
from unified_api.types.response import Attempt, Usage

__all__ = ["Image", "ImageRequest", "ImageResponse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    model: str
    prompt: str
    size: str | None = None
    """`WIDTHxHEIGHT` in pixels, or None for the model's default."""
    n: int | None = None
    negative_prompt: str | None = None
    """What the image must not show."""
    seed: int | None = None
    user: str | None = None
    extra: Mapping[str, JsonObject] = field(default_factory=dict)
    """Provider -> parameters of its own (`quality`, `style` ...), sent as they are to that provider and to no other."""


@dataclass(frozen=True, slots=True)
class Image:
    """A generated image: bytes, or the address where the provider keeps it for a while."""

    media_type: str
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResponse:
    model: str
    provider: str
    images: tuple[Image, ...]
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    quality: Quality | None = None
    dropped: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
