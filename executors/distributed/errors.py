"""What goes wrong between machines."""

from __future__ import annotations

__all__ = ["DistributedError"]


class DistributedError(Exception):
    """The workers cannot do what is asked; the message says why and what to do."""
