"""What is asked of the ledger, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from unified_api.ledger.accounts import Share, Short

__all__ = ["Held", "Locked", "Operation", "Outcome", "Reservation", "Reserve", "Settle", "Shortage"]


@dataclass(frozen=True, slots=True)
class Reserve:
    """Room for a call on all its accounts, or on none."""

    id: str
    shares: Sequence[Share]
    each: int
    """What one try may cost at most, in millionths of a dollar."""
    tries: int
    lease: int
    """Seconds after which it is given back when nobody settled it."""
    keys: tuple[str, ...] = field(init=False, compare=False)
    """Of its accounts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(share.key for share in self.shares))


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room that is held for one call."""

    id: str
    keys: tuple[str, ...]
    """Its accounts, with the month of the reservation."""
    each: int
    tries: int

    @property
    def amount(self) -> int:
        return self.each * self.tries


@dataclass(frozen=True, slots=True)
class Settle:
    """What the call of a reservation has cost; 0 gives all of it back. Counts once, however often it is asked."""

    reservation: Reservation
    spent: int

    @property
    def keys(self) -> tuple[str, ...]:
        return self.reservation.keys


@dataclass(frozen=True, slots=True)
class Held:
    """An account as it stands, for people to look at."""

    key: str
    spent: int
    held: int


@dataclass(frozen=True, slots=True)
class Locked:
    """Nothing was done: another program keeps an account locked, so that it has to be tried again."""


class Shortage(Exception):  # noqa: N818  # the layer turns it into the error that users see
    """No room for a call; nothing is held for it."""

    def __init__(self, short: Short) -> None:
        super().__init__(str(short.share.account))
        self.short = short


Operation: TypeAlias = Reserve | Settle
Outcome: TypeAlias = Reservation | Short | None
"""None for what is settled."""
