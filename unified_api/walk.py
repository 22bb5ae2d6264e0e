"""One call on its way from candidate to candidate: whom it asks next, and what became of those it asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf

from unified_api.call import AnyCall
from unified_api.clock import Clock
from unified_api.errors import (
    AttemptsExhaustedError,
    DeadlineExceededError,
    GatewayError,
    InvalidRequestError,
    ProviderError,
    RestingError,
    TimedOutError,
)
from unified_api.health import Health, Try
from unified_api.models import Model, Selection
from unified_api.routing.latency import Kind
from unified_api.routing.moves import CALM, Ask, Await, GiveUp, Move, Standing, Tried, next_move, pause
from unified_api.trail import Trail
from unified_api.types import Request

__all__ = ["Step", "Walk"]

_LEAST_HEARD = 20
"""Answers from which on a 95th percentile says something."""
_SLOWER = 1.25
"""How much slower than 95 % of its answers a model may be before it is left for another."""


@dataclass(slots=True, eq=False)
class Step:
    """One candidate that is asked."""

    index: int
    model: Model
    attempt: Try
    patience: float = inf
    """Seconds that its first word may be waited for, as others could still be asked in the time that is left then."""


class Walk:
    """Belongs to one call; decisions are `next_move`'s. Whatever becomes of a step has to be told, once."""

    def __init__(self, call: AnyCall, *, clock: Clock, random: Callable[[], float], health: Health) -> None:
        selection = call.trail.selection or Selection(())
        self.rules = selection.rules
        self._call = call
        self._policy = call.policy
        self._candidates = selection.candidates
        self._clock = clock
        self._random = random
        self._health = health
        self._tried: list[Tried] = []
        self._left_alone: Mapping[int, float] = {}
        self._passed_over: set[int] = set()

    async def next(self) -> Step | GatewayError:
        """Who is asked next, once the time for it has come; or how the call ends."""
        while True:
            now = self._clock.now()
            if now >= self._call.deadline:
                return self._too_late()
            standing = self._health.standing(self._candidates)
            self._left_alone = standing.resting
            move = self._move(self._tried, standing, now)
            if standing is not CALM:
                self._tell_passed_over(standing, move)
            if isinstance(move, GiveUp):
                if move.unpaid and await self._is_paid_on():
                    continue
                return self._final_error(move, standing, now)
            if isinstance(move, Await):
                resting = [self._candidates[index] for index in move.indexes]
                await self._health.change(resting, move.delay, deadline=self._call.deadline)
            elif move.delay:
                await self._clock.sleep(move.delay)
            elif (step := self._step(move.index, now)) is not None:
                return step

    async def _is_paid_on(self) -> bool:
        """Whether there is room for one more try than was allowed so far."""
        most, ask = self._policy.max_billable, self._call.more
        if most is None or ask is None or not await ask():
            return False
        self._policy = replace(self._policy, max_billable=most + 1)
        return True

    def answered(self, step: Step) -> None:
        """Its answer, or the first content of its stream, is there."""
        self._health.answered(step.attempt, self._kind)

    def succeeded(self, step: Step) -> None:
        """Its answer was whole."""
        self._health.succeeded(step.attempt)

    def broke(self, step: Step, error: GatewayError) -> None:
        """Its answer broke off after it had begun."""
        self._health.failed(step.attempt, error)

    def left(self, step: Step) -> None:
        """Its answer was not read to its end."""
        self._health.let_go(step.attempt)

    def rejected(self, step: Step) -> None:
        """Its answer is not good enough."""
        self._tried.append(Tried(step.index, None))

    def failed(self, step: Step, error: GatewayError) -> None:
        """It gave no answer."""
        now, trail = self._clock.now(), self._call.trail
        self._health.failed(step.attempt, error)
        trail.failed(step.model, error, now - step.attempt.begun)
        if isinstance(error, TimedOutError) and now - step.attempt.begun >= step.patience:
            error.message += "; the time that is left to the call's deadline was kept for other models"
            error.args = (error.message,)
        if isinstance(error, ProviderError):
            wait = pause(self._tried, step.index, error, jitter=self._random())
            self._tried.append(Tried(step.index, error, now + wait))
            return
        error.provider = error.provider or step.model.provider
        error.model = error.model or step.model.id

    def cancelled(self, step: Step) -> None:
        """Nobody waits for its answer any longer."""
        self._health.let_go(step.attempt)
        self._call.trail.cancelled(step.model, self._clock.now() - step.attempt.begun)
        slower = TimedOutError("another model was faster", provider=step.model.provider, model=step.model.id)
        self._tried.append(Tried(step.index, slower))

    @property
    def may_hedge(self) -> bool:
        """Whether two may be asked at once. Built-in tools act while they answer, so they are not run twice."""
        policy, request = self._call.policy, self._call.request
        wanted = self.rules.hedge if policy.hedge is None else policy.hedge
        if not wanted or len(self._candidates) < 2 or not policy.fallback:
            return False
        return not (isinstance(request, Request) and request.builtin_tools)

    def is_slow_after(self, step: Step) -> float | None:
        """Seconds after which 95 % of its latest answers had come; None where too little is known."""
        return self._health.seconds(step.model, self._kind, share=0.95, least=_LEAST_HEARD)

    def beside(self, step: Step) -> Step | None:
        """Who may be asked too while `step` is slow: the next free candidate, but no last resort."""
        now, standing = self._clock.now(), self._health.standing(self._candidates)
        move = self._move([*self._tried, Tried(step.index, _SLOW)], standing, now)
        if not isinstance(move, Ask) or move.delay or move.index in standing.dead:
            return None
        if self._candidates[move.index].id in self.rules.last_resort:
            return None
        return self._step(move.index, now)

    @property
    def _kind(self) -> Kind:
        return "first_content" if self._call.operation == "stream" else "whole"

    def _move(self, tried: list[Tried], standing: Standing, now: float) -> Move:
        return next_move(
            self._candidates,
            tried,
            self._policy,
            now=now,
            deadline=self._call.deadline,
            rules=self.rules,
            standing=standing,
        )

    def _step(self, index: int, now: float) -> Step | None:
        model = self._candidates[index]
        attempt = self._health.admit(model, now)
        return None if attempt is None else Step(index, model, attempt, self._patience(index, now))

    def _patience(self, index: int, now: float) -> float:
        """Half of the time that is left, or what is usual for the model where that is more, while others are free."""
        asked = {one.index for one in self._tried} | {index}
        if not self._call.policy.fallback or len(self._tried) + 1 >= self._call.policy.max_attempts:
            return inf
        if all(other in asked or other in self._left_alone for other in range(len(self._candidates))):
            return inf
        half = (self._call.deadline - now) / 2
        usual = self._health.seconds(self._candidates[index], self._kind, share=0.95, least=_LEAST_HEARD)
        return max(half, _SLOWER * (usual or 0.0))

    def _tell_passed_over(self, standing: Standing, move: Move) -> None:
        """Put on the trail, once, whoever would have been asked before and is not."""
        candidates = self._candidates
        asks = isinstance(move, Ask)
        considered = len(candidates) if self._call.policy.fallback else 1
        tried = {one.index for one in self._tried} if asks else set()
        for index in range(move.index if isinstance(move, Ask) else considered):
            if index in self._passed_over or index in tried:
                continue
            model = candidates[index]
            if index in standing.resting:
                self._call.trail.skipped(model, "breaker_open", self._health.why_resting(model))
            elif index in standing.dead and asks:
                self._call.trail.skipped(model, "key_refused", self._health.why_dead(model))
            else:
                continue
            self._passed_over.add(index)

    def _too_late(self) -> DeadlineExceededError:
        error = DeadlineExceededError(
            "the deadline of the call passed before an answer came; allow more with deadline_s"
        )
        error.billable = any(one.error is not None and one.error.billable for one in self._tried)
        if self._tried:
            error.__cause__ = self._tried[-1].error
        return error

    def _final_error(self, move: GiveUp, standing: Standing, now: float) -> GatewayError:
        """The failure itself where it stands alone or is the request's own fault; else one that tells them all."""
        errors = [one.error for one in self._tried if one.error is not None]
        if not errors:
            return self._resting(standing, now)
        last = errors[-1]
        if move.unpaid and len(errors) == 1:
            last.message += f"; nobody else was asked, as {move.reason}"
            last.args = (last.message,)
        if len(errors) == 1 or (isinstance(last, InvalidRequestError) and not last.fallback):
            return last
        told = f"{move.reason}:\n{_lines(self._call.trail)}"
        error = AttemptsExhaustedError(told, provider=last.provider, model=last.model)
        error.__cause__ = last
        return error

    def _resting(self, standing: Standing, now: float) -> RestingError:
        """Nobody was asked."""
        names = tuple(self._candidates[index].id for index in sorted(standing.resting))
        wait = max(min(standing.resting.values(), default=now) - now, 0.0)
        left = max(self._call.deadline - now, 0.0)
        message = (
            f"every deployment that may serve is left alone just now, and the deadline is in {left:.1f} s:\n"
            f"{_lines(self._call.trail)}\nCall again in {wait:.0f} s, or name further models in the route."
        )
        return RestingError(message, retry_after=wait, resting=names)


_SLOW = TimedOutError("slow")


def _lines(trail: Trail) -> str:
    counts = Counter(f"{one.model}: {one.message}" for one in trail.records if one.number or one.outcome == "skipped")
    return "\n".join(f"  {line}" + (f" ({times} times)" if times > 1 else "") for line, times in counts.items())
