"""The attempt engine: the only place that loops over candidates, for chat, streams, embeddings and images alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Generic, TypeVar

from unified_api.call import AnyCall
from unified_api.clock import Clock
from unified_api.errors import (
    AttemptsExhaustedError,
    DeadlineExceededError,
    GatewayError,
    InvalidRequestError,
    ProviderError,
    RestingError,
)
from unified_api.health import Health, Try
from unified_api.models import Escalation, Model, Selection
from unified_api.routing.latency import Kind
from unified_api.routing.moves import CALM, Await, GiveUp, Move, Standing, Tried, next_move, pause
from unified_api.routing.moves import Ask as AskMove
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
    broke: Callable[[GatewayError], None] = field(default=lambda _: None, repr=False)
    """To be told inside the block when the answer broke off after it had begun."""


@dataclass(slots=True)
class _Walk(Generic[Result]):
    """How far one call has come on its route."""

    call: AnyCall
    selection: Selection
    tried: list[Tried] = field(default_factory=list)
    best: Won[Result] | None = None
    """Of the answers that were rejected."""
    passed_over: set[int] = field(default_factory=set)

    @property
    def kind(self) -> Kind:
        return "first_content" if self.call.operation == "stream" else "whole"


class Attempts:
    """Walks the routes of calls. Decisions are `next_move`'s; here are only the clock and the waiting."""

    def __init__(self, *, clock: Clock, random: Callable[[], float], health: Health) -> None:
        self._clock = clock
        self._random = random
        self._health = health

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
            RestingError: nobody was asked, because all have failed too often lately.
            DeadlineExceededError: the deadline passed.

        """
        walk: _Walk[Result] = _Walk(call, call.trail.selection or Selection(()))
        while True:
            found = await self._next(walk)
            if isinstance(found, GatewayError):
                break
            index, attempt = found
            model = walk.selection.candidates[index]
            async with AsyncExitStack() as stack:
                try:
                    result = await stack.enter_async_context(ask(model, call.deadline))
                except ProviderError as error:
                    self._failed(walk, index, attempt, error)
                    continue
                except GatewayError as error:
                    found = self._ended(walk, model, attempt, error)
                    break
                except BaseException:
                    self._cancelled(walk, model, attempt)
                    raise
                self._health.answered(attempt, walk.kind)
                won = Won(model, result, attempt.begun, broke=partial(self._health.failed, attempt))
                escalation = walk.selection.rules.escalation
                if escalation is None or judge is None or not walk.selection.is_judged(model):
                    with self._heard(attempt):
                        yield won
                    return
            self._health.succeeded(attempt)
            won = await self._judged(call, won, judge, escalation)
            if not won.rejected:
                yield won
                return
            walk.tried.append(Tried(index, None))
            if walk.best is None or (won.confidence or 0.0) > (walk.best.confidence or 0.0):
                walk.best = won
        if walk.best is None:
            raise found
        name = walk.best.model.id
        call.trail.noted("routing", "best_rejected", f"no better answer came than that of {name}, so it serves")
        yield walk.best

    async def _next(self, walk: _Walk[Result]) -> tuple[int, Try] | GatewayError:
        """Who is asked next, once the time for it has come; or how the call ends."""
        candidates, call, health = walk.selection.candidates, walk.call, self._health
        while True:
            now = self._clock.now()
            if now >= call.deadline:
                return _too_late(walk)
            standing = health.standing(candidates)
            move = next_move(
                candidates,
                walk.tried,
                call.policy,
                now=now,
                deadline=call.deadline,
                rules=walk.selection.rules,
                standing=standing,
            )
            if standing is not CALM:
                self._tell_passed_over(walk, standing, move)
            if isinstance(move, GiveUp):
                return _final_error(walk, move, standing, now)
            if isinstance(move, Await):
                resting = [candidates[index] for index in move.indexes]
                await health.change(resting, move.delay, deadline=call.deadline)
            elif move.delay:
                await self._clock.sleep(move.delay)
            elif (attempt := health.admit(candidates[move.index])) is not None:
                return move.index, attempt

    def _tell_passed_over(self, walk: _Walk[Result], standing: Standing, move: Move) -> None:
        """Put on the trail, once, whoever would have been asked before and is not."""
        candidates = walk.selection.candidates
        asks = isinstance(move, AskMove)
        considered = len(candidates) if walk.call.policy.fallback else 1
        tried = {one.index for one in walk.tried} if asks else set()
        for index in range(move.index if isinstance(move, AskMove) else considered):
            if index in walk.passed_over or index in tried:
                continue
            model = candidates[index]
            if index in standing.resting:
                walk.call.trail.skipped(model, "breaker_open", self._health.why_resting(model))
            elif index in standing.dead and asks:
                walk.call.trail.skipped(model, "key_refused", self._health.why_dead(model))
            else:
                continue
            walk.passed_over.add(index)

    def _failed(self, walk: _Walk[Result], index: int, attempt: Try, error: ProviderError) -> None:
        now = self._clock.now()
        self._health.failed(attempt, error)
        walk.call.trail.failed(walk.selection.candidates[index], error, now - attempt.begun)
        wait = pause(walk.tried, index, error, jitter=self._random())
        walk.tried.append(Tried(index, error, now + wait))

    def _ended(self, walk: _Walk[Result], model: Model, attempt: Try, error: GatewayError) -> GatewayError:
        """The error of an attempt that ends the call."""
        self._health.let_go(attempt)
        walk.call.trail.failed(model, error, self._clock.now() - attempt.begun)
        error.attempts = walk.call.trail.story
        error.provider = error.provider or model.provider
        error.model = error.model or model.id
        return error

    def _cancelled(self, walk: _Walk[Result], model: Model, attempt: Try) -> None:
        self._health.let_go(attempt)
        walk.call.trail.cancelled(model, self._clock.now() - attempt.begun)

    @contextmanager
    def _heard(self, attempt: Try) -> Iterator[None]:
        """Around the use of an answer that has begun: what the caller does to it is not its model's fault."""
        try:
            yield
        except BaseException:
            self._health.let_go(attempt)
            raise
        self._health.succeeded(attempt)

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


