"""What must hold for a model to be asked; every call, retry and fallback goes by the same filters."""

from __future__ import annotations

from collections.abc import Iterable

from unified_api.models import Dropped, Model, Requirements, Selection

__all__ = ["CLEARANCES", "HINTS", "drop", "select"]

CLEARANCES = ("public", "internal", "confidential", "restricted")
"""From least to most sensitive."""

HINTS = frozenset({
    "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "user", "metadata",
    "parallel_tool_calls", "reasoning_effort", "reasoning_budget", "show_reasoning", "purpose",
})  # fmt: skip
"""Fields that shade an answer without changing what it is. Where the router chose the model, the gateway leaves out
the ones it refuses and says so in the response's `dropped`; a model that the caller named is taken at its word."""


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
    if CLEARANCES.index(requirements.sensitivity) > CLEARANCES.index(model.data_policy.clearance):
        reason = f"is cleared for {model.data_policy.clearance} data, and this is {requirements.sensitivity}"
        return Dropped(model.id, "insufficient_clearance", reason)
    problem = _misfit(model, requirements, named=named)
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
