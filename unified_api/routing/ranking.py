"""What is preferred among the models that may serve a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from math import inf, log1p

from unified_api.models import Dropped, Model, Selection
from unified_api.types import Tier

__all__ = ["at_most", "by_cost", "by_latency", "by_quality", "by_weight", "chance_of", "rank"]

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


def by_cost(models: Iterable[Model], cost: Callable[[Model], float | None]) -> tuple[Model, ...]:
    """The cheapest first, those of unknown price last; equals in their order."""

    def key(model: Model) -> float:
        dollars = cost(model)
        return inf if dollars is None else dollars

    return tuple(sorted(models, key=key))


def by_latency(models: Iterable[Model], seconds: Callable[[Model], float | None]) -> tuple[Model, ...]:
    """The fastest first. One that was never measured is tried before them, in its order, so that it gets measured."""

    def key(model: Model) -> float:
        measured = seconds(model)
        return -inf if measured is None else measured

    return tuple(sorted(models, key=key))


def by_quality(models: Iterable[Model]) -> tuple[Model, ...]:
    """The highest tier first, those without one last; equals in their order."""
    return tuple(sorted(models, key=lambda one: -1 if one.tier is None else _LEVELS[one.tier], reverse=True))


def by_weight(
    models: Iterable[Model], weights: Mapping[str, float], chance: Callable[[Model], float]
) -> tuple[Model, ...]:
    """In an order of chance in which each is first as often as its share of the weights says, and so on down the list.

    `chance` gives a number in [0, 1) for each. What one model of the same caller always gets the same number for keeps
    its place when others come and go (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
    """
    return tuple(sorted(models, key=lambda one: -log1p(-chance(one)) / weights[one.id]))


def chance_of(caller: str, model: Model) -> float:
    """A number in [0, 1), the same for the same caller and model on every machine, and otherwise any."""
    digest = blake2b(f"{caller}\0{model.id}".encode("utf-8", "replace"), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def _level(model: Model, wanted: int) -> int:
    return wanted if model.tier is None else _LEVELS[model.tier]
