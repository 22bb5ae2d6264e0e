"""`[privacy]`: how personal data in requests is found, labelled and replaced."""

from __future__ import annotations

from unified_api.settings.table import Table

__all__ = ["PrivacySettings"]


class PrivacySettings(Table):
    """`[privacy]`."""
