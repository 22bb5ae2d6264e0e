"""Documents in the order in which they answer a query."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from unified_api.types.common import Quality
from unified_api.types.response import Attempt, Usage

__all__ = ["Ranked", "RerankRequest", "RerankResponse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    model: str
    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    """How many to give; None: all."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The document at `index` of the request; a higher `score` fits better, on the model's own scale."""

    index: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankResponse:
    """The best first."""

    model: str
    provider: str
    results: tuple[Ranked, ...]
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    quality: Quality | None = None
    dropped: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
