"""The places of the steps that may run at one time, shared by all blocks of a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["Slots"]


class Slots:
    """So many places. Who finds none is called, in the order of asking, when one is free."""

    __slots__ = ("_free", "_waiting")

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: deque[Callable[[], None]] = deque()

    @property
    def crowded(self) -> bool:
        """Whether somebody waits for a place."""
        return bool(self._waiting)

    def take(self) -> bool:
        """Takes a place, if there is one."""
        if not self._free:
            return False
        self._free -= 1
        return True

    def wait(self, call: Callable[[], None]) -> None:
        """Has `call` called once, when a place is free. It takes the place itself, or leaves it to the next."""
        self._waiting.append(call)

    def give(self) -> None:
        """Gives a place back."""
        self._free += 1
        while self._free and self._waiting:
            self._waiting.popleft()()
