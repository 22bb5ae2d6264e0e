"""What a call has cost, all its tries together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from unified_api.types import Attempt

__all__ = ["Bill", "bill_of"]

_PAID = frozenset({"succeeded", "rejected", "cancelled"})
"""Outcomes of tries whose provider has worked, and bills that, even where nobody says what it costs."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What all tries together have cost."""

    known: Decimal = Decimal(0)
    guessed: tuple[Decimal, ...] = ()
    """What tries that did not come to their end are taken to have cost."""
    unknown: tuple[Attempt, ...] = ()
    """Tries that may have cost something nobody knows."""

    @property
    def is_certain(self) -> bool:
        return not (self.guessed or self.unknown)


def bill_of(attempts: Iterable[Attempt], *, consulted: bool = False) -> Bill:
    """Of all tries; with `consulted` also of the calls that layers made for this one, which are calls of their own."""
    known, guessed, unknown = Decimal(0), [], []
    for one in attempts:
        if not (one.number or (consulted and one.outcome == "noted")):
            continue
        if one.cost_usd is None:
            if one.billable or one.outcome in _PAID:
                unknown.append(one)
        elif one.billable:
            guessed.append(one.cost_usd)
        else:
            known += one.cost_usd
    return Bill(known, tuple(guessed), tuple(unknown))
