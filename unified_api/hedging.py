"""Asks a second deployment where the first is slow, and takes the answer that comes first."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from unified_api.clock import Clock
from unified_api.errors import GatewayError, ProviderError

__all__ = ["HEDGED_SHARE", "Allowance", "Entrant", "race"]

Result = TypeVar("Result")
HEDGED_SHARE = 0.05
"""Of the calls that may be hedged, how many are."""


class Allowance:
    """At most `share` of the latest `over` calls may be hedged."""

    def __init__(self, share: float = HEDGED_SHARE, *, over: int = 1000) -> None:
        self._share = share
        self._over = over
        self._calls = 0
        self._hedged: deque[int] = deque()

    def count(self) -> None:
        """A call begins that may be hedged."""
        self._calls += 1

    @property
    def has_room(self) -> bool:
        """Whether one more may be hedged now."""
        while self._hedged and self._hedged[0] <= self._calls - self._over:
            self._hedged.popleft()
        return len(self._hedged) + 1 <= self._share * min(self._calls, self._over)

    def take(self) -> None:
        """One more is hedged."""
        self._hedged.append(self._calls)


class Entrant(Generic[Result]):
    """One of those that are asked at the same time, in a task of its own."""

    def __init__(
        self,
        ask: AbstractAsyncContextManager[Result],
        *,
        failed: Callable[[GatewayError], None],
        cancelled: Callable[[], None],
    ) -> None:
        """Take what is entered to ask, and whom to tell that it failed, or that nobody waits for it any longer."""
        self._ask = ask
        self._failed = failed
        self._cancelled = cancelled
        self._scope = anyio.CancelScope()
        self.fault: Exception | None = None
        """What ends the race for all."""
        self.is_over = False
        self.has_won = False

    async def run(self, claim: Callable[[Entrant[Result], Result], bool], released: anyio.Event) -> None:
        """Ask, and keep open what comes of it until `released`, where `claim` says that nobody was faster."""
        with self._scope:
            try:
                async with self._ask as result:
                    if claim(self, result):
                        # Whoever uses the answer is cancelled too, and must be through before it is closed.
                        with anyio.CancelScope(shield=True):
                            await released.wait()
            except Exception as error:  # noqa: BLE001  # `race` raises it outside of its task group, which would wrap it
                self._fail(error)

    def drop(self) -> None:
        """Wait for it no longer."""
        if not self.is_over:
            self.is_over = True
            self._scope.cancel()
            self._cancelled()

    def _fail(self, error: Exception) -> None:
        if self.is_over or self.has_won:  # it failed while it was closed, which is of no use to anybody
            return
        self.is_over = True
        if isinstance(error, GatewayError):
            self._failed(error)
        else:
            self._cancelled()
        if not isinstance(error, ProviderError) or not (error.fallback or error.retryable):
            self.fault = error


class _Race(Generic[Result]):
    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._entrants: list[Entrant[Result]] = []
        self._changed = anyio.Event()
        self._released = anyio.Event()
        self.won: tuple[Entrant[Result], Result] | None = None

    @property
    def fault(self) -> Exception | None:
        return next((one.fault for one in self._entrants if one.fault is not None), None)

    @property
    def is_settled(self) -> bool:
        """Whether somebody has succeeded, or nobody can any longer."""
        return self.won is not None or self.fault is not None or all(one.is_over for one in self._entrants)

    def enter(self, one: Entrant[Result]) -> None:
        self._entrants.append(one)
        self._group.start_soon(self._run, one)

    async def settled(self) -> None:
        while not self.is_settled:
            await self._changed.wait()
            self._changed = anyio.Event()

    def drop(self, *, winner: bool = False) -> None:
        """Wait no longer for those that have not won, or for the one that has won either."""
        for one in self._entrants:
            if winner or not one.has_won:
                one.drop()

    def release(self) -> None:
        self._released.set()

    async def _run(self, one: Entrant[Result]) -> None:
        await one.run(self._claim, self._released)
        self._changed.set()

    def _claim(self, one: Entrant[Result], result: Result) -> bool:
        if self.won is not None or one.is_over:
            return False
        self.won = one, result
        one.has_won = True
        self._changed.set()
        return True


@asynccontextmanager
async def race(
    first: Entrant[Result], second: Callable[[], Entrant[Result] | None], *, after: float, clock: Clock
) -> AsyncIterator[tuple[Entrant[Result], Result] | None]:
    """Who succeeds first and with what, kept open for as long as the block lasts; None where all have failed.

    After `after` seconds without an answer of `first`, `second` says who else is asked, if anybody. Whoever is slower
    is cancelled, and has ended when the block is left.
    """
    held: BaseException | None = None
    given = False
    async with anyio.create_task_group() as group:
        running: _Race[Result] = _Race(group)
        try:
            running.enter(first)
            with clock.scope(clock.now() + after):
                await running.settled()
            if not running.is_settled and (other := second()) is not None:
                running.enter(other)
            await running.settled()
            running.drop()
            given = running.won is not None or running.fault is None
            if given:
                yield running.won
        except anyio.get_cancelled_exc_class():
            running.drop(winner=not given)
            raise
        except BaseException as error:  # noqa: BLE001  # raised below, as the task group would wrap it
            held = error
        finally:
            running.release()
    if held is not None:
        raise held
    if running.fault is not None:
        raise running.fault
