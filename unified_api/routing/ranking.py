"""What is preferred among the models that may serve `auto`."""

from __future__ import annotations

from collections.abc import Iterable

from unified_api.models import Dropped, Model, Selection
from unified_api.types import Tier

__all__ = ["at_most", "rank"]

_LEVELS: dict[Tier, int] = {"economy": 0, "standard": 1, "premium": 2}


def rank(models: Iterable[Model], tier: Tier | None) -> tuple[Model, ...]:
    """Real models before stand-ins, remote before in-process, then by nearness to `tier` (default `standard`).

    A model without a tier, such as one of a local server, counts as the tier asked for. Of two equally near tiers
    the lower one comes first. Inside a tier the given order stands: the user's own providers, then the rows'.
    """
    wanted = _LEVELS[tier or "standard"]

    def key(model: Model) -> tuple[bool, bool, int, int]:
        level = _level(model, wanted)
        return model.quality is not None, model.wire == "local", abs(level - wanted), level

    return tuple(sorted(models, key=key))


def at_most(selection: Selection, tier: Tier | None) -> Selection:
    """Without the models of dearer tiers than `tier`, so that a fallback never costs more than what was asked for.

    Where only dearer ones can serve, those of the lowest tier there is stay.
    """
    wanted = _LEVELS[tier or "standard"]
    levels = [_level(model, wanted) for model in selection.candidates]
    ceiling = max(wanted, min(levels, default=wanted))
    dearer = [model for model in selection.candidates if _level(model, wanted) > ceiling]
    dropped = [Dropped(one.id, "dearer_tier", f"{one.tier}, where less was asked for and can serve") for one in dearer]
    kept = tuple(model for model in selection.candidates if _level(model, wanted) <= ceiling)
    return Selection(kept, (*selection.dropped, *dropped))


def _level(model: Model, wanted: int) -> int:
    return wanted if model.tier is None else _LEVELS[model.tier]
