"""`[safety]`: what looks at answers before their reader does."""

from __future__ import annotations

from unified_api.settings.table import Table

__all__ = ["SafetySettings"]


class SafetySettings(Table):
    """`[safety]`."""
