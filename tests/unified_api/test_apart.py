"""Contexts that are kept open in tasks of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from unified_api.apart import Apart


async def test_a_caller_that_is_cancelled_just_as_the_context_is_entered_leaves_it_and_waits_for_nobody() -> None:
    closed: list[int] = []
    with anyio.fail_after(5), anyio.CancelScope() as scope:

        @asynccontextmanager
        async def context() -> AsyncIterator[int]:
            scope.cancel()
            try:
                yield 1
            finally:
                closed.append(1)

        async with Apart[int]() as room:
            await room.enter(context())
    assert scope.cancelled_caught
    assert closed == [1]


async def test_what_entering_raises_is_raised_to_whoever_enters_and_to_nobody_else() -> None:
    @asynccontextmanager
    async def context(fault: Exception | None) -> AsyncIterator[str]:
        if fault is not None:
            raise fault
        yield "open"

    async with Apart[str]() as room:
        with pytest.raises(ValueError, match="no entry"):
            await room.enter(context(ValueError("no entry")))
        kept = await room.enter(context(None))
        assert kept.result == "open"
        await kept.leave()
        assert kept.closed.is_set()
