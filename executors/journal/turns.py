"""One thread writes for all: whatever has come while one commit was under way goes into the next."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio

from executors.journal.rows import Row

__all__ = ["Entry", "Item", "Turns"]

Act: TypeAlias = Callable[[Any], Any]
Item: TypeAlias = Row | Act | None
_BATCH = 4_000
"""Entries of one commit at most."""
_BATCH_BYTES = 8_000_000
_CROWD = 16
_PACE_S = 0.002
"""Waited for more to come together where many wait at once."""
_BEAT_S = 2.0


@dataclass(slots=True, eq=False)
class Entry:
    """Something on its way to the disk; without an item it only waits for all before it."""

    item: Item
    size: int = 0
    alone: bool = False
    """Whether it has a transaction of its own."""
    event: anyio.Event | threading.Event | None = None
    """Set when it is done; None where nobody waits for it."""
    # Not anyio's way back from a thread, which blocks the thread for as long as a loop that was left does not run.
    loop: asyncio.AbstractEventLoop | None = None
    outcome: Any = None
    error: BaseException | None = None

    def wait_here(self) -> None:
        """Blocks the thread until it is done."""
        if isinstance(self.event, threading.Event):
            self.event.wait()


class Turns:
    """A queue in order of arrival, and the thread that works it off. The thread ends with `stop`, or the program."""

    def __init__(self, act: Callable[[Sequence[Entry]], None], *, beat: Callable[[], None]) -> None:
        """Take what is called in the thread.

        Args:
            act: writes the entries, gives those that somebody waits for their outcome, and raises nothing.
            beat: called every two seconds, between commits; raises nothing.

        """
        self._act = act
        self._beat = beat
        self._change = threading.Condition()
        self._queue: deque[Entry] = deque()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._crowded = False
        self.waiting_bytes = 0
        """What is in the queue or being written."""

    @property
    def lives(self) -> bool:
        return self._thread is not None

    def put(self, entry: Entry) -> None:
        with self._change:
            self._queue.append(entry)
            self.waiting_bytes += entry.size
            if self._thread is None or not self._thread.is_alive():  # as after a fork
                self._stopping = False
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
            elif len(self._queue) == 1:
                self._change.notify()

    def stop(self) -> None:
        """Returns when everything was worked off and the thread has ended; it begins anew with the next entry."""
        with self._change:
            thread = self._thread
            self._stopping = True
            self._change.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        beaten = time.monotonic()
        while True:
            if time.monotonic() - beaten >= _BEAT_S:
                beaten = time.monotonic()
                self._beat()
            if not self._until_next(beaten + _BEAT_S):
                with self._change:
                    if self._stopping and not self._queue:
                        self._thread = None
                        return
                continue
            if self._crowded:
                time.sleep(_PACE_S)
            with self._change:
                batch = self._taken()
            self._crowded = sum(entry.event is not None for entry in batch) >= _CROWD
            self._act(batch)
            with self._change:
                self.waiting_bytes -= sum(entry.size for entry in batch)
            wake(batch)

    def _until_next(self, beat: float) -> bool:
        with self._change:
            if not self._queue and not self._stopping:
                self._change.wait(max(beat - time.monotonic(), 0.0))
            return bool(self._queue)

    def _taken(self) -> list[Entry]:
        batch: list[Entry] = []
        size = 0
        while self._queue and len(batch) < _BATCH and size < _BATCH_BYTES:
            if self._queue[0].alone and batch:
                break
            entry = self._queue.popleft()
            batch.append(entry)
            size += entry.size
            if entry.alone:
                break
        return batch


def wake(entries: Sequence[Entry]) -> None:
    """One call a loop costs less than one each. A loop that was closed has nobody who waits."""
    loops: dict[asyncio.AbstractEventLoop, list[anyio.Event]] = {}
    for entry in entries:
        if isinstance(entry.event, threading.Event):
            entry.event.set()
        elif entry.event is not None and entry.loop is not None:
            loops.setdefault(entry.loop, []).append(entry.event)
    for loop, events in loops.items():
        try:
            loop.call_soon_threadsafe(_set, events)
        except RuntimeError:  # it is closed
            continue


def _set(events: Sequence[anyio.Event]) -> None:
    for event in events:
        event.set()
