"""`[record]`: what is told of each call, and to whom."""

from __future__ import annotations

from unified_api.settings.table import Table

__all__ = ["RecordSettings"]


class RecordSettings(Table):
    """`[record]`."""
