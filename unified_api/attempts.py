"""The attempt engine: the only place that loops over candidates, for chat, streams, embeddings and images alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Generic, TypeVar

from unified_api.call import AnyCall
from unified_api.clock import Clock
from unified_api.errors import DeadlineExceededError, GatewayError, ProviderError
from unified_api.health import Health
from unified_api.hedging import Allowance, Entrant, race
from unified_api.models import Escalation, Model, Selection
from unified_api.walk import Step, Walk

__all__ = ["Ask", "Attempts", "Judge", "Judged", "Won", "bounded"]

Result = TypeVar("Result")
Ask = Callable[[Model, float, float], AbstractAsyncContextManager[Result]]
"""Asks one model; the further arguments are the deadline, in the clock's seconds, and how many seconds its first word
may be waited for at most. Entering it succeeds or fails; what it gives stays open until it is left."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What an evaluator says of an answer."""

    confidence: float | None
    """From 0 to 1; None: it was not judged, and is taken as it is."""
    cost: Decimal | None = None
    """What the judged answer cost, not the judging; None is unknown."""


Judge = Callable[[Model, Result], Awaitable[Judged]]
"""How good the answer of a model is. It is asked only where the route has an escalation."""


@dataclass(frozen=True, slots=True)
class Won(Generic[Result]):
    """The ask that serves the call."""

    model: Model
    result: Result
    started: float
    """When this last attempt began, in the clock's seconds."""
    confidence: float | None = None
    """How good it was judged to be."""
    rejected: bool = False
    """Whether it was judged too bad, and is the best there is all the same. The trail tells of it already."""
    broke: Callable[[GatewayError], None] = field(default=lambda _: None, repr=False)
    """To be told inside the block when the answer broke off after it had begun."""
    left: Callable[[], None] = field(default=lambda: None, repr=False)
    """To be told inside the block when the answer was not read to its end."""


class Attempts:
    """Walks the routes of calls. Who is asked when is `Walk`'s to say; here they are asked."""

    def __init__(self, *, clock: Clock, random: Callable[[], float], health: Health) -> None:
        self._clock = clock
        self._random = random
        self._health = health
        self._hedges = Allowance()

    @asynccontextmanager
    async def first(
        self, call: AnyCall, ask: Ask[Result], judge: Judge[Result] | None = None
    ) -> AsyncIterator[Won[Result]]:
        """The first success, kept open for as long as the block lasts; what fails inside the block is not retried.

        Where the route has an escalation and `judge` is given, answers below its threshold are rejected and the next
        candidate is asked; the best of them serves where nobody gives a better one. Its ask is left by then, so what is
        judged must be whole. The last one's answer is not judged: nobody is left to do better. Where the call is
        hedged, a slow candidate is raced by the next one.

        Raises:
            ProviderError: the only try, or one that no other try could mend.
            AttemptsExhaustedError: all permitted tries failed.
            RestingError: nobody was asked, because all have failed too often lately.
            DeadlineExceededError: the deadline passed.

        """
        walk = Walk(call, clock=self._clock, random=self._random, health=self._health)
        selection = call.trail.selection or Selection(())
        escalation = None if judge is None else selection.rules.escalation
        best: Won[Result] | None = None
        hedged = walk.may_hedge
        if hedged:
            self._hedges.count()
        while True:
            step = await walk.next()
            if isinstance(step, GatewayError):
                break
            async with AsyncExitStack() as stack:
                opened = await self._opened(walk, step, ask, stack, deadline=call.deadline, hedged=hedged)
                if opened is None:
                    continue
                if isinstance(opened, GatewayError):
                    step = opened
                    break
                step, result = opened
                broke, left = partial(walk.broke, step), partial(walk.left, step)
                won = Won(step.model, result, step.attempt.begun, broke=broke, left=left)
                try:
                    if judge is not None and escalation is not None and selection.is_judged(step.model):
                        won = await self._judged(call, won, judge, escalation)
                    if not won.rejected:
                        yield won
                except BaseException:  # what is done to an answer that has begun is not its model's fault
                    walk.left(step)
                    raise
                walk.succeeded(step)
                if not won.rejected:
                    return
            walk.rejected(step)
            if best is None or (won.confidence or 0.0) > (best.confidence or 0.0):
                best = won
        if best is None:
            step.attempts = call.trail.story
            raise step
        why = f"no better answer came than that of {best.model.id}, so it serves"
        call.trail.noted("routing", "best_rejected", why)
        yield best

    async def _opened(
        self, walk: Walk, step: Step, ask: Ask[Result], stack: AsyncExitStack, *, deadline: float, hedged: bool
    ) -> tuple[Step, Result] | GatewayError | None:
        """Who answers and with what, open until `stack` is left; None where somebody else may be asked."""
        after = walk.is_slow_after(step) if hedged else None
        if after is not None:
            return await self._raced(walk, step, ask, stack, deadline=deadline, after=after)
        try:
            result = await stack.enter_async_context(ask(step.model, deadline, step.patience))
        except GatewayError as error:
            walk.failed(step, error)
            return None if isinstance(error, ProviderError) else error
        except BaseException:
            walk.cancelled(step)
            raise
        walk.answered(step)
        return step, result

    async def _raced(
        self, walk: Walk, step: Step, ask: Ask[Result], stack: AsyncExitStack, *, deadline: float, after: float
    ) -> tuple[Step, Result] | GatewayError | None:
        """The same, with the next candidate asked too where the first is slow."""
        steps: dict[Entrant[Result], Step] = {}

        def enter(one: Step) -> Entrant[Result]:
            failed, cancelled = partial(walk.failed, one), partial(walk.cancelled, one)
            entrant = Entrant(ask(one.model, deadline, one.patience), failed=failed, cancelled=cancelled)
            steps[entrant] = one
            return entrant

        def second() -> Entrant[Result] | None:
            beside = walk.beside(step) if self._hedges.has_room else None
            if beside is None:
                return None
            self._hedges.take()
            return enter(beside)

        try:
            won = await stack.enter_async_context(race(enter(step), second, after=after, clock=self._clock))
        except GatewayError as error:
            return error
        if won is None:
            return None
        entrant, result = won
        walk.answered(steps[entrant])
        return steps[entrant], result

    async def _judged(
        self, call: AnyCall, won: Won[Result], judge: Judge[Result], escalation: Escalation
    ) -> Won[Result]:
        """With its confidence; where that is too low, rejected and told so to the trail."""
        seconds = self._clock.now() - won.started
        judged = Judged(None)
        try:
            with self._clock.scope(call.deadline):
                judged = await judge(won.model, won.result)
        except BaseException:
            call.trail.cancelled(won.model, seconds)
            raise
        if judged.confidence is None or judged.confidence >= escalation.threshold:
            return replace(won, confidence=judged.confidence)
        why = f"{escalation.evaluator} gave it {judged.confidence:.2f}, and {escalation.threshold:g} is wanted"
        call.trail.tried(won.model, "rejected", seconds, message=why, cost=judged.cost, confidence=judged.confidence)
        return replace(won, confidence=judged.confidence, rejected=True)


async def bounded(clock: Clock, deadline: float, work: Callable[[], Awaitable[Result]]) -> Result:
    """The result of `work`, or DeadlineExceededError when `deadline` passes first."""
    with clock.scope(deadline):
        return await work()
    raise DeadlineExceededError("the deadline of the call passed before an answer came; allow more with deadline_s")
