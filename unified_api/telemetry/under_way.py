"""The calls that are being made and will be told of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unified_api.call import AnyCall, AnyResponse
from unified_api.needs import AnyRequest
from unified_api.types import FinishReason, Sensitivity, UsageChunk

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["Told", "UnderWay"]


@dataclass(slots=True)
class Told:
    """What is known so far of one call that is being made."""

    begun: float
    span: Span | None = None
    first: float | None = None
    sensitivity: Sensitivity | None = None
    asked: AnyRequest | None = None
    answer: AnyResponse | None = None
    """As it was inside: with whatever the privacy layer put in the place of personal data."""
    finish: list[FinishReason] = field(default_factory=list)
    usage: UsageChunk | None = None


class UnderWay:
    """By the call's trail, which all layers share while each may have a copy of the call."""

    def __init__(self) -> None:
        self._told: dict[int, Told] = {}

    def __len__(self) -> int:
        return len(self._told)

    def get(self, call: AnyCall) -> Told | None:
        return self._told.get(id(call.trail))

    def put(self, call: AnyCall, told: Told) -> None:
        self._told[id(call.trail)] = told

    def take(self, call: AnyCall, told: Told) -> bool:
        """Whether it was still there; it is no longer."""
        if self.get(call) is not told:
            return False
        del self._told[id(call.trail)]
        return True
