"""`[budgets]`: what users, keys, tags and runs may spend."""

from __future__ import annotations

from unified_api.settings.table import Table

__all__ = ["BudgetSettings"]


class BudgetSettings(Table):
    """`[budgets]`."""
