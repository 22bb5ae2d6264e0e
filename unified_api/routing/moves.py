"""What to do next in a call that has failed so far: ask again, ask another, or give up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from unified_api.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ContextOverflowError,
    ParameterRefusedError,
    ProviderError,
    QuotaError,
    SchemaRefusedError,
)
from unified_api.models import Model
from unified_api.types import Policy

__all__ = ["Ask", "GiveUp", "Move", "Tried", "next_move"]

BACKOFF_S = 0.5
"""Upper bound of the first wait; doubles with each retry of the same deployment."""
BACKOFF_CAP_S = 20.0
PATIENCE_S = 2.0
"""Longest wait for a deployment while another one is free to ask."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A failed attempt: which candidate, and how it failed."""

    index: int
    error: ProviderError


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the candidate at `index` after `delay` seconds."""

    index: int
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No move is left; `reason` completes the sentence "the call failed: ..."."""

    reason: str


Move: TypeAlias = Ask | GiveUp


def next_move(
    candidates: Sequence[Model], tried: Sequence[Tried], policy: Policy, *, remaining: float, jitter: float
) -> Move:
    """Decide by what was tried. `remaining` is seconds to the deadline, `jitter` a random number in [0, 1)."""
    if not tried:
        return Ask(0)
    spent = _spent(tried, policy)
    if spent is not None:
        return GiveUp(spent)
    return _onward(candidates, tried, policy, remaining=remaining, jitter=jitter)


def _onward(
    candidates: Sequence[Model], tried: Sequence[Tried], policy: Policy, *, remaining: float, jitter: float
) -> Move:
    if isinstance(tried[-1].error, _MENDED):
        return Ask(tried[-1].index)
    other = _other(candidates, tried, policy)
    wait = _retry_wait(tried, jitter)
    if wait is not None and wait < remaining and (other is None or _worth_waiting(tried, wait)):
        return Ask(tried[-1].index, wait)
    if other is not None:
        return Ask(other)
    if wait is not None:
        return GiveUp(f"the next try would come after {wait:.1f} s, and the deadline is in {max(remaining, 0):.1f} s")
    return GiveUp("no other deployment may be asked")


def _spent(tried: Sequence[Tried], policy: Policy) -> str | None:
    """Which allowance of attempts is used up, if one is."""
    if len(tried) >= policy.max_attempts:
        return f"all {policy.max_attempts} permitted attempts failed"
    if policy.max_billable is not None and sum(one.error.billable for one in tried) >= policy.max_billable:
        return "a further attempt might cost more than the budget has left"
    return None


def _worth_waiting(tried: Sequence[Tried], wait: float) -> bool:
    """While another deployment is free, the same one gets one short second chance."""
    return wait <= PATIENCE_S and _tries_of_last(tried) == 1


def _tries_of_last(tried: Sequence[Tried]) -> int:
    return sum(1 for one in tried if one.index == tried[-1].index)


def _retry_wait(tried: Sequence[Tried], jitter: float) -> float | None:
    """Seconds before the same deployment may be asked again, or None when that is of no use.

    Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), on top of what the provider asked for.
    """
    error = tried[-1].error
    if not error.retryable:
        return None
    backoff: float = jitter * min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** (_tries_of_last(tried) - 1))
    if error.retry_after is None:
        return backoff
    return max(error.retry_after, 0.0) + jitter * BACKOFF_S


def _other(candidates: Sequence[Model], tried: Sequence[Tried], policy: Policy) -> int | None:
    """The next candidate in the route's order that the last failure does not rule out as well."""
    last = tried[-1]
    if not (policy.fallback and last.error.fallback):
        return None
    dead = {candidates[one.index].provider for one in tried if isinstance(one.error, _PROVIDER_WIDE)}
    asked = {one.index for one in tried}
    for index, model in enumerate(candidates):
        if index in asked or model.provider in dead:
            continue
        if isinstance(last.error, ContextOverflowError) and not _is_longer(model, candidates[last.index]):
            continue
        return index
    return None


_PROVIDER_WIDE = (AuthenticationError, QuotaError, ConnectionFailedError)
"""Failures that every model of the provider would share."""


_MENDED = (ParameterRefusedError, SchemaRefusedError)
"""Failures after which the same deployment is asked for something else, which needs no wait."""


def _is_longer(model: Model, than: Model) -> bool:
    return model.context is None or than.context is None or model.context > than.context
