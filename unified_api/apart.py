"""Keeps context managers open in tasks of their own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

import anyio

from unified_api.errors import GatewayError

__all__ = ["Apart", "Kept"]

Got = TypeVar("Got")


class Kept(Generic[Got]):
    """A context that is being entered, and then open."""

    def __init__(self) -> None:
        self.entered = anyio.Event()
        """Set when `results` or `fault` says how entering ended."""
        self.results: list[Got] = []
        self.fault: Exception | None = None
        self.left = anyio.Event()
        self.closed = anyio.Event()

    @property
    def result(self) -> Got:
        return self.results[0]

    async def leave(self) -> None:
        """Returns when it is closed."""
        self.left.set()
        await self.closed.wait()


class Apart(Generic[Got]):
    """Enters contexts, each in a task of its own; all are left at the end of its block.

    A context may hold a cancel scope, and scopes of one task must be left in the opposite order of their entering. So
    what is entered while somebody reads, inside scopes of the reader's, cannot be entered in the reader's task.
    """

    def __init__(self) -> None:
        self._group = anyio.create_task_group()
        self._kept: list[Kept[Got]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        for kept in self._kept:
            kept.left.set()
        if isinstance(exc, Exception):  # which the group would wrap
            await self._group.__aexit__(None, None, None)
            return False
        return await self._group.__aexit__(exc_type, exc, traceback)

    async def enter(self, context: AbstractAsyncContextManager[Got]) -> Kept[Got]:
        """Raises what entering raises. `Kept.leave` leaves the context before the others.

        Not by `TaskGroup.start`: where it is cancelled just as the context has been entered, it waits for the task's
        end, and the task for its leave to close the context.
        """
        kept: Kept[Got] = Kept()
        self._kept.append(kept)
        self._group.start_soon(self._keep, context, kept)
        await kept.entered.wait()
        if kept.fault is not None:
            raise kept.fault
        return kept

    async def _keep(self, context: AbstractAsyncContextManager[Got], kept: Kept[Got]) -> None:
        try:
            async with context as result:
                kept.results.append(result)
                kept.entered.set()
                # Whoever reads is cancelled too, and must be through before anything is closed under its hands.
                with anyio.CancelScope(shield=True):
                    await kept.left.wait()
        except Exception as error:  # `enter` raises it where the group would wrap it
            if kept.results and not isinstance(error, GatewayError):
                raise
            kept.fault = error  # where it was entered before: how closing failed is of no use to anybody
        finally:
            kept.entered.set()
            kept.closed.set()
