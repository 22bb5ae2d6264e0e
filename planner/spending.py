"""What several answers of models cost together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from unified_api.types import Response, Usage

__all__ = ["Spending"]


@dataclass(slots=True)
class Spending:
    """The answers so far; what one of them did not say is unknown of them all."""

    responses: list[Response] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        return len(self.responses)

    @property
    def model(self) -> str | None:
        return self.responses[-1].model if self.responses else None

    @property
    def cost_usd(self) -> Decimal | None:
        total = Decimal(0)
        for response in self.responses:
            if response.cost_usd is None:
                return None
            total += response.cost_usd
        return total

    @property
    def usage(self) -> Usage:
        given = [response.usage for response in self.responses]
        return Usage(
            input_tokens=added(one.input_tokens for one in given),
            output_tokens=added(one.output_tokens for one in given),
            cached_input_tokens=added(one.cached_input_tokens for one in given),
            cache_write_tokens=added(one.cache_write_tokens for one in given),
            reasoning_tokens=added(one.reasoning_tokens for one in given),
        )


def added(counts: Iterable[int | None]) -> int | None:
    total: int | None = None
    for count in counts:
        if count is None:
            return None
        total = (total or 0) + count
    return total
