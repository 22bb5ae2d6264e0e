"""The places of the steps that may run at one time, shared by all blocks of a run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

import anyio

__all__ = ["Call", "Slots"]

Call: TypeAlias = Callable[[], None]


class Slots:
    """So many places. Who finds none is called, in the order of asking, when one is free.

    A place here is one of `around` too: those of the run in which a workflow runs as a step.
    """

    __slots__ = ("_around", "_free", "_waiting", "limit")

    def __init__(self, limit: int, *, around: Slots | None = None) -> None:
        self.limit: int = limit if around is None else min(limit, around.limit)
        """How many steps can have a place at one time."""
        self._free = limit
        self._around = around
        self._waiting: OrderedDict[Call, None] = OrderedDict()

    def crowded(self, call: Call) -> bool:
        """Whether anybody else than `call` waits for a place."""
        if self._waiting and len(self._waiting) > (call in self._waiting):
            return True
        return self._around is not None and self._around.crowded(call)

    def take(self) -> bool:
        """Takes a place, if there is one."""
        if not self._free or (self._around is not None and not self._around.take()):
            return False
        self._free -= 1
        return True

    def wait(self, call: Call) -> None:
        """Has `call` called once, when a place is free. It takes the place itself, or leaves it to the next."""
        if self._free and self._around is not None:
            self._around.wait(call)
        else:
            self._waiting[call] = None

    def leave(self, call: Call) -> None:
        """Does not wait any longer."""
        self._waiting.pop(call, None)
        if self._around is not None:
            self._around.leave(call)

    def give(self) -> None:
        """Gives a place back."""
        self._free += 1
        if self._around is not None:
            self._around.give()
        # Who is called and finds no place around this one waits there from then on.
        while self._free and self._waiting:
            self._waiting.popitem(last=False)[0]()

    async def acquire(self) -> None:
        """Takes a place, once there is one and it is the caller's turn."""
        if self.take():
            return
        turn = anyio.Event()

        def call() -> None:
            if self.take():
                turn.set()
            else:
                self.wait(call)

        self.wait(call)
        try:
            await turn.wait()
        except BaseException:
            self.leave(call)
            if turn.is_set():
                self.give()
            raise
