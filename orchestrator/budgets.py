"""What is spent, held and left by account, as the ledger and the settings tell it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unified_api.ledger import Account, Held
    from unified_api.settings import BudgetSettings, Settings
    from unified_api.settings.budgets import AccountKind

__all__ = ["AccountState", "account_states"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """One account of the ledger."""

    kind: str
    """`user`, `key`, `tag` or `run`."""
    name: str
    tenant: str
    month: str | None
    """The month in UTC, such as `2026-11`; None for a run, which has one cap for ever."""
    cap_usd: Decimal | None
    """None: the settings cap it no longer."""
    spent_usd: Decimal
    held_usd: Decimal
    """Reserved for calls that are under way, or were when their program died: leases give that back."""
    left_usd: Decimal | None


async def account_states(settings: Settings, *, month: str | None = None, runs: bool = False) -> list[AccountState]:
    """The accounts of `month`, by default of this one, and with `runs` every run's; those named in the settings too.

    Raises:
        ConfigurationError: the settings name no usable ledger.
        LedgerError: the ledger cannot be read.

    """
    from unified_api.clock import MonotonicClock
    from unified_api.ledger import Account, Held, Ledger, month_of
    from unified_api.ledger.address import address_of

    month = month or month_of(time.time())
    address, found = address_of(settings), dict[Account, Held]()
    if not isinstance(address, Path) or address.exists():
        ledger = Ledger(address, clock=MonotonicClock(), wall=time.time)
        try:
            found = {Account.of_key(held.key): held for held in await ledger.balances()}
        finally:
            await ledger.aclose()
    shown = {one: held for one, held in found.items() if one.month == month or (runs and one.kind == "run")}
    for account in _named(settings.budgets, month, {(one.kind, _whose(one)) for one in shown}):
        shown.setdefault(account, Held(account.key, 0, 0))
    return _states(shown, settings.budgets)


def _named(budgets: BudgetSettings, month: str, shown: Collection[tuple[str, str]]) -> Iterable[Account]:
    """Whom the settings name, whether they have spent anything or not, but those that are shown."""
    from unified_api.ledger import Account

    named: list[tuple[AccountKind, Iterable[str]]] = [
        ("user", budgets.users),
        ("key", budgets.keys),
        ("tag", budgets.tags),
    ]
    for kind, names in named:
        for name in names:
            if (kind, name) not in shown:
                # Before anything was spent nobody knows whether a name with a slash is one of a tenant: most are.
                tenant, _, rest = name.partition("/")
                yield Account(kind, rest, tenant, month) if tenant and rest else Account(kind, name, month=month)


def _whose(account: Account) -> str:
    return f"{account.tenant}/{account.name}" if account.tenant else account.name


def _states(accounts: Mapping[Account, Held], budgets: BudgetSettings) -> list[AccountState]:
    from unified_api.ledger import dollars

    states = []
    for account, held in accounts.items():
        cap = budgets.cap(account.kind, account.name, tenant=account.tenant)
        spent, reserved = dollars(held.spent), dollars(held.held)
        states.append(
            AccountState(
                kind=account.kind,
                name=account.name,
                tenant=account.tenant,
                month=account.month or None,
                cap_usd=cap,
                spent_usd=spent,
                held_usd=reserved,
                left_usd=None if cap is None else max(cap - spent - reserved, Decimal(0)),
            )
        )
    order = ("user", "key", "tag", "run")
    return sorted(states, key=lambda one: (order.index(one.kind), one.tenant, one.name))
