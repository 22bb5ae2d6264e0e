"""Takes turns: of those that come at the same time, the first acts for all, and then the first that came meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import inf

import anyio

from unified_api.errors import LedgerError
from unified_api.ledger.operations import Operation, Outcome

__all__ = ["BATCH", "Entry", "Turns"]

BATCH = 256
"""How many are acted for at once, at most."""
_PACE_S = 0.004
"""From the beginning of one turn to that of the next, at least, in a crowd."""
_CROWD = 4
"""How many come together where more will; fewer are not made to wait for it."""


@dataclass(slots=True, eq=False)
class Entry:
    """An operation on its way into a transaction; None only looks whether those that wait have room now."""

    operation: Operation | None
    turn: anyio.Event = field(default_factory=anyio.Event)
    """Set when it is done, or when it is to act for all."""
    taken: bool = False
    """Whether it is in the transaction that is under way."""
    done: bool = False
    left: bool = False
    """Whether nobody waits for room for it any longer."""
    looked: float = -inf
    """When room was last looked for, by the event loop's time."""
    watches: bool = False
    """Whether it is the one of those that wait that looks now and then."""
    outcome: Outcome = None
    error: LedgerError | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return () if self.operation is None else self.operation.keys

    def again(self) -> None:
        """Not done any more."""
        self.turn, self.taken, self.done = anyio.Event(), False, False

    def end(self) -> None:
        self.done = True
        self.turn.set()


class Turns:
    """No task of its own: whoever is there acts. Whoever goes away meanwhile has to be removed."""

    def __init__(self, act: Callable[[Sequence[Entry]], Awaitable[None]]) -> None:
        """Take what ends every entry it is given, and raises nothing but a cancellation."""
        self._act = act
        self._queue: list[Entry] = []
        self._led = False
        self._began = -inf
        """When the last turn began, by the event loop's time."""
        self._last = 0
        """How many it was for."""

    async def submit(self, entry: Entry) -> None:
        """Until the entry is done. Raises its LedgerError."""
        if not entry.done:
            self._queue.append(entry)
            if self._led:
                await entry.turn.wait()
        if not entry.done:
            self._led = True
            entry.turn.set()  # whoever removes it hands the lead on
            await self._lead()
        if entry.error is not None:
            raise LedgerError(entry.error.message) from entry.error  # one for each: they go different ways

    def remove(self, entry: Entry) -> None:
        """Takes it out of the queue, where it still is there."""
        if entry in self._queue:
            self._queue.remove(entry)
            if entry.turn.is_set():
                self._pass_on()

    async def _lead(self) -> None:
        # A program that is busy waits a little, so that more comes together.
        crowded = max(self._last, len(self._queue)) >= _CROWD
        pause = self._began + _PACE_S - anyio.current_time() if crowded else 0.0
        await anyio.sleep(min(max(pause, 0.0), _PACE_S))
        self._began = anyio.current_time()
        batch = self._queue[:BATCH]
        del self._queue[:BATCH]
        self._last = len(batch)
        try:
            await self._act(batch)
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """Lets the first in the queue lead, or nobody."""
        self._led = bool(self._queue)
        if self._queue:
            self._queue[0].turn.set()
