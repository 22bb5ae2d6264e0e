"""What to do next in a call: ask a candidate, wait for one, or give up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from math import inf
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
from unified_api.models import Model, RouteRules
from unified_api.types import Policy

__all__ = ["CALM", "Ask", "Await", "GiveUp", "Move", "Standing", "Tried", "next_move", "pause"]

BACKOFF_S = 0.5
"""Upper bound of the first wait; doubles with each retry of the same deployment."""
BACKOFF_CAP_S = 20.0
_AT_ONCE_S = 0.001
"""A wait that is not worth it: clocks wake a little early."""


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that did not serve: which candidate, and how it failed."""

    index: int
    error: ProviderError | None
    """None: it answered, and the answer was rejected."""
    ready: float = 0.0
    """When the same candidate may be asked again, where that is of use."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Which candidates are better left alone just now, by their index."""

    resting: Mapping[int, float] = field(default_factory=dict)
    """Those whose breaker is open, and when it may let a call through; a time that has come: when its probe ends."""
    dead: AbstractSet[int] = frozenset()
    """Those whose credential was refused: they are asked last."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the candidate at `index` after `delay` seconds."""

    index: int
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Await:
    """Decide anew after `delay` seconds, or when the probe of one of `indexes` ends: all that are left are resting."""

    indexes: tuple[int, ...]
    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No move is left; `reason` completes the sentence "the call failed: ..."."""

    reason: str
    unpaid: bool = False
    """Whether there might be a move if one more try could be paid for."""


Move: TypeAlias = Ask | Await | GiveUp
CALM = Standing()
"""Nobody is to be left alone: the usual case, told by identity."""
_PLAIN = RouteRules()


def pause(tried: Sequence[Tried], index: int, error: ProviderError, *, jitter: float) -> float:
    """Seconds before the candidate that has just failed may be asked again; `jitter` is a random number in [0, 1).

    Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), on top of what the provider asked for.
    """
    if error.retry_after is not None:
        return max(error.retry_after, 0.0) + jitter * BACKOFF_S
    before = sum(1 for one in tried if one.index == index)
    return jitter * min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** min(before, 16))


def next_move(
    candidates: Sequence[Model],
    tried: Sequence[Tried],
    policy: Policy,
    *,
    now: float,
    deadline: float,
    rules: RouteRules = _PLAIN,
    standing: Standing = CALM,
) -> Move:
    """Decide by what was tried and who is resting. A free candidate is asked at once; one that failed, after a wait."""
    if not tried and standing is CALM and not rules.last_resort:
        return Ask(0)
    ended = _ended(tried, policy, standing) if tried else None
    if ended is not None:
        return ended
    state = _State(candidates=candidates, tried=tried, policy=policy, rules=rules, standing=standing, now=now)
    options = sorted(state.options())
    for rank, delay, index in options:
        if rank != _RESTING and delay <= _AT_ONCE_S:
            return Ask(index)
        if delay < deadline - now:
            return _awaited(options) if rank == _RESTING else Ask(index, delay)
    if not options:
        return GiveUp("no other deployment may be asked")
    soonest, left = min(delay for _, delay, _ in options), max(deadline - now, 0.0)
    return GiveUp(f"the next try would come after {soonest:.1f} s, and the deadline is in {left:.1f} s")


def _ended(tried: Sequence[Tried], policy: Policy, standing: Standing) -> Move | None:
    """What follows whoever else there is."""
    if len(tried) >= policy.max_attempts:
        return GiveUp(f"all {policy.max_attempts} permitted attempts failed")
    billable = sum(one.error is None or one.error.billable for one in tried)
    if policy.max_billable is not None and billable >= policy.max_billable:
        return GiveUp("a further attempt might cost more than the budget has left", unpaid=True)
    last = tried[-1]
    if last.error is None:
        return None
    if isinstance(last.error, _MENDED) and last.index not in standing.resting:
        return Ask(last.index)
    return None if last.error.fallback or last.error.retryable else GiveUp("the request itself is at fault")


def _awaited(options: Sequence[tuple[int, float, int]]) -> Await:
    resting = [(delay, index) for rank, delay, index in options if rank == _RESTING]
    return Await(tuple(index for _, index in resting), min((delay for delay, _ in resting if delay > 0), default=inf))


_FREE, _AGAIN, _LAST_RESORT, _LAST_RESORT_AGAIN, _DEAD, _RESTING, _RATHER_NOT = range(7)
"""In the order of preference. A resting candidate is waited for where nobody else can be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The facts of one decision."""

    candidates: Sequence[Model]
    tried: Sequence[Tried]
    policy: Policy
    rules: RouteRules
    standing: Standing
    now: float

    def options(self) -> Iterator[tuple[int, float, int]]:
        """Rank, seconds to wait and index of every candidate that may still be asked in this call."""
        latest = {one.index: one for one in self.tried}
        for index in range(len(self.candidates)) if self.policy.fallback else (0,):
            last = latest.get(index)
            if last is not None and (last.error is None or not last.error.retryable):
                continue
            if any(self._rules_out(one, index, again=last is not None) for one in latest.values()):
                continue
            ready = self.now if last is None else last.ready
            opening = self.standing.resting.get(index)
            if opening is None:
                yield self._rank(index, again=last is not None), ready - self.now, index
            else:
                yield _RESTING, max(opening, ready) - self.now, index

    def _rank(self, index: int, *, again: bool) -> int:
        # The last attempt is the last resort's, or it would never have one.
        is_last_attempt = len(self.tried) == self.policy.max_attempts - 1
        if index in self.standing.dead:
            return _RATHER_NOT if is_last_attempt else _DEAD
        if self.candidates[index].id in self.rules.last_resort:
            return _LAST_RESORT_AGAIN if again else _LAST_RESORT
        if not again:
            return _FREE
        return _LAST_RESORT_AGAIN if is_last_attempt else _AGAIN

    def _rules_out(self, one: Tried, index: int, *, again: bool) -> bool:
        """Whether what `one` met, the candidate at `index` would meet as well, or may not be asked after it."""
        if one.index == index:
            return False
        model, asked = self.candidates[index], self.candidates[one.index]
        if one.error is None:  # nothing is escalated to a last resort; it serves where who was asked instead failed
            return model.id in self.rules.last_resort and self.tried[-1].error is None
        if isinstance(one.error, ContextOverflowError):
            return not _is_longer(model, asked)
        if isinstance(one.error, ConnectionFailedError) and again:
            return False
        return isinstance(one.error, _PROVIDER_WIDE) and model.provider == asked.provider


_PROVIDER_WIDE = (AuthenticationError, QuotaError, ConnectionFailedError)
"""Failures that every model of the provider would share."""


_MENDED = (ParameterRefusedError, SchemaRefusedError)
"""Failures after which the same deployment is asked for something else, which needs no wait."""


def _is_longer(model: Model, than: Model) -> bool:
    return model.context is None or than.context is None or model.context > than.context