def _too_late(walk: _Walk[Result]) -> DeadlineExceededError:
    error = DeadlineExceededError("the deadline of the call passed before an answer came; allow more with deadline_s")
    error.attempts = walk.call.trail.story
    error.billable = any(one.error is not None and one.error.billable for one in walk.tried)
    if walk.tried:
        error.__cause__ = walk.tried[-1].error
    return error


def _final_error(walk: _Walk[Result], move: GiveUp, standing: Standing, now: float) -> GatewayError:
    """The failure itself where it stands alone or is the request's own fault; else one error that tells them all."""
    trail, errors = walk.call.trail, [one.error for one in walk.tried if one.error is not None]
    if not errors:
        return _resting(walk, standing, now)
    last = errors[-1]
    if len(errors) == 1 or (isinstance(last, InvalidRequestError) and not last.fallback):
        last.attempts = trail.story
        return last
    error = AttemptsExhaustedError(
        f"{move.reason}:\n{_lines(trail)}", provider=last.provider, model=last.model, attempts=trail.story
    )
    error.__cause__ = last
    return error


def _resting(walk: _Walk[Result], standing: Standing, now: float) -> RestingError:
    """Nobody was asked."""
    names = tuple(walk.selection.candidates[index].id for index in sorted(standing.resting))
    wait = max(min(standing.resting.values(), default=now) - now, 0.0)
    left = max(walk.call.deadline - now, 0.0)
    message = (
        f"every deployment that may serve is left alone just now, and the deadline is in {left:.1f} s:\n"
        f"{_lines(walk.call.trail)}\nCall again in {wait:.0f} s, or name further models in the route."
    )
    return RestingError(message, retry_after=wait, resting=names, attempts=walk.call.trail.story)


def _lines(trail: Trail) -> str:
    counts = Counter(f"{one.model}: {one.message}" for one in trail.records if one.number or one.outcome == "skipped")
    return "\n".join(f"  {line}" + (f" ({times} times)" if times > 1 else "") for line, times in counts.items())
