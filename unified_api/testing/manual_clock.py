"""A clock that is turned by hand."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import anyio
import anyio.lowlevel

__all__ = ["ManualClock"]

_STEPS = 10
"""Steps of the event loop that those who are awake are given before the clock moves on."""


class ManualClock:
    """Time that passes only when it is told to, or when somebody sleeps: a sleep moves the clock and takes no time.

    Deadlines on the way cancel their scopes, as they would have. Of several tasks asleep at once the one that wakes
    first moves the clock, so they wake in the order of time; it first lets the tasks that are awake go on, for as long
    as a few steps of the event loop take. A task that waits for something else for longer, such as a thread, is
    overtaken; nothing moves the clock while nobody sleeps but `advance`.
    """

    def __init__(self, start: float = 1_000.0) -> None:
        self._now = start
        self._scopes: set[_ManualScope] = set()
        self._wakings: list[float] = []
        self.sleeps: list[float] = []
        """Every sleep asked for, in seconds."""

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass; scopes whose deadline passes are cancelled."""
        self._move_to(self._now + seconds)

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        until = self._now + seconds
        self._wakings.append(until)
        try:
            await self._wait(until)
        finally:
            self._wakings.remove(until)

    async def _wait(self, until: float) -> None:
        steps = 0
        await anyio.lowlevel.checkpoint()
        while self._now < until:
            if until > min(self._wakings):
                steps = 0
            elif steps < _STEPS:
                steps += 1
            else:
                ahead = [s.deadline for s in self._scopes if self._now < s.deadline <= until]
                self._move_to(min([*ahead, until]))
                steps = 0  # whose deadline that was goes on first
            await anyio.lowlevel.checkpoint()

    def _move_to(self, moment: float) -> None:
        self._now = moment
        for scope in list(self._scopes):
            scope.check()

    def scope(self, deadline: float) -> _ManualScope:
        return _ManualScope(self, self._scopes, deadline)


class _ManualScope:
    """A cancel scope that goes by a ManualClock."""

    def __init__(self, clock: ManualClock, entered: set[_ManualScope], deadline: float) -> None:
        self._clock = clock
        self._entered = entered
        self._deadline = deadline
        self._scope = anyio.CancelScope()

    @property
    def deadline(self) -> float:
        return self._deadline

    @deadline.setter
    def deadline(self, value: float) -> None:
        self._deadline = value
        self.check()

    @property
    def cancel_called(self) -> bool:
        return self._scope.cancel_called

    @property
    def cancelled_caught(self) -> bool:
        return self._scope.cancelled_caught

    def check(self) -> None:
        if self._clock.now() >= self._deadline and self in self._entered:
            self._scope.cancel()

    def __enter__(self) -> Self:
        self._scope.__enter__()
        self._entered.add(self)
        self.check()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._entered.discard(self)
        return self._scope.__exit__(exc_type, exc, traceback)
