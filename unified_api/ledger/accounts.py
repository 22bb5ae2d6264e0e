"""Accounts, and the arithmetic of what is spent and held on them, in whole millionths of a US dollar."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from unified_api.settings.budgets import AccountKind

__all__ = ["Account", "Balance", "Books", "Share", "Short", "dollars", "micros", "month_of"]

_MICRO = 1_000_000
_MOST = 10**15
"""A billion dollars, which no call costs: what is told to be more is taken for it, so that sums stay within 64 bits."""

_LONGEST_KEY = 2_000
"""PostgreSQL indexes no more than 2,704 bytes of a row."""
_SHOWN = 40
"""Letters of a name in a longer key, of up to 12 bytes each."""


def micros(amount: Decimal) -> int:
    """The amount in millionths of a dollar, rounded up; never negative."""
    if not amount.is_finite():
        return _MOST
    return min(max(int((amount * _MICRO).to_integral_value(ROUND_CEILING)), 0), _MOST)


def dollars(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-6)


def month_of(wall: float) -> str:
    """The month in UTC at `wall` seconds since 1970, such as `2026-11`."""
    return _month(int(wall // 3_600))


@lru_cache(maxsize=16)
def _month(hours: int) -> str:
    return datetime.fromtimestamp(hours * 3_600, UTC).strftime("%Y-%m")


@lru_cache(maxsize=4096)
def _key(account: Account) -> str:
    # ASCII, whatever a name holds: databases refuse half a surrogate pair, and PostgreSQL a zero.
    key = json.dumps((account.kind, account.tenant, account.name, account.month), separators=(",", ":"))
    if len(key) <= _LONGEST_KEY:
        return key
    short = (account.kind, _shortened(account.tenant), _shortened(account.name), account.month, "shortened")
    return json.dumps(short, separators=(",", ":"))


def _shortened(name: str) -> str:
    """The beginning of a long name, and a digest that tells it from others that begin alike."""
    if len(name) <= _SHOWN:
        return name
    return f"{name[:_SHOWN]}... ({hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()})"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose money it is."""

    kind: AccountKind
    name: str
    tenant: str = ""
    month: str = ""
    """The month in UTC, such as `2026-11`; empty for a run, which has one cap for ever."""

    @property
    def key(self) -> str:
        """Its name in the ledger, in which a very long name is shortened."""
        return _key(self)

    @classmethod
    def of_key(cls, key: str) -> Account:
        kind, tenant, name, month, *_ = json.loads(key)
        return cls(kind, name, tenant, month)

    def __str__(self) -> str:
        whose = f" of tenant {self.tenant!r}" if self.tenant else ""
        return f"{self.kind} {self.name!r}{whose}" + (f" in {self.month}" if self.month else "")


@dataclass(frozen=True, slots=True)
class Share:
    """An account that pays for a call, and its cap in millionths of a dollar."""

    account: Account
    cap: int
    key: str = field(init=False, compare=False)
    """The account's, made once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.account.key)


@dataclass(slots=True)
class Balance:
    """What is spent on an account, and held for calls that are under way."""

    spent: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class Short:
    """An account without room for a call."""

    share: Share
    spent: int
    held: int
    final: bool
    """Whether there is no room even when nothing that is held is spent."""


class Books:
    """The balances of some accounts while nobody else may change them, and how they change."""

    def __init__(self, balances: Mapping[str, Balance]) -> None:
        self._balances = balances
        self._changes: dict[str, Balance] = {}

    def changes(self) -> Iterator[tuple[str, int, int]]:
        """Account key, and by how much its spent and held sums have grown."""
        return ((key, change.spent, change.held) for key, change in self._changes.items())

    def add(self, key: str, *, spent: int = 0, held: int = 0) -> None:
        balance, change = self._balances[key], self._changes.get(key)
        if change is None:
            change = self._changes[key] = Balance()
        balance.spent += spent
        balance.held += held
        change.spent += spent
        change.held += held

    def reserve(self, shares: Sequence[Share], each: int, *, tries: int) -> int | Short:
        """Holds room for one try at `each`, and for further ones of `tries` in half of what is left, on every account.

        Gives the number of tries that are held, or the account that has no room; then nothing is held anywhere.
        """
        room, short = None, None
        for share in shares:
            balance = self._balances[share.key]
            left = share.cap - balance.spent
            if each > left:
                return Short(share, balance.spent, balance.held, final=True)
            free = left - balance.held
            if each > free and short is None:
                short = Short(share, balance.spent, balance.held, final=False)
            room = free if room is None else min(room, free)
        if short is not None:
            return short
        held = tries if room is None or not each else min(tries, 1 + (room - each) // 2 // each)
        for share in shares:
            self.add(share.key, held=each * held)
        return held
