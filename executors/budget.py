"""Keeps what a run spends under its cap: a call's worst cost is reserved before it and settled after it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import anyio

__all__ = ["Budget", "BudgetExceededError", "Held"]


class BudgetExceededError(Exception):
    """The worst cost of a call would take the run over its budget."""


@dataclass(frozen=True, slots=True)
class Held:
    """A reservation: room for `tries` attempts at `worst` dollars each."""

    worst: Decimal
    tries: int

    @property
    def amount(self) -> Decimal:
        return self.worst * self.tries


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

    async def reserve(self, worst: Decimal, *, tries: int = 1) -> Held:
        """Holds `worst` dollars for a call, and as much for each further one of `tries` that there is room for now.

        No call waits for room for more than one try, and half of the room is left to others.

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
        spare = (self.limit - self.spent - self.held - worst) / 2
        further = tries - 1 if not worst else min(tries - 1, int(spare / worst))
        held = Held(worst, 1 + further)
        self.held += held.amount
        return held

    def settle(self, held: Held, actual: Decimal) -> None:
        """Turns a reservation into what the call cost."""
        self.held -= held.amount
        self.spent += actual
        settled, self._settled = self._settled, anyio.Event()
        settled.set()
