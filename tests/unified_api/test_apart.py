"""Contexts that are kept open in tasks of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from unified_api.errors import ServerError
from unified_api.streams.apart import Apart


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


async def test_it_may_be_left_by_another_task_and_stands_in_the_way_of_no_scope() -> None:
    room, closed = Apart[int](), anyio.Event()

    @asynccontextmanager
    async def context() -> AsyncIterator[int]:
        with anyio.CancelScope():
            yield 1
        closed.set()

    async def leave() -> None:
        await room.__aexit__(None, None, None)
        assert closed.is_set()

    with anyio.CancelScope() as outer:
        await room.__aenter__()
        with anyio.CancelScope():
            assert (await room.enter(context())).result == 1
        async with anyio.create_task_group() as group:
            group.start_soon(leave)
    assert not outer.cancel_called
    await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), ZeroDivisionError()], ids=repr)
async def test_what_the_block_raises_comes_out_as_it_is(raised: BaseException) -> None:
    closed: list[int] = []

    @asynccontextmanager
    async def context() -> AsyncIterator[int]:
        yield 1
        await anyio.lowlevel.checkpoint()
        closed.append(1)
        raise ValueError("closing")  # of less use than what the block raised

    async def block() -> None:
        async with Apart[int]() as room:
            await room.enter(context())
            raise raised

    with pytest.raises(type(raised)) as caught:
        await block()
    assert caught.value is raised
    assert closed == [1]


@asynccontextmanager
async def failing(fault: Exception) -> AsyncIterator[int]:
    yield 1
    raise fault


@pytest.mark.parametrize("fault", [OSError("gone"), ServerError("gone")], ids=repr)
async def test_a_connection_that_cannot_be_closed_is_no_fault_of_the_block(fault: Exception) -> None:
    async with Apart[int]() as room:
        kept = await room.enter(failing(fault))
    assert kept.closed.is_set()


async def test_what_else_closing_raises_comes_out_as_it_is() -> None:
    with pytest.raises(ValueError, match="a slip of the adapter's"):
        async with Apart[int]() as room:
            await room.enter(failing(ValueError("a slip of the adapter's")))


async def test_a_closing_that_takes_too_long_for_its_caller_is_cancelled_and_ended() -> None:
    ended: list[int] = []

    @asynccontextmanager
    async def context() -> AsyncIterator[int]:
        yield 1
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(1)

    with anyio.fail_after(5), anyio.move_on_after(0.01) as patience:
        async with Apart[int]() as room:
            await room.enter(context())
    assert patience.cancelled_caught
    assert ended == [1]


async def test_what_is_being_entered_is_given_up_with_its_caller() -> None:
    ended: list[int] = []

    @asynccontextmanager
    async def context() -> AsyncIterator[int]:
        try:
            await anyio.sleep_forever()
            yield 1
        finally:
            ended.append(1)

    with anyio.fail_after(5), anyio.move_on_after(0.01) as patience:
        async with Apart[int]() as room:
            await room.enter(context())
    assert patience.cancelled_caught
    assert ended == [1]
