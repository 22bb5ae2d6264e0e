"""Keeps what a run spends under its cap: a call's worst cost is reserved before it and settled after it."""

from __future__ import annotations

from decimal import Decimal

import anyio

__all__ = ["Budget", "BudgetExceededError"]


class BudgetExceededError(Exception):
    """The worst cost of a call would take the run over its budget."""


class Budget:
    """A cap in US dollars that no number of concurrent calls can overspend.

    A call that does not fit beside the reservations of others, but would fit if they cost nothing, waits for
    them to settle; one that cannot fit any more is refused.
    """

    def __init__(self, limit: Decimal) -> None:
        self.limit = limit
        self.spent = Decimal(0)
        self.held = Decimal(0)
        self._settled = anyio.Event()

    async def reserve(self, worst: Decimal) -> None:
        """Holds `worst` dollars.

        Raises:
            BudgetExceededError: what is spent already leaves less than `worst`.
        """
        while self.spent + self.held + worst > self.limit:
            if self.spent + worst > self.limit:
                left = self.limit - self.spent
                raise BudgetExceededError(
                    f"the call may cost up to ${worst:f}, but ${left:f} of the run's budget of ${self.limit:f} is left;"
                    " raise policy.budget_usd, lower max_tokens or choose a cheaper model"
                )
            await self._settled.wait()
        self.held += worst

    def settle(self, worst: Decimal, actual: Decimal) -> None:
        """Turns a reservation into what the call cost."""
        self.held -= worst
        self.spent += actual
        settled, self._settled = self._settled, anyio.Event()
        settled.set()
