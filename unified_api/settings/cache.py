"""`[cache]`: which answers are kept, and for how long."""

from __future__ import annotations

from unified_api.settings.table import Table

__all__ = ["CacheSettings"]


class CacheSettings(Table):
    """`[cache]`."""
