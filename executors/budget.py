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
    them to settle; one that cannot fit any more is refused. What is held and spent counts for `around` too, the
    budget of the step or run that this one is a part of.
    """

    def __init__(self, limit: Decimal, *, around: Budget | None = None, whose: str = "run") -> None:
        self.limit = limit
        self.whose = whose
        self.spent = Decimal(0)
        self.held = Decimal(0)
        self._all: tuple[Budget, ...] = (self, *(around._all if around is not None else ()))  # noqa: SLF001  # its own kind
        """This one and those around it."""
        self._settled = anyio.Event()

    @property
    def left(self) -> Decimal:
        """What may yet be spent, if all that is held costs nothing."""
        return min(one.limit - one.spent for one in self._all)

    async def reserve(self, worst: Decimal, *, tries: int = 1, together: int = 1) -> Held:
        """Holds `worst` dollars for each of `together` tries, which may be paid for although none of them fails, and as
        much for each further one of `tries` that there is room for now.

        No call waits for room for the further ones, and half of the room is left to others.

        Raises:
            OverBudgetError: what is spent already leaves less.
        """
        least = worst * together
        while self._room < least:
            if self.left < least:
                raise OverBudgetError(
                    f"the call may cost up to ${least:f}, but ${max(self.left, Decimal(0)):f} of the"
                    f" {self._tightest.whose}'s budget of ${self._tightest.limit:f} is left; raise its `budget_usd`,"
                    " lower max_tokens or choose a cheaper model"
                )
            await self._all[-1]._settled.wait()  # noqa: SLF001
        spare = (self._room - least) / 2
        further = max(tries - together, 0)
        held = Held(worst, together + (min(further, int(spare / worst)) if worst else further))
        self._hold(held.amount)
        return held

    def hold(self, worst: Decimal) -> Held:
        """The same at once, for what another call waits for. Raises OverBudgetError."""
        if self._room < worst:
            raise OverBudgetError(
                f"judging an answer may cost up to ${worst:f}, but ${max(self._room, Decimal(0)):f} of the"
                f" {self._tightest.whose}'s budget of ${self._tightest.limit:f} is left; raise its `budget_usd`"
            )
        self._hold(worst)
        return Held(worst, 1)

    def settle(self, held: Held, actual: Decimal) -> None:
        """Turns a reservation into what the call cost."""
        for one in self._all:
            one.held -= held.amount
            one.spent += actual
        outermost = self._all[-1]
        settled, outermost._settled = outermost._settled, anyio.Event()  # noqa: SLF001
        settled.set()

    def recall(self, spent: Decimal, *, known_to: Budget | None) -> None:
        """Counts what an earlier pass of the run spent; `known_to` is the budget that counts it already."""
        for one in self._all:
            if one is not known_to:
                one.spent += spent

    def _hold(self, amount: Decimal) -> None:
        for one in self._all:
            one.held += amount

    @property
    def _room(self) -> Decimal:
        return min(one.limit - one.spent - one.held for one in self._all)

    @property
    def _tightest(self) -> Budget:
        return min(self._all, key=lambda one: one.limit - one.spent)
