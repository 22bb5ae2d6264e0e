"""A stream of one model that has begun."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from decimal import Decimal

from unified_api.errors import GatewayError
from unified_api.estimates import used
from unified_api.models import Model
from unified_api.routing.continuing import Progress, tokens_of
from unified_api.types import Chunk, Request, Usage

__all__ = ["Begun"]


@dataclass(slots=True, kw_only=True)
class Begun:
    """One model's stream, and how far it has come."""

    model: Model
    note: str | None
    """How the request was fitted to it."""
    chunks: AsyncIterator[Chunk]
    started: float
    shown: str = ""
    """What its reader had before, where it goes on with another one's answer."""
    came: list[Chunk] = field(default_factory=list)
    """All of its chunks, looked at when it ends: so each of them costs next to nothing."""
    cost: Decimal | None = None
    confidence: float | None = None
    """How good an evaluator found the answer."""
    is_told: bool = False
    """Whether the trail knows how it ended."""
    broke: Callable[[GatewayError], None]
    """To be told how it broke."""
    left: Callable[[], None]
    """To be told that its reader did not read it to its end."""

    @property
    def progress(self) -> Progress:
        return Progress.of(self.came)

    @property
    def had(self) -> int:
        """Characters of the answer that its reader has."""
        return len(self.shown) + self.progress.received

    def likely_usage(self, request: Request, *, seconds: float) -> Usage:
        """What it has used in `seconds`: as far as its provider has told, and else by what had come."""
        progress = self.progress
        told = Usage() if progress.told is None else progress.told.usage
        shown = tokens_of(self.shown)
        return used(request, self.model, told=told, received=progress.received, seconds=seconds, shown=shown)
