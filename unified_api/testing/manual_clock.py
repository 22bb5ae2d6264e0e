"""A clock that is turned by hand."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import anyio
import anyio.lowlevel

__all__ = ["ManualClock"]


class ManualClock:
    """Time that passes only when it is told to, or when somebody sleeps: a sleep moves the clock and takes no time.

    Deadlines on the way cancel their scopes, as they would have. With several tasks asleep at once, the first to
    sleep moves the clock for all; use it where one task waits.
    """

    def __init__(self, start: float = 1_000.0) -> None:
        self._now = start
        self._scopes: set[_ManualScope] = set()
        self.sleeps: list[float] = []
        """Every sleep asked for, in seconds."""

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass; scopes whose deadline passes are cancelled."""
        self._now += seconds
        for scope in list(self._scopes):
            scope.check()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        until = self._now + seconds
        while self._now < until:
            ahead = [s.deadline for s in self._scopes if self._now < s.deadline <= until]
            self.advance(min([*ahead, until]) - self._now)
            await anyio.lowlevel.checkpoint()

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
