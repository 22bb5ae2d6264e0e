"""The attempt engine: the only place that loops over candidates, for chat, streams, embeddings and images alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
from unified_api.models import Model
from unified_api.routing.moves import GiveUp, Tried, next_move
from unified_api.trail import Trail

__all__ = ["Ask", "Attempts", "Won", "bounded"]

Result = TypeVar("Result")
Ask = Callable[[Model, float], AbstractAsyncContextManager[Result]]
"""Asks one model; the second argument is the deadline, in the clock's seconds. Entering it succeeds or fails; what it
gives stays open until it is left."""


@dataclass(frozen=True, slots=True)
class Won(Generic[Result]):
    """The first ask that succeeded."""

    model: Model
    result: Result
    started: float
    """When this last attempt began, in the clock's seconds."""


class Attempts:
    """Walks the route of one call. Decisions are `next_move`'s; here are only the clock and the waiting."""

    def __init__(self, *, clock: Clock, random: Callable[[], float]) -> None:
        self._clock = clock
        self._random = random

    @asynccontextmanager
    async def first(self, call: AnyCall, ask: Ask[Result]) -> AsyncIterator[Won[Result]]:
        """The first success, kept open for as long as the block lasts; what fails inside the block is not retried.

        Raises:
            ProviderError: the only try, or one that no other try could mend.
            AttemptsExhaustedError: all permitted tries failed.
            DeadlineExceededError: the deadline passed.

        """
        policy, trail = call.policy, call.trail
        candidates = trail.selection.candidates if trail.selection is not None else ()
        tried: list[Tried] = []
        while True:
            move = next_move(
                candidates, tried, policy, remaining=call.deadline - self._clock.now(), jitter=self._random()
            )
            if isinstance(move, GiveUp):
                raise _final_error(tried, move, trail) from tried[-1].error
            if move.delay:
                await self._clock.sleep(move.delay)
            model = candidates[move.index]
            started = self._clock.now()
            async with AsyncExitStack() as stack:
                try:
                    result = await stack.enter_async_context(ask(model, call.deadline))
                except ProviderError as error:
                    trail.failed(model, error, self._clock.now() - started)
                    tried.append(Tried(move.index, error))
                    continue
                except GatewayError as error:
                    trail.failed(model, error, self._clock.now() - started)
                    error.attempts = trail.story
                    error.provider = error.provider or model.provider
                    error.model = error.model or model.id
                    raise
                yield Won(model, result, started)
                return


async def bounded(clock: Clock, deadline: float, work: Callable[[], Awaitable[Result]]) -> Result:
    """The result of `work`, or DeadlineExceededError when `deadline` passes first."""
    with clock.scope(deadline):
        return await work()
    raise DeadlineExceededError("the deadline of the call passed before an answer came; allow more with deadline_s")


def _final_error(tried: list[Tried], move: GiveUp, trail: Trail) -> GatewayError:
    """The failure itself where it stands alone or is the request's own fault; else one error that tells them all."""
    last = tried[-1].error
    if len(tried) == 1 or (isinstance(last, InvalidRequestError) and not last.fallback):
        last.attempts = trail.story
        return last
    counts = Counter(f"{one.model}: {one.message}" for one in trail.records)
    lines = "\n".join(f"  {line}" + (f" ({times} times)" if times > 1 else "") for line, times in counts.items())
    return AttemptsExhaustedError(
        f"{move.reason}:\n{lines}", provider=last.provider, model=last.model, attempts=trail.story
    )
