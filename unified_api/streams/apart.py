"""Keeps context managers open in tasks of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
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
        self.scope = anyio.CancelScope()
        """Around all that its task does."""
        self.task: asyncio.Task[None] | None = None
        """Held here, as the event loop holds its tasks weakly."""

    @property
    def result(self) -> Got:
        return self.results[0]

    async def leave(self) -> None:
        """Returns when it is closed."""
        await _closed((self,))


class Apart(Generic[Got]):
    """Enters contexts, each in a task of its own; all are left at the end of its block, and closed when that returns.

    A context may hold a cancel scope, and scopes of one task must be left in the opposite order of their entering. So
    what is entered while somebody reads, inside scopes of the reader's, cannot be entered in the reader's task.

    No task group keeps the tasks: its own scope would be such a one. A stream within a generator is closed wherever
    that is, at last by the event loop in a task of its own, while the scope stood in the way of its reader's others.
    """

    def __init__(self) -> None:
        self._kept: list[Kept[Got]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(exc, anyio.get_cancelled_exc_class()):
            for kept in self._kept:
                kept.scope.cancel()
        await _closed(self._kept)
        if exc is None:
            for fault in (kept.fault for kept in self._kept if kept.results and kept.fault is not None):
                raise fault

    async def enter(self, context: AbstractAsyncContextManager[Got]) -> Kept[Got]:
        """Raises what entering raises. `Kept.leave` leaves the context before the others."""
        kept: Kept[Got] = Kept()
        self._kept.append(kept)
        # Not anyio's, which has no task outside of a group; the network's library knows asyncio alone anyway.
        kept.task = asyncio.create_task(self._keep(context, kept))
        try:
            await kept.entered.wait()
        except BaseException:  # what is being entered is given up with its caller
            kept.scope.cancel()
            await _closed((kept,))
            raise
        if kept.fault is not None:
            raise kept.fault
        return kept

    async def _keep(self, context: AbstractAsyncContextManager[Got], kept: Kept[Got]) -> None:
        try:
            with kept.scope:
                async with context as result:
                    kept.results.append(result)
                    kept.entered.set()
                    # Whoever reads is cancelled too, and must be through before anything is closed under its hands.
                    with anyio.CancelScope(shield=True):
                        await kept.left.wait()
        except Exception as error:  # noqa: BLE001  # raised to whoever enters or leaves
            # A connection that cannot be closed is gone: that takes nothing from an answer, and nobody can mend it.
            if not kept.results or not isinstance(error, GatewayError | OSError):
                kept.fault = error
        finally:
            kept.entered.set()
            kept.closed.set()


async def _closed(kept: Sequence[Kept[Got]]) -> None:
    """Leave all of them, and wait for their end; a cancellation meanwhile is handed on to what they do to end."""
    for one in kept:
        one.left.set()
    try:
        for one in kept:
            if not one.closed.is_set():
                await one.closed.wait()
    except BaseException:
        for one in kept:
            one.scope.cancel()
        with anyio.CancelScope(shield=True):
            for one in kept:
                await one.closed.wait()
        raise
