"""Wakes those in this program who follow a run, as soon as more of it is written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import anyio

__all__ = ["Followers", "Waker"]


class Waker:
    """One follower, in the loop that made it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._event = anyio.Event()

    def rest(self) -> None:
        """To be called before looking, so that nothing written after that is slept through."""
        self._event = anyio.Event()

    async def wait(self, seconds: float) -> None:
        """Until it is woken, and so long at most."""
        with anyio.move_on_after(seconds):
            await self._event.wait()

    def wake(self) -> None:
        """From the loop's own thread."""
        self._event.set()


class Followers:
    """Who follows which run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakers: dict[str, list[Waker]] = {}

    @contextmanager
    def watch(self, run_id: str) -> Iterator[Waker]:
        waker = Waker()
        with self._lock:
            self._wakers.setdefault(run_id, []).append(waker)
        try:
            yield waker
        finally:
            with self._lock:
                those = self._wakers[run_id]
                those.remove(waker)
                if not those:
                    del self._wakers[run_id]

    def wake(self, run_ids: Collection[str]) -> None:
        """From any thread."""
        with self._lock:
            if not self._wakers:
                return
            woken = [waker for run_id in run_ids for waker in self._wakers.get(run_id, ())]
        for waker in woken:
            try:
                waker.loop.call_soon_threadsafe(waker.wake)
            except RuntimeError:  # its loop is closed
                continue
