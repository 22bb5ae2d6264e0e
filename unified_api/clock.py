"""The clock that waits and deadlines are measured by, so that tests can turn it by hand."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

import anyio

__all__ = ["Clock", "MonotonicClock", "Scope"]


class Scope(Protocol):
    """A stretch of code that is cancelled when `deadline` passes; `deadline` may be moved while inside."""

    deadline: float

    @property
    def cancel_called(self) -> bool:
        """Whether the deadline passed; the next wait inside is then cancelled."""

    @property
    def cancelled_caught(self) -> bool:
        """Whether the deadline passed and ended the stretch."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None: ...


class Clock(Protocol):
    """Seconds that only ever grow, from an arbitrary start."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    def scope(self, deadline: float) -> Scope:
        """A scope that ends at `deadline`, in this clock's seconds."""


class MonotonicClock:
    """The event loop's own clock."""

    def now(self) -> float:
        return anyio.current_time()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    def scope(self, deadline: float) -> Scope:
        return anyio.CancelScope(deadline=deadline)
