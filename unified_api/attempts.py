"""The attempt engine: the only place that loops over candidates, for chat, streams, embeddings and images alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Generic, TypeVar

from unified_api.call import AnyCall
from unified_api.clock import Clock
from unified_api.errors import (
    AttemptsExhaustedError,
    DeadlineExceededError,
    GatewayError,
    InvalidRequestError,
    ProviderError,
)
from unified_api.models import Escalation, Model, Selection
from unified_api.routing.moves import Ask as AskMove
from unified_api.routing.moves import GiveUp, Tried, next_move, pause
from unified_api.trail import Trail

__all__ = ["Ask", "Attempts", "Judge", "Judged", "Won", "bounded"]

Result = TypeVar("Result")
Ask = Callable[[Model, float], AbstractAsyncContextManager[Result]]
"""Asks one model; the second argument is the deadline, in the clock's seconds. Entering it succeeds or fails; what it
gives stays open until it is left."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What an evaluator says of an answer."""

    confidence: float | None
    """From 0 to 1; None: it was not judged, and is taken as it is."""
    cost: Decimal | None = None
    """What the judged answer cost, not the judging; None is unknown."""


Judge = Callable[[Model, Result], Awaitable[Judged]]
"""How good the answer of a model is. It is asked only where the route has an escalation, and after the ask was left."""


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


class Attempts:
    """Walks the route of one call. Decisions are `next_move`'s; here are only the clock and the waiting."""

    def __init__(self, *, clock: Clock, random: Callable[[], float]) -> None:
        self._clock = clock
        self._random = random

    @asynccontextmanager
    async def first(
        self, call: AnyCall, ask: Ask[Result], judge: Judge[Result] | None = None
    ) -> AsyncIterator[Won[Result]]:
        """The first success, kept open for as long as the block lasts; what fails inside the block is not retried.

        Where the route has an escalation and `judge` is given, answers below its threshold are rejected and the next
        candidate is asked; the best of them serves where nobody gives a better one. A judged answer is used after its
        ask was left, so it must be whole. The last one's answer is not judged: nobody is left to do better.

        Raises:
            ProviderError: the only try, or one that no other try could mend.
            AttemptsExhaustedError: all permitted tries failed.
            DeadlineExceededError: the deadline passed.

        """
        selection = call.trail.selection or Selection(())
        candidates, rules, trail = selection.candidates, selection.rules, call.trail
        tried: list[Tried] = []
        best: Won[Result] | None = None
        while True:
            now = self._clock.now()
            move = next_move(candidates, tried, call.policy, now=now, deadline=call.deadline, rules=rules)
            if not isinstance(move, AskMove):
                if best is not None:
                    break
                raise _final_error(tried, move.reason if isinstance(move, GiveUp) else "", trail) from tried[-1].error
            if move.delay:
                await self._clock.sleep(move.delay)
                continue
            model = candidates[move.index]
            started = self._clock.now()
            async with AsyncExitStack() as stack:
                try:
                    result = await stack.enter_async_context(ask(model, call.deadline))
                except ProviderError as error:
                    failed = self._clock.now()
                    trail.failed(model, error, failed - started)
                    wait = pause(tried, move.index, error, jitter=self._random())
                    tried.append(Tried(move.index, error, failed + wait))
                    continue
                except GatewayError as error:
                    trail.failed(model, error, self._clock.now() - started)
                    if best is not None:
                        break
                    error.attempts = trail.story
                    error.provider = error.provider or model.provider
                    error.model = error.model or model.id
                    raise
                if rules.escalation is None or judge is None or not selection.is_judged(model):
                    yield Won(model, result, started)
                    return
            won = await self._judged(call, Won(model, result, started), judge, rules.escalation)
            if not won.rejected:
                yield won
                return
            tried.append(Tried(move.index, None))
            if best is None or (won.confidence or 0.0) > (best.confidence or 0.0):
                best = won
        trail.noted("routing", "best_rejected", f"no better answer came than that of {best.model.id}, so it serves")
        yield best

    async def _judged(
        self, call: AnyCall, won: Won[Result], judge: Judge[Result], escalation: Escalation
    ) -> Won[Result]:
        """With its confidence; where that is too low, rejected and told so to the trail."""
        seconds = self._clock.now() - won.started
        judged = Judged(None)
        with self._clock.scope(call.deadline):
            judged = await judge(won.model, won.result)
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


def _final_error(tried: list[Tried], reason: str, trail: Trail) -> GatewayError:
    """The failure itself where it stands alone or is the request's own fault; else one error that tells them all."""
    errors = [one.error for one in tried if one.error is not None]
    last = errors[-1]
    if len(errors) == 1 or (isinstance(last, InvalidRequestError) and not last.fallback):
        last.attempts = trail.story
        return last
    counts = Counter(f"{one.model}: {one.message}" for one in trail.records if one.number or one.outcome == "skipped")
    lines = "\n".join(f"  {line}" + (f" ({times} times)" if times > 1 else "") for line, times in counts.items())
    return AttemptsExhaustedError(f"{reason}:\n{lines}", provider=last.provider, model=last.model, attempts=trail.story)
