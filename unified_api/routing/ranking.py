"""What is preferred among the models that may serve `auto`."""

from __future__ import annotations

from collections.abc import Iterable

from unified_api.models import Model
from unified_api.types import Tier

__all__ = ["rank"]

_LEVELS: dict[Tier, int] = {"economy": 0, "standard": 1, "premium": 2}


def rank(models: Iterable[Model], tier: Tier | None) -> tuple[Model, ...]:
    """Real models before stand-ins, remote before in-process, then by nearness to `tier` (default `standard`).

    A model without a tier, such as one of a local server, counts as the tier asked for. Of two equally near tiers
    the cheaper one comes first. Inside a tier the given order stands: the user's own providers, then the rows'.
    """
    wanted = _LEVELS[tier or "standard"]

    def key(model: Model) -> tuple[bool, bool, int, int]:
        level = wanted if model.tier is None else _LEVELS[model.tier]
        return model.quality is not None, model.wire == "local", abs(level - wanted), level

    return tuple(sorted(models, key=key))
