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
    most_usd: Decimal = Decimal(0)
    """What they cost, an answer or a failed attempt of unknown cost counted at its worst."""
    uncertain: bool = False
    """Whether one of them, or an attempt that failed before it, may have cost what nobody knows."""

    def add(self, response: Response, *, worst: Decimal | None) -> None:
        """Counts an answer; `worst` is the most that each attempt can have cost, None where nobody knows."""
        self.responses.append(response)
        failed = sum(one.billable and one.cost_usd is None for one in response.attempts) if worst != 0 else 0
        unknown = failed + (response.cost_usd is None)
        self.most_usd += response.cost_usd or 0
        if unknown:
            self.uncertain = True
            self.most_usd += unknown * (worst or 0)

    @property
    def rounds(self) -> int:
        return len(self.responses)

    @property
    def model(self) -> str | None:
        return self.responses[-1].model if self.responses else None

    @property
    def cost_usd(self) -> Decimal | None:
        return None if self.uncertain else self.most_usd

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
