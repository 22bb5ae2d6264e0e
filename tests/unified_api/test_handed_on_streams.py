"""Streams that their reader hands on by a generator of its own, which is the commonest way to pass one on."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator

import anyio
import anyio.lowlevel
import pytest
from broken_streams import STEP, ask, broken, over_the_wire

from unified_api.gateway import Gateway
from unified_api.testing import FaultyTransport, stream_answer
from unified_api.types import Chunk, Policy, RestartChunk


def long_answer() -> tuple[Gateway, FaultyTransport]:
    return over_the_wire("openai_chat", stream_answer(*["word "] * 50))


async def tokens(gateway: Gateway, policy: Policy = Policy()) -> AsyncGenerator[Chunk]:
    async with gateway.stream(ask(), policy) as stream:
        async for chunk in stream:
            yield chunk


async def ended(backend: FaultyTransport) -> None:
    """The event loop ends what nobody refers to any longer, in a task of its own."""
    gc.collect()
    with anyio.fail_after(5):
        while backend.open:
            await anyio.lowlevel.checkpoint()


async def test_a_generator_that_is_left_ends_the_call_upstream_and_its_reader_goes_on() -> None:
    gateway, backend = long_answer()
    done: list[str] = []

    async def reader() -> None:
        with anyio.CancelScope() as scope:
            async for _ in tokens(gateway):
                break
            await ended(backend)
            done.append("after the stream")
        assert not scope.cancel_called
        await anyio.lowlevel.checkpoint()
        done.append("after its own scope")

    async with gateway, anyio.create_task_group() as group:
        group.start_soon(reader)
    assert done == ["after the stream", "after its own scope"]


async def test_a_scope_may_be_left_while_a_generator_within_is_not() -> None:
    gateway, backend = long_answer()
    async with gateway:
        with anyio.CancelScope():
            left = tokens(gateway)
            await anext(left)
        with anyio.CancelScope():
            await anext(left)
        await left.aclose()
        assert backend.open == 0


async def test_a_generator_may_be_closed_by_another_task() -> None:
    gateway, backend = long_answer()
    async with gateway:
        left = tokens(gateway)
        await anext(left)
        async with anyio.create_task_group() as group:
            group.start_soon(left.aclose)
        assert backend.open == 0
        with pytest.raises(StopAsyncIteration):
            await anext(left)


async def test_one_that_is_left_after_a_break_ends_too() -> None:
    gateway, backend = over_the_wire("openai_chat", broken("openai_chat", "closed"))
    async with gateway:
        async for chunk in tokens(gateway, STEP):
            if isinstance(chunk, RestartChunk):
                break
        await ended(backend)
    assert len(backend.requests) == 2


def test_one_that_is_still_held_when_the_event_loop_ends_is_closed_with_it() -> None:
    gateway, backend = long_answer()
    held: list[AsyncGenerator[Chunk]] = []

    async def main() -> None:
        held.append(tokens(gateway))
        await anext(held[0])
        assert backend.open == 1

    anyio.run(main)
    assert backend.open == 0
