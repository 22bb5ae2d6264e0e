"""Combines operations: one thread acts for all that have come meanwhile, whoever of them waits or leaves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf

import anyio

from unified_api.ledger.accounts import Short
from unified_api.ledger.operations import Locked, Operation, Outcome, Reservation, Reserve, Settle

__all__ = ["Answer", "Entry", "Turns"]

Answer = Outcome | Locked | Exception
_BATCH = 256
"""How many are acted for at once, at most."""
_PACE_S = 0.004
"""From the beginning of one turn to that of the next, at least, in a crowd."""
_CROWD = 4
"""How many come together where more will; fewer are not made to wait for it."""
_LOOK_S = 0.05
"""How often it is looked whether those that wait have room now: no event tells what other programs settle."""
_IDLE_S = 2.0
"""After which the thread ends, until somebody comes again."""


@dataclass(slots=True, eq=False)
class Entry:
    """An operation on its way into a transaction; None only has what is owed written.

    All but `event` and `loop` belong to the turns, whose lock guards them.
    """

    operation: Operation | None
    event: anyio.Event | None = None
    """Set in `loop` when it is done; None where nobody waits for it."""
    # Not anyio's way back from a thread, which blocks the thread for as long as a loop that was left does not run.
    loop: asyncio.AbstractEventLoop | None = None
    waits: bool = False
    """Whether somebody waits for room for it, where there is none at once."""
    gone: float = inf
    """When nobody can wait for it any longer, on the monotonic clock: its loop was left, or it would have said so."""
    taken: bool = False
    """Whether it is in the transaction that is under way."""
    done: bool = False
    left: bool = False
    """Whether nobody wants it any longer."""
    looked: float = -inf
    outcome: Outcome = None
    error: Exception | None = None

    @classmethod
    def awaited(cls, operation: Operation | None, *, waits: bool = False, gone: float = inf) -> Entry:
        """One whose event the running loop can wait for."""
        return cls(operation, anyio.Event(), asyncio.get_running_loop(), waits, gone)

    @property
    def keys(self) -> tuple[str, ...]:
        return () if self.operation is None else self.operation.keys


@dataclass(slots=True)
class _Rhythm:
    """When turns began, on the monotonic clock."""

    began: float = -inf
    size: int = 0
    """How many the last turn was for."""
    looked: float = -inf

    def pause(self, queued: int, now: float) -> float:
        """A program that is busy waits a little, so that more comes together."""
        return self.began + _PACE_S - now if max(self.size, queued) >= _CROWD else 0.0


@dataclass(slots=True)
class _Wakings:
    """Whom to wake, by loop: one call a loop costs less than one each."""

    entries: dict[asyncio.AbstractEventLoop, list[Entry]] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        if entry.loop is not None:
            self.entries.setdefault(entry.loop, []).append(entry)

    def wake(self) -> Iterator[Entry]:
        """Gives those whose loop has ended."""
        for loop, entries in self.entries.items():
            try:
                loop.call_soon_threadsafe(_set, [entry.event for entry in entries if entry.event is not None])
            except RuntimeError:  # it is closed
                yield from entries


class Turns:
    """What nobody waits for any longer is done all the same, but room that is granted to nobody is given back."""

    def __init__(self, act: Callable[[Sequence[Entry]], Sequence[Answer]], *, idle: Callable[[], None]) -> None:
        """Take what is called in the thread.

        Args:
            act: answers every entry it is given, and raises nothing.
            idle: called when nobody has come for a while.

        """
        self._act = act
        self._idle = idle
        self._change = threading.Condition()
        self._queue: deque[Entry] = deque()
        self._waiting: dict[Entry, None] = {}
        """Reservations that wait for room, in order."""
        self._rhythm = _Rhythm()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is queued up or waits for room."""
        return bool(self._queue or self._waiting)

    def put(self, entry: Entry) -> None:
        with self._change:
            self._put(entry)

    def late(self, entry: Entry) -> bool:
        """Nobody waits for room for it any longer. True when it is done with that, False when it was not looked at."""
        with self._change:
            entry.waits = False
            if not entry.taken and isinstance(entry.outcome, Short):
                self._waiting.pop(entry, None)
                entry.done = True
            return entry.done

    def leave(self, entry: Entry) -> None:
        """Nobody wants a reservation any longer."""
        with self._change:
            entry.left = True
            self._waiting.pop(entry, None)
            if entry.done:
                self._give_back(entry)

    def _put(self, entry: Entry) -> None:
        self._queue.append(entry)
        if self._thread is None or not self._thread.is_alive():  # as after a fork
            self._thread = threading.Thread(target=self._run, name="budgets", daemon=True)
            self._thread.start()
        else:
            self._change.notify()

    def _give_back(self, entry: Entry) -> None:
        outcome, entry.outcome = entry.outcome, None
        if isinstance(outcome, Reservation):
            self._put(Entry(Settle(outcome, 0)))

    def _run(self) -> None:
        while True:
            pause = self._until_next()
            if pause is None:
                return
            if pause > 0:
                time.sleep(min(pause, _PACE_S))
            with self._change:
                batch = self._taken()
            if batch:
                self._end(batch, self._act(batch))

    def _until_next(self) -> float | None:
        """Waits until there is something to do, and says how many seconds to wait for more; None to end the thread."""
        with self._change:
            while True:
                now = time.monotonic()
                if self._queue:
                    return self._rhythm.pause(len(self._queue), now)
                if self._waiting:
                    rest = self._rhythm.looked + _LOOK_S - now
                    if rest <= 0:
                        return 0.0
                    self._change.wait(rest)
                elif not self._change.wait(_IDLE_S) and not self.busy:
                    self._change.release()
                    try:
                        self._idle()
                    finally:
                        self._change.acquire()
                    if not self.busy:
                        self._thread = None
                        return None

    def _taken(self) -> list[Entry]:
        """Those that go into the next transaction: of those that wait the ones it matters to, then the queue."""
        now = time.monotonic()
        queued = [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH))]
        queued = [entry for entry in queued if not (entry.left and isinstance(entry.operation, Reserve))]
        self._rhythm.began, self._rhythm.size = now, len(queued)
        batch = [*islice(self._hopeful(queued, now), _BATCH), *queued] if self._waiting else queued
        for entry in batch:
            entry.taken, entry.looked = True, now
        return batch

    def _hopeful(self, queued: Sequence[Entry], now: float) -> Iterator[Entry]:
        if self._rhythm.looked + _LOOK_S <= now:
            self._rhythm.looked = now
            for entry in [one for one in self._waiting if one.gone < now]:
                del self._waiting[entry]
            longest_ago = set(sorted(self._waiting, key=lambda entry: entry.looked)[:_BATCH])
            return (entry for entry in self._waiting if entry in longest_ago)
        # Nobody goes before those that wait. What is settled is not theirs at once: other programs wait for it, too.
        wanted = {key for entry in queued if isinstance(entry.operation, Reserve) for key in entry.keys}
        return (entry for entry in self._waiting if not wanted.isdisjoint(entry.keys))

    def _end(self, batch: Sequence[Entry], answers: Sequence[Answer]) -> None:
        wakings = _Wakings()
        with self._change:
            if not self._waiting:
                self._rhythm.looked = time.monotonic()
            for entry, answer in zip(batch, answers, strict=True):
                self._answer(entry, answer)
                if entry.done:
                    wakings.add(entry)
        for entry in wakings.wake():
            self.leave(entry)

    def _answer(self, entry: Entry, answer: Answer) -> None:
        entry.taken = False
        if isinstance(answer, Exception):
            entry.error = answer
        elif not isinstance(answer, Locked):
            entry.outcome = answer
        hopes = isinstance(answer, Locked) or (isinstance(answer, Short) and not answer.final and entry.waits)
        if hopes and not entry.left and isinstance(entry.operation, Reserve):
            self._waiting[entry] = None
            return
        self._waiting.pop(entry, None)
        entry.done = True
        if entry.left:
            self._give_back(entry)


def _set(events: Sequence[anyio.Event]) -> None:
    for event in events:
        event.set()
