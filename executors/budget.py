"""Keeps what a run spends under its cap: a call's worst cost is reserved before it and settled after it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import anyio

__all__ = ["Budget", "Held", "OverBudgetError"]


class OverBudgetError(Exception):
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

    async def reserve(self, worst: Decimal, *, tries: int = 1, together: int = 1) -> Held:
        """Holds `worst` dollars for each of `together` tries, which may be paid for although none of them fails, and as
        much for each further one of `tries` that there is room for now.

        No call waits for room for the further ones, and half of the room is left to others.

        Raises:
            OverBudgetError: what is spent already leaves less.
        """
        least = worst * together
        while self.spent + self.held + least > self.limit:
            if self.spent + least > self.limit:
                left = max(self.limit - self.spent, Decimal(0))
                raise OverBudgetError(
                    f"the call may cost up to ${least:f}, but ${left:f} of the run's budget of ${self.limit:f} is left;"
                    " raise policy.budget_usd, lower max_tokens or choose a cheaper model"
                )
            await self._settled.wait()
        spare = (self.limit - self.spent - self.held - least) / 2
        further = max(tries - together, 0)
        held = Held(worst, together + (min(further, int(spare / worst)) if worst else further))
        self.held += held.amount
        return held

    def hold(self, worst: Decimal) -> Held:
        """The same at once, for what another call waits for. Raises OverBudgetError."""
        if self.spent + self.held + worst > self.limit:
            left = max(self.limit - self.spent - self.held, Decimal(0))
            raise OverBudgetError(
                f"judging an answer may cost up to ${worst:f}, but ${left:f} of the run's budget of ${self.limit:f} is"
                " left; raise policy.budget_usd"
            )
        self.held += worst
        return Held(worst, 1)

    def settle(self, held: Held, actual: Decimal) -> None:
        """Turns a reservation into what the call cost."""
        self.held -= held.amount
        self.spent += actual
        settled, self._settled = self._settled, anyio.Event()
        settled.set()
