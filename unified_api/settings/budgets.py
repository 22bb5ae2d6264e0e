"""`[budgets]`: what users, keys, tags and runs may spend."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints

from unified_api.settings.table import Table

__all__ = ["AccountKind", "BudgetSettings", "DefaultCaps", "MonthCap"]

AccountKind = Literal["user", "key", "tag", "run"]
_LEAST = Decimal("0.000001")
"""What money is counted in."""
_MOST = Decimal(1_000_000_000)


def _dollars(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number of US dollars")  # noqa: TRY004  # pydantic turns only ValueError into a fault
    amount = Decimal(str(value))
    if not amount.is_finite():
        raise ValueError("must be a finite number of US dollars; leave the key out where there is no cap")
    if amount == 0:
        raise ValueError(
            "a cap of zero is no budget: to forbid calls take the key away, to forbid paid models name in"
            " `policy.allow` those that are free; leave the key out where there is no cap"
        )
    if not _LEAST <= amount <= _MOST:
        raise ValueError(f"must be from {_LEAST:f} to {_MOST:,f} US dollars")
    return amount


_Dollars: TypeAlias = Annotated[Decimal, BeforeValidator(_dollars)]
_Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class DefaultCaps(Table):
    """`[budgets.default]`: the caps of everybody and everything that has no table of its own, each on its own."""

    per_user_month_usd: _Dollars | None = None
    """What one user may spend in a month, in US dollars; months are those of UTC."""
    per_key_month_usd: _Dollars | None = None
    """What may be spent in a month with one key."""
    per_tag_month_usd: _Dollars | None = None
    """What all calls with the same tag may spend in a month together."""
    per_run_usd: _Dollars | None = None
    """What one run may spend, however long it takes and however often it is resumed."""


class MonthCap(Table):
    """`[budgets.users.NAME]`, `[budgets.keys.NAME]` and `[budgets.tags.NAME]`."""

    month_usd: _Dollars
    """The cap of this one, instead of the default."""


class BudgetSettings(Table):
    """`[budgets]`."""

    default: DefaultCaps = DefaultCaps()
    """The caps of whoever is not named below."""
    users: Mapping[_Name, MonthCap] = Field(default={})
    """User -> cap; `tenant/user` where a user of one tenant is meant."""
    keys: Mapping[_Name, MonthCap] = Field(default={})
    """Name of a key -> cap."""
    tags: Mapping[_Name, MonthCap] = Field(default={})
    """Tag -> cap."""
    ledger_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable with the address of the ledger, such as
    `postgresql://user:password@host/database`; without it the ledger is `budgets.sqlite` in the data folder."""
    lease_s: Annotated[float, Field(ge=10, le=86_400)] = 900.0
    """Seconds after which a reservation is given back when nobody settled it, as after a crash; never less than its
    call has left to its deadline, and a minute."""
    wait_s: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """Seconds that a call waits at most for room which other calls hold and may not use; 0 refuses at once."""

    @property
    def capped(self) -> bool:
        """Whether any cap is set, without which there is nothing to keep."""
        return bool(self.users or self.keys or self.tags) or self.default != DefaultCaps()

    def cap(self, kind: AccountKind, name: str, *, tenant: str = "") -> Decimal | None:
        """What `name` may spend in US dollars; None without a cap."""
        if kind == "run":
            return self.default.per_run_usd
        named, default = {
            "user": (self.users, self.default.per_user_month_usd),
            "key": (self.keys, self.default.per_key_month_usd),
            "tag": (self.tags, self.default.per_tag_month_usd),
        }[kind]
        own = (named.get(f"{tenant}/{name}") if tenant else None) or named.get(name)
        return own.month_usd if own is not None else default
