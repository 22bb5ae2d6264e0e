"""Texts as vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from unified_api.types.common import Quality
from unified_api.types.response import Attempt, Usage

__all__ = ["EmbedRequest", "EmbedResponse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    model: str
    inputs: tuple[str, ...]
    dimensions: int | None = None
    purpose: Literal["query", "document"] | None = None
    """Whether the texts are looked for or looked among, which some models embed differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedResponse:
    """One vector per input, in the order of the inputs."""

    model: str
    provider: str
    vectors: tuple[tuple[float, ...], ...] = field(repr=False)
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    quality: Quality | None = None
    dropped: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
