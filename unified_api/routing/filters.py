"""What must hold for a model to be asked; every call, retry and fallback goes by the same filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import ROUND_UP, Decimal

from unified_api.models import Dropped, Model, Requirements, Selection
from unified_api.types import cleared

__all__ = ["HINTS", "at_most_usd", "drop", "meant", "region_named", "select"]

HINTS = frozenset({
    "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "user", "metadata",
    "parallel_tool_calls", "reasoning_effort", "reasoning_budget", "show_reasoning", "purpose",
})  # fmt: skip
"""Fields that shade an answer without changing what it is. Where the router chose the model, the gateway leaves out
the ones it refuses and says so in the response's `dropped`; a model that the caller named is taken at its word."""


_SHOWN = Decimal("0.000001")
"""Costs are told to the millionth of a dollar."""
_REGIONS = {
    "europe": "eu", "european union": "eu", "united states": "us", "usa": "us", "u.s.": "us",
    "united kingdom": "uk", "gb": "uk", "this machine": "local", "localhost": "local",
}  # fmt: skip
"""Other words for a region -> the one that we compare by."""


def select(models: Iterable[Model], requirements: Requirements, *, named: bool) -> Selection:
    """Divide `models`, in their order, into those that may serve and those that may not.

    `named` says that the caller chose the model. Otherwise an offline stand-in serves only where no real model can:
    a wrong key must not end in a demo model's answer.
    """
    candidates: list[Model] = []
    dropped: list[Dropped] = []
    for model in models:
        problem = drop(model, requirements, named=named)
        if problem is None:
            candidates.append(model)
        else:
            dropped.append(problem)
    if not named and any(model.quality is None for model in candidates):
        stand_ins = [model for model in candidates if model.quality is not None]
        dropped += [Dropped(m.id, "stand_in", "an offline stand-in, and a real model can serve") for m in stand_ins]
        candidates = [model for model in candidates if model.quality is None]
    return Selection(tuple(candidates), tuple(dropped))


def drop(model: Model, requirements: Requirements, *, named: bool) -> Dropped | None:
    """Why this model may not serve, or None."""
    lacking = requirements.needs - model.capabilities
    if lacking:
        return Dropped(model.id, "missing_capability", f"cannot do {_words(lacking)}")
    problem = _forbidden(model, requirements) or _misfit(model, requirements, named=named)
    if problem is not None:
        return problem
    if not model.ready:
        missing = model.missing or "something"
        is_key = missing.isidentifier()
        return Dropped(
            model.id,
            "no_credentials" if is_key else "not_ready",
            f"the environment variable {missing} is not set" if is_key else missing,
        )
    return None


def at_most_usd(
    models: Iterable[Model], ceiling: Decimal, worst: Callable[[Model], Decimal | None]
) -> tuple[list[Model], list[Dropped]]:
    """The models that cost at most `ceiling` US dollars at worst, and why the others do not serve."""
    kept: list[Model] = []
    dropped: list[Dropped] = []
    for model in models:
        cost = worst(model)
        if cost is None:
            dropped.append(
                Dropped(model.id, "unknown_price", f"its price is unknown, and at most ${ceiling} is allowed")
            )
        elif cost > ceiling:
            reason = f"may cost ${cost.quantize(_SHOWN, ROUND_UP)}, and at most ${ceiling} is allowed"
            dropped.append(Dropped(model.id, "too_dear", reason))
        else:
            kept.append(model)
    return kept, dropped


def meant(pattern: str, model: Model) -> bool:
    """Whether `provider/model` or `provider/*` means this model."""
    return pattern == model.id or (pattern.endswith("/*") and pattern[:-2] == model.provider)


def region_named(region: str) -> str:
    """The word for the region that ours are compared by: upper and lower case, and `europe` and `eu`, are the same."""
    plain = region.strip().casefold()
    return _REGIONS.get(plain, plain)


def _forbidden(model: Model, requirements: Requirements) -> Dropped | None:
    """What the caller does not allow: for its data, or by name."""
    policy = model.data_policy
    if not cleared(policy.clearance, requirements.sensitivity):
        reason = f"is cleared for {policy.clearance} data, and this is {requirements.sensitivity}"
        return Dropped(model.id, "insufficient_clearance", reason)
    if requirements.regions:
        where = None if policy.region is None else region_named(policy.region)
        if where not in {region_named(one) for one in requirements.regions}:
            said = "does not say where it works" if policy.region is None else f"works in {policy.region}"
            return Dropped(
                model.id, "other_region", f"{said}, and the data must stay in {_words(requirements.regions)}"
            )
    denied = next((one for one in sorted(requirements.deny) if meant(one, model)), None)
    if denied is not None:
        return Dropped(model.id, "denied", f"is denied by {denied!r}")
    if requirements.allow and not any(meant(one, model) for one in requirements.allow):
        return Dropped(model.id, "not_allowed", f"is none of those allowed ({_words(requirements.allow)})")
    return None


def _misfit(model: Model, requirements: Requirements, *, named: bool) -> Dropped | None:
    """What of the request the model cannot take."""
    refused = model.unsupported & requirements.parameters
    if not named:
        refused -= HINTS
    if refused:
        return Dropped(model.id, "unsupported_parameter", f"refuses {_words(refused)}; leave it out")
    foreign = requirements.tools_of - {model.provider}
    if foreign:
        return Dropped(model.id, "foreign_tool", f"has not the built-in tools of {_words(foreign)}")
    if model.context is not None and requirements.tokens > model.context:
        reason = f"holds {model.context:,} tokens, and the request has at least {requirements.tokens:,}"
        return Dropped(model.id, "context_too_small", reason)
    return None


def _words(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
