"""The lattice of labels: what may be shown to whom."""

from __future__ import annotations

from typing import get_args

from unified_api.types.common import Sensitivity

__all__ = ["SENSITIVITIES", "cleared", "most_sensitive"]

SENSITIVITIES: tuple[Sensitivity, ...] = get_args(Sensitivity)
"""From least to most sensitive."""
_LEVELS = {label: level for level, label in enumerate(SENSITIVITIES)}


def cleared(recipient: Sensitivity, sensitivity: Sensitivity) -> bool:
    """Whether who is cleared so far (a provider, a cache, a classifier, a log) may be shown what is so labelled."""
    return _LEVELS[sensitivity] <= _LEVELS[recipient]


def most_sensitive(first: Sensitivity, *others: Sensitivity | None) -> Sensitivity:
    """The highest of the labels; None says nothing."""
    return max((first, *(label for label in others if label is not None)), key=_LEVELS.__getitem__)
