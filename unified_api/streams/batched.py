"""Chunks that come several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence

import anyio.lowlevel

from unified_api.types import Chunk

__all__ = ["Batched"]


class Batched:
    """The chunks of `batches`, one by one. One piece of a network holds many, and only the next piece is waited for."""

    __slots__ = ("_batches", "_here")

    def __init__(self, batches: AsyncIterator[Sequence[Chunk]]) -> None:
        self._batches = batches
        self._here: deque[Chunk] = deque()

    def take(self) -> Chunk | None:
        """The next chunk where it is here already."""
        return self._here.popleft() if self._here else None

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        while not self._here:
            self._here.extend(await anext(self._batches))
            if not self._here:  # pieces without a chunk, without end and without a wait, would outlive every deadline
                await anyio.lowlevel.checkpoint()
        return self._here.popleft()
